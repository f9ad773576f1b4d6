import numpy as np
import pytest
import torch
from gymnasium import spaces
from support.fakes import trajectory

from oprl_gym import OPRLLearner, ProcessRewardModel
from oprl_gym.files.sealed import read_sealed, write_sealed
from oprl_gym.preferences import segment
from oprl_gym.rewards import (
    ProcessReward,
    load_process_reward,
    save_process_reward,
)
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.weights_file import FORMAT

MAZE = spaces.Box(0, 1, (4,), dtype=np.float32)
BITS = spaces.MultiBinary(20)
LINE = spaces.Box(-1, 1, (3,), dtype=np.float32)
ACTIONS = spaces.Discrete(2)


def process_reward(
    space=MAZE, reward_input="next_obs", seed=1, fitted=True, first_visits=True
):
    encoder = StepEncoder(space, ACTIONS, reward_input, first_visits)
    generator = torch.Generator().manual_seed(seed)
    model = ProcessRewardModel(encoder.input_dim, 16, generator=generator)
    reward = ProcessReward(encoder, model)
    reward.fitted = fitted
    return reward


def steps(space, n, seed=0):
    """Return n observations, whether each is new, and n actions."""
    space.seed(seed)
    observations = np.stack([space.sample() for _ in range(n)])
    return observations, np.arange(n) % 3 == 0, np.arange(n) % 2


def direct(reward, rows):
    with torch.inference_mode():
        return reward.model(torch.from_numpy(rows)).numpy()


def test_an_unfitted_model_scores_exactly_zero():
    reward = process_reward(fitted=False)
    assert reward.score(*steps(MAZE, 3)).tolist() == [0, 0, 0]
    assert reward.score(*steps(MAZE, 3)[:2]).dtype == np.float32


@pytest.mark.parametrize("first_visits", [True, False])
@pytest.mark.parametrize("reward_input", ["obs", "next_obs", "obs_action"])
def test_scores_are_the_models(reward_input, first_visits):
    reward = process_reward(reward_input=reward_input, first_visits=first_visits)
    batch = steps(MAZE, 5)
    expected = direct(reward, reward.encoder.rows(*batch))
    np.testing.assert_allclose(reward.score(*batch), expected, atol=1e-6)
    assert len(np.unique(expected)) == 5


@pytest.mark.parametrize("first_visits", [True, False])
def test_a_second_visit_is_scored_otherwise_only_if_the_model_sees_it(first_visits):
    reward = process_reward(first_visits=first_visits)
    observation = steps(MAZE, 1)[0][[0, 0]]
    first, again = reward.score(observation, np.array([True, False]))
    assert bool(first != again) is first_visits


@pytest.mark.parametrize(("reward_input", "start"), [("next_obs", 1), ("obs", 0)])
def test_the_steps_of_an_episode_are_scored_by_what_they_read(reward_input, start):
    """And a piece of an episode by what was new in the whole of it."""
    reward = process_reward(reward_input=reward_input)
    episode = trajectory([0, 1, 0, 2, 2])
    cells = np.eye(4, dtype=np.float32)[[0, 1, 0, 2, 2]]
    first = np.array([True, True, False, True, False])
    at = slice(start, start + 4)
    expected = direct(reward, reward.encoder.rows(cells[at], first[at]))
    np.testing.assert_allclose(reward.score_episode(episode), expected, atol=1e-6)
    piece = segment(episode, 1, 2)
    np.testing.assert_allclose(reward.score_episode(piece), expected[1:3], atol=1e-6)


def test_scores_looked_up_follow_the_weights():
    """Scores of known observations are remembered, but only until the next fit."""
    reward = process_reward(seed=1)
    batch = steps(MAZE, 5)
    before = reward.score(*batch)
    np.testing.assert_array_equal(reward.score(*batch), before)
    reward.load_state(process_reward(seed=2).state())
    after = reward.score(*batch)
    expected = direct(reward, reward.encoder.rows(*batch))
    np.testing.assert_allclose(after, expected, atol=1e-6)
    assert (after != before).all()


def test_scores_stay_right_when_there_are_too_many_observations_to_remember():
    reward = process_reward(BITS)
    for seed in range(5):
        batch = steps(BITS, 1000, seed)
        expected = direct(reward, reward.encoder.rows(*batch))
        np.testing.assert_allclose(reward.score(*batch), expected, atol=1e-6)
    assert reward._table.overflowed


def test_a_state_alone_has_no_score_if_actions_are_scored():
    reward = process_reward(reward_input="obs_action")
    with pytest.raises(ValueError, match="obs_action"):
        reward.score(*steps(MAZE, 1)[:2])


def test_a_state_rebuilds_the_same_scores_and_shares_no_memory():
    reward = process_reward()
    batch = steps(MAZE, 5)
    state = reward.state()
    expected = reward.score(*batch)
    with torch.no_grad():
        for weight in reward.model.parameters():
            weight.zero_()
    rebuilt = ProcessReward.from_state(MAZE, ACTIONS, state)
    np.testing.assert_allclose(rebuilt.score(*batch), expected, atol=1e-6)


@pytest.mark.parametrize(("first_visits", "values"), [(True, 5), (False, 4)])
def test_a_state_of_another_env_is_refused(first_visits, values):
    state = process_reward(first_visits=first_visits).state()
    with pytest.raises(ValueError, match=f"reads rows of {values} values"):
        ProcessReward.from_state(LINE, ACTIONS, state)


def test_what_a_score_is_worth_travels_with_it():
    reward = process_reward()
    assert (reward.unit, reward.late) == (1.0, False)
    reward.unit, reward.late = 25.0, True
    rebuilt = ProcessReward.from_state(MAZE, ACTIONS, reward.state())
    assert (rebuilt.unit, rebuilt.late) == (25.0, True)
    other = process_reward(seed=2)
    other.load_state(reward.state())
    assert (other.unit, other.late) == (25.0, True)
    batch = steps(MAZE, 5)
    np.testing.assert_array_equal(other.score(*batch), rebuilt.score(*batch))


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        ({"seed": 2}, True),
        ({"fitted": False}, True),
        ({"first_visits": False}, False),
        ({"reward_input": "obs"}, False),
        ({"space": LINE}, False),
    ],
)
def test_only_the_weights_of_the_same_kind_of_model_can_be_taken_over(change, alike):
    assert process_reward().is_like(process_reward(**change).state()) is alike


def test_a_flag_in_place_of_a_value_does_not_make_two_models_alike():
    """Rows are as long where the one sees a value more and the other the flag."""
    wide = spaces.Box(0, 1, (5,), dtype=np.float32)
    state = process_reward(wide, first_visits=False).state()
    assert state.input_dim == process_reward().model.input_dim
    assert not process_reward().is_like(state)


@pytest.mark.parametrize("fitted", [True, False])
def test_a_saved_process_reward_comes_back_the_same(tmp_path, fitted):
    path = tmp_path / "reward.safetensors"
    reward = process_reward(reward_input="obs_action", fitted=fitted)
    reward.unit, reward.late = 25.5, True
    save_process_reward(path, reward)
    loaded = load_process_reward(path, MAZE, ACTIONS)
    batch = steps(MAZE, 5)
    np.testing.assert_allclose(loaded.score(*batch), reward.score(*batch), atol=1e-6)
    assert loaded.fitted is fitted
    assert loaded.encoder.first_visits
    assert (loaded.unit, loaded.late) == (25.5, True)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_same_reward_is_saved_in_the_same_bytes(tmp_path):
    """Metadata is kept in a hash map by safetensors: its order changes each time."""
    reward = process_reward()
    contents = set()
    for number in range(20):
        path = tmp_path / f"{number}.safetensors"
        save_process_reward(path, reward)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_it_does_not_matter_how_a_process_prints_numbers(tmp_path):
    path = tmp_path / "reward.safetensors"

    def space():
        low, high = np.array([[-1 / 3, 0], [1e-7, np.inf]], np.float32)
        box = spaces.Box(low, high)
        return spaces.Tuple([spaces.Dict({"a": box}), spaces.MultiDiscrete([9] * 40)])

    reward = OPRLLearner(space(), ACTIONS, seed=0).process_reward
    with np.printoptions(precision=2, suppress=True, linewidth=20):
        save_process_reward(path, reward)
    with np.printoptions(formatter={"all": lambda number: "?"}):
        assert not load_process_reward(path, space(), ACTIONS).fitted


def test_a_saved_process_reward_is_refused_by_another_env(tmp_path):
    path = tmp_path / "reward.safetensors"
    save_process_reward(path, process_reward())
    with pytest.raises(ValueError, match="observation_space Box"):
        load_process_reward(path, LINE, ACTIONS)
    with pytest.raises(ValueError, match=r"action_space Discrete\(2\)"):
        load_process_reward(path, MAZE, spaces.Discrete(3))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "reward.safetensors"
    save_process_reward(path, process_reward())
    whole = path.read_bytes()
    foreign = tmp_path / "foreign.safetensors"
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3)}, foreign)
    for content in (
        b"",
        whole[:50],
        whole[:-10],
        b"\x80\x04pickled",
        foreign.read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a saved process reward"):
            load_process_reward(path, MAZE, ACTIONS)
    with pytest.raises(FileNotFoundError):
        load_process_reward(tmp_path / "nothing", MAZE, ACTIONS)


def test_a_byte_that_changed_is_noticed_wherever_it_is(tmp_path):
    path = tmp_path / "reward"
    save_process_reward(path, process_reward())
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        bad = content[at] ^ 1 << at % 8
        path.write_bytes(content[:at] + bytes([bad]) + content[at + 1 :])
        with pytest.raises(ValueError, match="not a saved process reward"):
            load_process_reward(path, MAZE, ACTIONS)
    path.write_bytes(content)
    assert load_process_reward(path, MAZE, ACTIONS).fitted


HEADERS = {
    "hidden_size=0": ({"hidden_size": 0}, "hidden_size must be 1 or more"),
    "hidden_size=1e9": ({"hidden_size": 10**9}, "a larger model than its 450 weights"),
    "hidden_size=4": ({"hidden_size": 4}, "not the weights of such a model"),
    "ensemble_size=1e7": ({"ensemble_size": 10**7}, "a larger model than its 450"),
    "ensemble_size=-1": ({"ensemble_size": -1}, "ensemble_size must be 1 or more"),
    "input_dim=1e12": ({"input_dim": 10**12}, "reads rows of 1000000000000 values"),
    "unit=NaN": ({"unit": float("nan")}, "unit must be a number >= 0"),
    "unit=1e400": ({"unit": 10**400}, "unit must be a number >= 0"),
    "fitted=1": ({"fitted": 1}, "fitted must be true or false, got 1"),
    "unit=[]": ({"unit": []}, r"unit must be a number, got \[\]"),
    "reward_input=x": ({"reward_input": "x"}, "reward_input must be one of"),
    "colour=x": ({"colour": "x"}, "unknown key its colour"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_says_what_is_not_there_is_refused_at_once(case, tmp_path):
    path = tmp_path / "reward"
    save_process_reward(path, process_reward())
    header, weights = read_sealed(path, FORMAT)
    change, message = HEADERS[case]
    header["model"].update(change)
    write_sealed(path, FORMAT, header, weights)
    with pytest.raises(ValueError, match=message):
        load_process_reward(path, MAZE, ACTIONS)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_weights_that_are_no_numbers_are_refused(value, tmp_path):
    path = tmp_path / "reward"
    save_process_reward(path, process_reward())
    header, weights = read_sealed(path, FORMAT)
    weights["members.0.0.weight"] = np.full((16, 5), value)
    write_sealed(path, FORMAT, header, weights)
    with pytest.raises(ValueError, match=r"'members.0.0.weight' are NaN or infinite"):
        load_process_reward(path, MAZE, ACTIONS)
