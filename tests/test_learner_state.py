"""A learner goes on from its state as if nothing had happened, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from support.fakes import trajectory

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.episodes.arrays import pack_trajectories, unpack_trajectories
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.learning import memory
from oprl_gym.preferences import (
    LexicographicTeacher,
    NoveltyTeacher,
    ReturnTeacher,
    ScoreTeacher,
)
from oprl_gym.types import Trajectory

STATES = spaces.Box(0, 1, (4,), dtype=np.float32)
FLOATS = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
ACTIONS = spaces.Discrete(2)
SMALL = OPRLConfig(
    hidden_size=16, min_preferences=8, gradient_steps=4, batch_episodes=6
)
CONFIGS = {
    "all pairs": SMALL,
    "few episodes kept": replace(SMALL, trajectory_capacity=8, best_capacity=4),
    "none of the best": replace(SMALL, best_capacity=0),
    "asked": replace(SMALL, pairs_per_update=6, preference_capacity=20),
    "asked, few episodes kept": replace(
        SMALL, pairs_per_update=6, preference_capacity=20, trajectory_capacity=8
    ),
    "return": replace(SMALL, rule="return"),
    "ensemble": replace(SMALL, ensemble_size=2),
    "tutorial": replace(OPRLConfig.tutorial(), hidden_size=16, min_preferences=2),
}
TEACHERS = {
    "its own": lambda: None,
    "a list of them": lambda: LexicographicTeacher(
        [ReturnTeacher(), NoveltyTeacher()], ties="half"
    ),
}


def cells(rng):
    states = rng.integers(4, size=6).tolist()
    return trajectory(states, [0.0, 0.0, 0.0, 0.0, float(rng.integers(3))])


def floats(rng):
    return Trajectory(
        rng.normal(size=(31, 2)),
        rng.integers(2, size=30),
        rng.normal(size=30),
        np.zeros(30),
        False,
    )


def learner(space, config, make_teacher):
    subject = OPRLLearner(space, ACTIONS, config, make_teacher(), seed=3)
    subject._batcher._table.max_rows = 100
    return subject


def outcome(subject, report):
    """Return all that two learners that are one have in common."""
    weights = {k: v.tobytes() for k, v in subject.reward_state().weights.items()}
    kept = [*subject.memory.trajectories, *subject.memory.best]
    return {
        "weights": weights,
        "unit": subject.process_reward.unit,
        "late": subject.process_reward.late,
        "fitted": subject.process_reward.fitted,
        "returns": [one.env_return for one in kept],
        "first visits": [one.first_visits.tolist() for one in kept],
        "labels": [one.label for one in subject.memory.preferences],
        "report": report,
        "version": subject.model_version,
    }


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("episode", [cells, floats])
def test_it_learns_on_from_a_file_as_if_it_had_never_stopped(
    tmp_path, episode, config, teacher
):
    space = STATES if episode is cells else FLOATS
    straight, stopped, resumed = (
        learner(space, CONFIGS[config], TEACHERS[teacher]) for _ in range(3)
    )
    rng = np.random.default_rng(0)
    batches = [[episode(rng) for _ in range(5)] for _ in range(14)]
    for episodes in batches[:6]:
        straight.update(episodes)
        stopped.update(episodes)
    for one in (straight, stopped):
        one.observe(batches[6])  # episodes that no update has seen yet
    write_state(tmp_path / "state", stopped.state())
    resumed.load_state(read_state(tmp_path / "state"))
    for episodes in batches[7:]:
        expected = outcome(straight, straight.update(episodes))
        assert outcome(resumed, resumed.update(episodes)) == expected
    assert resumed.process_reward.fitted


def test_a_state_is_not_changed_by_what_comes_after_it():
    subject = learner(STATES, SMALL, lambda: None)
    rng = np.random.default_rng(0)
    subject.update([cells(rng) for _ in range(10)])
    state = subject.state()
    before = {k: v.copy() for k, v in state["reward"]["weights"].items()}
    packed = state["memory"]["trajectories"]
    lengths = (len(packed["steps"]), len(state["foretold"]))
    subject.update([cells(rng) for _ in range(10)])
    assert (len(packed["steps"]), len(state["foretold"])) == lengths
    for name, value in before.items():
        np.testing.assert_array_equal(state["reward"]["weights"][name], value)


def test_what_an_episode_saw_first_is_kept_of_pieces_too():
    """Of a piece it cannot be found out again: what came before it is not kept."""
    whole = trajectory([0, 1, 0, 2])
    piece = Trajectory(
        whole.observations[2:],
        whole.actions[2:],
        whole.env_rewards[2:],
        whole.process_rewards[2:],
        False,
        whole.first_visits[2:],
    )
    again = unpack_trajectories(pack_trajectories([whole, piece, whole]))
    assert [one.first_visits.tolist() for one in again] == [
        [True, True, False, True],
        [False, True],
        [True, True, False, True],
    ]
    assert all(one.first_visits.dtype == np.bool_ for one in again)


@pytest.mark.parametrize("name", ["first_visits", "observations", "env_rewards"])
def test_arrays_that_are_too_short_are_refused(name):
    packed = pack_trajectories([trajectory([0, 1, 2])])
    packed[name] = packed[name][:-1]
    with pytest.raises(ValueError, match=f"{name} are not as long"):
        unpack_trajectories(packed)


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, temperature=0.5)])
def test_the_state_of_other_settings_is_refused(config):
    state = learner(STATES, replace(SMALL, mean_prior=0.25), lambda: None).state()
    with pytest.raises(ValueError, match=r"mean_prior=0.25 \(now 1.0\)"):
        learner(STATES, config, lambda: None).load_state(state)


def test_the_best_episodes_make_room_for_the_latest(monkeypatch):
    class Longest(ScoreTeacher):
        def scores(self, trajectories):
            return np.array([[len(one)] for one in trajectories])

    episodes = [trajectory([0] * (20 - n)) for n in range(10)]
    size = sum(one.observations.nbytes for one in episodes[:3])
    monkeypatch.setattr(memory, "MOST_BYTES", size)
    kept = memory.Memory(latest=2, best=4, answers=8)
    for one in episodes:
        kept.add([one])
        kept.judged(Longest())
    assert list(kept.trajectories) == episodes[-2:]
    # 12 + 11 observations of the latest, and of those before the best that fit.
    assert kept.best == [episodes[0], *episodes[-3:]]


def test_the_oldest_episodes_go_if_they_take_too_much(monkeypatch):
    """Of pictures two hundred are too many for most machines."""
    episodes = [trajectory([0] * 9) for _ in range(10)]
    size = episodes[0].observations.nbytes
    monkeypatch.setattr(memory, "MOST_BYTES", 4 * size)
    kept = memory.Memory(latest=8, best=8, answers=8)
    kept.add(episodes[:3])
    kept.add(episodes[3:])
    assert list(kept.trajectories) == episodes[-4:]
    monkeypatch.setattr(memory, "MOST_BYTES", 0)
    kept.add([])
    assert list(kept.trajectories) == episodes[-2:]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_integers_that_become_fractions_are_found_again(dtype):
    """A state's episodes are all of one dtype: earlier ones are then other bytes."""
    space = spaces.Box(0, 9, (1,), dtype=dtype)
    learner = OPRLLearner(space, spaces.Discrete(2), OPRLConfig(hidden_size=8), seed=0)
    none = np.zeros(2)
    whole = np.array([[0], [1], [2]], dtype=dtype)
    learner.observe([Trajectory(whole, none, none, none, True)])
    learner.observe([Trajectory(np.array([[0], [0.5], [2]]), none, none, none, True)])
    other = OPRLLearner(space, spaces.Discrete(2), OPRLConfig(hidden_size=8), seed=1)
    other.load_state(learner.state())
    assert len(other.trajectories) == 2
    assert np.isfinite(other.teacher.labels(other.trajectories)).all()
