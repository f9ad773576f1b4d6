"""Inputs of any magnitude reach the networks at about 1."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.fakes import trajectory

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.rewards import ProcessReward, load_process_reward, save_process_reward
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.normaliser import Normaliser
from oprl_gym.types import Trajectory

WILD = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
ACTIONS = spaces.Discrete(2)
NEW = np.ones(2, bool)
VALUES = st.floats(-1e3, 1e3, width=32)


@given(
    first=arrays(np.float32, (5, 2), elements=VALUES),
    second=arrays(np.float32, (3, 2), elements=VALUES),
)
def test_in_parts_or_at_once_the_statistics_are_the_same(first, second):
    parts = Normaliser(torch.tensor([True, True]))
    parts.update(torch.from_numpy(first))
    parts.update(torch.from_numpy(second))
    rows = np.concatenate([first, second]).astype(np.float64)
    np.testing.assert_allclose(parts.mean, rows.mean(axis=0), atol=1e-6)
    variance = (parts.squares / parts.count).numpy()
    np.testing.assert_allclose(variance, rows.var(axis=0), rtol=1e-6, atol=1e-6)


def test_columns_with_a_magnitude_of_their_own_are_normalised_and_no_other():
    subject = Normaliser(torch.tensor([True, False]))
    rows = torch.tensor([[1000.0, 3.0], [3000.0, 5.0]])
    assert torch.equal(subject(rows), rows)  # nothing is known yet
    subject.update(rows)
    assert subject(rows).tolist() == [[-1.0, 3.0], [1.0, 5.0]]
    assert subject(torch.tensor([[9e9, 3.0]])).tolist() == [[10.0, 3.0]]


def test_a_column_that_never_changed_says_nothing():
    subject = Normaliser(torch.tensor([True]))
    subject.update(torch.tensor([[7.0], [7.0]]))
    assert subject(torch.tensor([[7.0], [8.0]])).tolist() == [[0.0], [0.0]]


def test_rows_that_are_not_finite_do_not_spoil_it():
    subject = Normaliser(torch.tensor([True]))
    subject.update(torch.tensor([[1.0], [float("nan")], [3.0], [float("inf")]]))
    subject.update(torch.tensor([[float("nan")]]))
    assert (float(subject.count), float(subject.mean)) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Box(0, 1, (2,)), [False, False]),
        (spaces.Box(np.float32([0, -1]), np.float32([1, 1])), [False, True]),
        (WILD, [True, True]),
        (spaces.Discrete(2), [False, False]),
        (spaces.MultiDiscrete([1, 2]), [False] * 3),
        (spaces.MultiBinary(2), [False, False]),
        (spaces.Dict(a=spaces.Discrete(2), b=WILD), [False, False, True, True]),
        (spaces.Tuple([WILD, spaces.MultiBinary(1)]), [True, True, False]),
    ],
    ids=str,
)
def test_which_columns_those_are(space, expected):
    assert StepEncoder(space, ACTIONS, "obs").varied.tolist() == expected
    with_action = StepEncoder(space, ACTIONS, "obs_action").varied.tolist()
    assert with_action == [*expected, False, False]
    flagged = StepEncoder(space, ACTIONS, "next_obs", first_visits=True)
    assert flagged.varied.tolist() == [*expected, False]


def episodes(rng: np.random.Generator, n: int) -> list[Trajectory]:
    """Return episodes whose first value is tiny and tells good from bad."""
    out = []
    for number in range(n):
        good = number % 2
        observations = np.stack(
            [1e-4 * (good + 0.1 * rng.normal(size=6)), 1e5 + 1e3 * rng.normal(size=6)],
            axis=1,
        )
        rewards = np.array([0.0, 0, 0, 0, good])
        blank = np.zeros(5, dtype=np.int64)
        out.append(Trajectory(observations, blank, rewards, np.zeros(5), False))
    return out


def test_a_tiny_value_beside_a_huge_one_is_learned_from(rng):
    learner = OPRLLearner(WILD, ACTIONS, OPRLConfig(min_preferences=8), seed=0)
    for _ in range(10):
        learner.update(episodes(rng, 20))
    states = np.array([[1e-4, 1e5], [0.0, 1e5]])
    good, bad = learner.process_reward.score(states, NEW)
    assert good - bad > 0.5


def test_statistics_travel_with_the_weights_and_are_saved(tmp_path, rng):
    learner = OPRLLearner(WILD, ACTIONS, OPRLConfig(min_preferences=8), seed=0)
    learner.update(episodes(rng, 20))
    states = np.array([[1e-4, 1e5], [0.0, 1.1e5]])
    expected = learner.process_reward.score(states, NEW)
    travelled = ProcessReward.from_state(WILD, ACTIONS, learner.reward_state())
    np.testing.assert_array_equal(travelled.score(states, NEW), expected)
    save_process_reward(tmp_path / "reward", learner.process_reward)
    loaded = load_process_reward(tmp_path / "reward", WILD, ACTIONS)
    np.testing.assert_array_equal(loaded.score(states, NEW), expected)


def test_scoring_leaves_them_alone(rng):
    learner = OPRLLearner(WILD, ACTIONS, seed=0)
    learner.update(episodes(rng, 20))
    reward = learner.process_reward
    assert reward.fitted
    before = reward.state().weights["normaliser.mean"]
    reward.score(np.array([[5.0, 5.0]]), NEW[:1])
    np.testing.assert_array_equal(reward.state().weights["normaliser.mean"], before)


def test_one_hot_rows_need_none():
    learner = OPRLLearner(spaces.Box(0, 1, (4,), dtype=np.float32), ACTIONS, seed=0)
    assert learner.model.normaliser is None
    learner.update([trajectory([0, 1, 2])])


def test_weights_of_a_model_without_statistics_are_refused():
    one_hot = spaces.Box(0, 1, (2,), dtype=np.float32)
    state = OPRLLearner(one_hot, ACTIONS, seed=0).reward_state()
    with pytest.raises(ValueError, match="not the weights of such a model"):
        ProcessReward.from_state(WILD, ACTIONS, state)
