"""Envs that take the interface lightly: learned from as they are meant, or named."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from fakes import CountingEnv
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import Autoreset
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from oprl_gym.preferences import EpisodeRecorder
from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.types import EnvError

BOX = spaces.Box(-10, 10, (2,), np.float32)


class Scripted(gym.Env[Any, Any]):
    """Gives what it is told to, and truncates with the last of it.

    Args:
        observations: What an episode goes through, the first from ``reset``.
        observation_space: Of which they ought to be.
        action_space: Of what it is given.
    """

    def __init__(
        self,
        observations: list[Any],
        observation_space: spaces.Space[Any] = BOX,
        action_space: spaces.Space[Any] | None = None,
    ) -> None:
        self.observations = observations
        self.observation_space = observation_space
        self.action_space = action_space or spaces.Discrete(3)
        self.at = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.observations[0], {}

    def step(self, action):
        self.at += 1
        end = self.at == len(self.observations) - 1
        return self.observations[self.at], 0.0, False, end, {}


INTEGERS_FIRST = [np.array([0, 1]), np.array([0.5, -0.25]), np.array([1.5, 2.0])]


def integers_first() -> Scripted:
    return Scripted(INTEGERS_FIRST)


def recorded(wrapper: Any, action: Any, steps: int = 2) -> Any:
    """Return the first episode that is recorded of the same action again and again."""
    wrapper.reset()
    for _ in range(steps):
        wrapper.step(action)
    return wrapper.pop_episodes()[0]


WRAPPED = {
    "scalar": lambda make: (ProcessRewardWrapper(make()), 1),
    "sb3": lambda make: (VecProcessReward(DummyVecEnv([make] * 2)), np.ones(2, int)),
    "subprocesses": lambda make: (
        VecProcessReward(SubprocVecEnv([make] * 2)),
        np.ones(2, int),
    ),
    "vector": lambda make: (
        ProcessRewardVectorWrapper(
            SyncVectorEnv([make] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
        ),
        np.ones(2, int),
    ),
}
every_wrapper = pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())


@every_wrapper
def test_integers_from_reset_do_not_truncate_the_floats_that_follow(wrap):
    wrapper, action = wrap(integers_first)
    episode = recorded(wrapper, action)
    wrapper.close()
    assert episode.observations.dtype == np.float32
    assert episode.observations.tolist() == [row.tolist() for row in INTEGERS_FIRST]


def test_the_same_place_is_the_same_as_an_integer_and_as_a_float():
    again = [np.array([0, 1]), np.array([2.0, 1.0]), np.array([0.0, 1.0])]
    wrapper = ProcessRewardWrapper(Scripted(again))
    wrapper.reset()
    told = [wrapper.step(0)[4]["oprl_first_visits"] for _ in range(2)]
    assert told == [(True, True), (True, False)]


@pytest.mark.parametrize(
    "actions", [[np.array([1, 0]), np.array([0.5, -0.5])], [[0, 1], [0.25, 0.5]]]
)
def test_actions_are_recorded_in_the_spaces_dtype(actions):
    box = spaces.Box(-1, 1, (2,), np.float32)
    wrapper = ProcessRewardWrapper(Scripted(INTEGERS_FIRST, action_space=box))
    wrapper.reset()
    for action in actions:
        wrapper.step(action)
    (episode,) = wrapper.pop_episodes()
    assert episode.actions.dtype == np.float32
    assert episode.actions.tolist() == [list(action) for action in actions]


def test_integer_actions_first_do_not_truncate_those_of_other_envs():
    box = spaces.Box(-1, 1, (1,), np.float32)
    venv = DummyVecEnv([lambda: Scripted(INTEGERS_FIRST, action_space=box)] * 2)
    wrapper = VecProcessReward(venv)
    wrapper.reset()
    wrapper.step(np.array([[1], [0]]))
    wrapper.step(np.array([[0.5], [-0.5]]))
    taken = [episode.actions.ravel().tolist() for episode in wrapper.pop_episodes()]
    assert taken == [[1.0, 0.5], [0.0, -0.5]]


SPACES_AND_VALUES = [
    (BOX, [1, 2], np.float32),
    (spaces.Box(0, 255, (2,), np.uint8), [3, 255], np.uint8),
    (spaces.Box(0, 255, (2,), np.uint8), [3.0, 4.0], np.uint8),
    (spaces.Box(0, 255, (2,), np.uint8), [0.5, 4.0], np.float64),
    (spaces.Box(0, 255, (2,), np.uint8), [3, 256], np.int64),
    (spaces.Discrete(5), np.int32(3), np.int64),
    (spaces.Discrete(5), 3.0, np.int64),
    (spaces.MultiDiscrete([3, 3]), [1.0, 2.0], np.int64),
    (spaces.MultiBinary(2), [True, False], np.int8),
]


@pytest.mark.parametrize(("space", "value", "dtype"), SPACES_AND_VALUES)
def test_a_value_gets_the_dtype_of_its_space_or_one_that_holds_it(space, value, dtype):
    for array in (to_array(space, value), batch_to_array(space, [value], 1)[0]):
        assert array.dtype == dtype
        assert array.tolist() == np.asarray(value).tolist()


@pytest.mark.parametrize("value", [[None, None], ["a", "b"]])
def test_a_value_that_is_no_number_is_named(value):
    with pytest.raises(EnvError, match="holds numbers, but got"):
        to_array(BOX, value)


def test_a_recorder_widens_to_hold_what_comes_later():
    recorder = EpisodeRecorder(1)
    no, yes = np.zeros(1, bool), np.ones(1, bool)
    recorder.begin(np.array([[1]], dtype=np.uint8))
    recorder.step(np.array([1]), no, no, np.array([[300]]), no, no)
    recorder.step(np.array([0.5]), no, no, np.array([[0.25]]), yes, no)
    (episode,) = recorder.pop()
    assert episode.observations.ravel().tolist() == [1, 300, 0.25]
    assert episode.actions.tolist() == [1, 0.5]


class InPlace(gym.Env[Any, Any]):
    """Scales its action in place."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 1000, (1,), np.float32)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.observation = np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation[:] = 100
        return self.observation.copy(), {}

    def step(self, action):
        action *= 50.0
        self.observation += 1
        end = bool(self.observation[0] == 102)
        return self.observation.copy(), 1.0, False, end, {}


HALF = {
    "scalar": np.full(1, 0.5, np.float32),
    "sb3": np.full((2, 1), 0.5, np.float32),
    "vector": np.full((2, 1), 0.5, np.float32),
}


@pytest.mark.parametrize("kind", HALF)
def test_an_action_that_the_env_changes_is_recorded_as_it_was_taken(kind):
    wrapper, _ = WRAPPED[kind](InPlace)
    wrapper.reset()
    for _ in range(2):
        wrapper.step(HALF[kind].copy())
    episode = wrapper.pop_episodes()[0]
    assert episode.actions.ravel().tolist() == [0.5, 0.5]
    assert episode.observations.ravel().tolist() == [100, 101, 102]


def test_a_terminal_observation_is_told_as_it_was_whatever_is_done_to_it():
    wrapper = ProcessRewardWrapper(InPlace())
    wrapper.reset()
    for _ in range(2):
        observation, *_, info = wrapper.step(np.zeros(1, np.float32))
    observation /= 2
    assert info["oprl_terminal_observation"].tolist() == [102]


def test_one_of_several_parts_is_told_as_it_was_too():
    nested = spaces.Dict({"a": BOX})
    rows = [{"a": row.astype(np.float32)} for row in INTEGERS_FIRST]
    wrapper = ProcessRewardWrapper(Scripted(rows, nested))
    wrapper.reset()
    for _ in range(2):
        observation, *_, info = wrapper.step(0)
    observation["a"] *= 0
    assert info["oprl_terminal_observation"]["a"].tolist() == [1.5, 2.0]


def test_a_terminal_observation_of_a_vecenv_is_told_as_it_was():
    wrapper = VecProcessReward(DummyVecEnv([InPlace]))
    wrapper.reset()
    for _ in range(2):
        *_, infos = wrapper.step(np.zeros((1, 1), np.float32))
    infos[0]["terminal_observation"] /= 2
    assert infos[0]["oprl_terminal_observation"].tolist() == [102]


class SameArrays(gym.vector.VectorWrapper):
    """Gives the same arrays at every step, as a simulator on a device may."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self.own: list[np.ndarray] = []

    def step(self, actions):
        observations, *rest, infos = self.env.step(actions)
        self.own = self.own or [part.copy() for part in rest]
        for own, part in zip(self.own, rest, strict=True):
            own[:] = part
        return observations, *self.own, infos


def test_a_kept_rollout_does_not_change_with_the_arrays_of_the_env():
    env = SameArrays(SyncVectorEnv([CountingEnv] * 2))
    wrapper = ProcessRewardVectorWrapper(env)
    wrapper.reset()
    wrapper.keep_rollout()
    for _ in range(3):
        _, rewards, *_ = wrapper.step(np.zeros(2, int))
        rewards[:] = -1.0
    rescored = wrapper.rescore_rollout()
    assert rescored.given[:, 0].tolist() == [1001, 1002, 1003]
    assert rescored.newest[:, 0].tolist() == [1001, 1002, 1003]


def test_an_env_that_resets_itself_is_refused_and_recorded_right_inside_out():
    short = gym.make("CartPole-v1", max_episode_steps=5)
    inside = ProcessRewardWrapper(Autoreset(short))
    inside.reset(seed=0)
    for _ in range(5):
        inside.step(0)
    with pytest.raises(EnvError, match=r"Autoreset\(ProcessRewardWrapper\(env\)\)"):
        inside.step(0)

    outside = Autoreset(ProcessRewardWrapper(short))
    outside.reset(seed=0)
    for step in range(18):
        outside.step(step % 2)
    episodes = outside.env.pop_episodes()
    assert [len(episode) for episode in episodes] == [5, 5, 5]


def test_no_step_before_a_reset_and_an_episode_broken_off_is_not_recorded():
    wrapper = ProcessRewardWrapper(CountingEnv())
    with pytest.raises(EnvError, match="call reset"):
        wrapper.step(0)
    for steps in (2, 3):
        wrapper.reset()
        for _ in range(steps):
            wrapper.step(0)
    assert [len(episode) for episode in wrapper.pop_episodes()] == [3]


class GoesOn(CountingEnv):
    """Ends every third step, whether or not it is reset."""

    def step(self, action):
        self.step_count += 1
        end = self.step_count % 3 == 0
        return self._observation(), 0.0, end, False, {}


def test_an_env_of_a_vector_stepped_past_its_end_is_named():
    """Also where the env itself does not mind."""
    envs = SyncVectorEnv(
        [CountingEnv, lambda: GoesOn(length=9)],
        autoreset_mode=AutoresetMode.DISABLED,
    )
    wrapper = ProcessRewardVectorWrapper(envs)
    wrapper.reset()
    for _ in range(3):
        wrapper.step(np.zeros(2, int))
    mask = np.array([True, False])
    wrapper.reset(options={"reset_mask": mask})
    with pytest.raises(EnvError, match=r"env \[1\].*'reset_mask': terminated"):
        wrapper.step(np.zeros(2, int))
    wrapper.reset(options={"reset_mask": ~mask})
    wrapper.step(np.zeros(2, int))


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_vector_has_to_be_reset_first(mode):
    envs = SyncVectorEnv([CountingEnv] * 2, autoreset_mode=mode)
    with pytest.raises(EnvError, match=r"env \[0, 1\]: call reset\(\) first"):
        ProcessRewardVectorWrapper(envs).step(np.zeros(2, int))


def test_a_vecenv_has_to_be_reset_first():
    wrapper = VecProcessReward(DummyVecEnv([CountingEnv] * 2))
    with pytest.raises(EnvError, match=r"env \[0, 1\]: call reset\(\) first"):
        wrapper.step(np.zeros(2, int))


def test_a_recorder_takes_steps_after_an_end_for_none_of_an_episode():
    """Also after it was saved and loaded in between."""
    no, yes = np.zeros(1, bool), np.ones(1, bool)

    def step(recorder: EpisodeRecorder, end: np.ndarray) -> None:
        recorder.step(no, no, no, np.zeros((1, 1)), end, no)

    recorder = EpisodeRecorder(1)
    recorder.begin(np.zeros((1, 1)))
    step(recorder, yes)
    for _ in range(2):
        step(recorder, no)
        step(recorder, yes)
        loaded = EpisodeRecorder(1)
        loaded.load_state(recorder.state())
        recorder = loaded
    assert recorder.over == {0}
    recorder.begin(np.zeros((1, 1)))
    assert recorder.over == set()
    step(recorder, no)
    step(recorder, yes)
    assert [len(episode) for episode in recorder.pop()] == [1, 2]
