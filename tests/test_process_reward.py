import numpy as np
import pytest
import torch
from gymnasium import spaces

from oprl_gym import ProcessRewardModel
from oprl_gym.rewards import (
    ProcessReward,
    load_process_reward,
    save_process_reward,
)
from oprl_gym.rewards.encoding import StepEncoder

MAZE = spaces.Box(0, 1, (4,), dtype=np.float32)
LINE = spaces.Box(-1, 1, (3,), dtype=np.float32)
ACTIONS = spaces.Discrete(2)


def process_reward(space=MAZE, reward_input="next_obs", seed=1, fitted=True):
    encoder = StepEncoder(space, ACTIONS, reward_input)
    generator = torch.Generator().manual_seed(seed)
    model = ProcessRewardModel(encoder.input_dim, 16, generator=generator)
    reward = ProcessReward(encoder, model)
    reward.fitted = fitted
    return reward


def steps(space, n, seed=0):
    space.seed(seed)
    observations = np.stack([space.sample() for _ in range(2 * n)])
    return observations[:n], np.arange(n) % 2, observations[n:]


def direct(reward, rows):
    with torch.inference_mode():
        return reward.model(torch.from_numpy(rows)).numpy()


def test_an_unfitted_model_scores_exactly_zero():
    reward = process_reward(fitted=False)
    assert reward.score_steps(*steps(MAZE, 3)).tolist() == [0, 0, 0]
    assert reward.score_states(steps(MAZE, 3)[0]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("reward_input", ["obs", "next_obs", "obs_action"])
def test_scores_are_the_models(reward_input):
    reward = process_reward(reward_input=reward_input)
    batch = steps(MAZE, 5)
    expected = direct(reward, reward.encoder.steps(*batch))
    np.testing.assert_allclose(reward.score_steps(*batch), expected, atol=1e-6)
    assert len(np.unique(expected)) == 5


def test_scores_looked_up_follow_the_weights():
    """Scores of known observations are remembered, but only until the next fit."""
    reward = process_reward(seed=1)
    _, _, reached = steps(MAZE, 5)
    before = reward.score_states(reached)
    np.testing.assert_array_equal(reward.score_states(reached), before)
    reward.load_state(process_reward(seed=2).state())
    after = reward.score_states(reached)
    np.testing.assert_allclose(after, direct(reward, reached), atol=1e-6)
    assert (after != before).all()


def test_scores_stay_right_when_there_are_too_many_observations_to_remember():
    reward = process_reward(LINE)
    for seed in range(5):
        _, _, reached = steps(LINE, 1000, seed)
        expected = direct(reward, reached)
        np.testing.assert_allclose(reward.score_states(reached), expected, atol=1e-6)
    assert reward._table.overflowed


def test_a_state_alone_has_no_score_if_actions_are_scored():
    reward = process_reward(reward_input="obs_action")
    with pytest.raises(ValueError, match="obs_action"):
        reward.score_states(steps(MAZE, 1)[0])


def test_a_state_rebuilds_the_same_scores_and_shares_no_memory():
    reward = process_reward()
    batch = steps(MAZE, 5)
    state = reward.state()
    expected = reward.score_steps(*batch)
    with torch.no_grad():
        for weight in reward.model.parameters():
            weight.zero_()
    rebuilt = ProcessReward.from_state(MAZE, ACTIONS, state)
    np.testing.assert_allclose(rebuilt.score_steps(*batch), expected, atol=1e-6)


def test_a_state_of_another_env_is_refused():
    with pytest.raises(ValueError, match="reads rows of 4 values"):
        ProcessReward.from_state(LINE, ACTIONS, process_reward().state())


@pytest.mark.parametrize("fitted", [True, False])
def test_a_saved_process_reward_comes_back_the_same(tmp_path, fitted):
    path = tmp_path / "reward.safetensors"
    reward = process_reward(reward_input="obs_action", fitted=fitted)
    reward.best = 0.25
    save_process_reward(path, reward)
    loaded = load_process_reward(path, MAZE, ACTIONS)
    batch = steps(MAZE, 5)
    np.testing.assert_allclose(
        loaded.score_steps(*batch), reward.score_steps(*batch), atol=1e-6
    )
    assert loaded.fitted is fitted
    assert loaded.best == 0.25
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
