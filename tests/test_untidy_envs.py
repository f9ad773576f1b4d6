"""Envs that take the interface lightly: learned from as they are meant, or named."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import Autoreset, TimeLimit
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecMonitor,
)
from support.fakes import QUICK, CountingEnv

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.preferences import EpisodeRecorder
from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.types import EnvError
from oprl_gym.wrappers import (
    DelayedReward,
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

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
    wrapper.keep_rollout(100)
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


class Foreign(VecEnv):
    """A VecEnv that steps all envs at once and has no gymnasium.Env for each.

    Counts as ``CountingEnv`` does, in episodes of three steps.

    Args:
        knows: What ``env_is_wrapped`` returns, or raises.
        dress: Makes of what a step gives whatever this VecEnv gives.
    """

    def __init__(self, knows: Any = None, dress: Any = lambda *step: step) -> None:
        self.knows = knows
        self.dress = dress
        box = spaces.Box(0, 1000, (1,), np.float32)
        super().__init__(2, box, spaces.Discrete(2))

    def reset(self):
        self.count, self.episode = 0, 1
        return self._observations()

    def step_async(self, actions):
        self.count += 1

    def step_wait(self):
        infos: list[dict[str, Any]] = [{}, {}]
        rewards = np.full(2, 1000.0 + self.count, np.float32)
        end = self.count == 3
        if end:
            infos = [{"terminal_observation": row} for row in self._observations()]
            self.count, self.episode = 0, self.episode + 1
        return self.dress(self._observations(), rewards, np.full(2, end), infos)

    def _observations(self):
        return np.full((2, 1), 100 * self.episode + self.count, np.float32)

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [None, None]

    def set_attr(self, attr_name, value, indices=None):
        pass

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class, indices=None):
        if isinstance(self.knows, Exception):
            raise self.knows
        return self.knows


DRESSES = {
    "arrays": lambda *step: step,
    "lists": lambda seen, paid, done, infos: (
        seen.tolist(),
        paid.tolist(),
        done.tolist(),
        tuple(infos),
    ),
    "columns": lambda seen, paid, done, infos: (
        seen,
        paid[:, None],
        done[:, None],
        infos,
    ),
    "floats": lambda seen, paid, done, infos: (seen, paid, done.astype(float), infos),
    "tensors": lambda seen, paid, done, infos: (
        seen,
        torch.tensor(paid, requires_grad=True),
        torch.tensor(done),
        infos,
    ),
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
def test_what_a_foreign_vecenv_means_is_taken(dress):
    wrapper = VecProcessReward(Foreign(dress=dress))
    wrapper.reset()
    for step in (1, 2, 3):
        _, rewards, dones, _ = wrapper.step(np.zeros(2, int))
        assert rewards.tolist() == [1000 + step] * 2
        assert dones.dtype == np.bool_
        assert dones.tolist() == [step == 3] * 2
    for episode in wrapper.pop_episodes():
        assert episode.observations.ravel().tolist() == [100, 101, 102, 103]
        assert episode.env_rewards.tolist() == [1001, 1002, 1003]
        assert episode.terminated


@pytest.mark.parametrize("knows", [None, [False, False], NotImplementedError("no")])
def test_an_agent_learns_in_a_foreign_vecenv(knows, tmp_path):
    """One that cannot say how its envs are wrapped; also when the run is saved."""
    venv = VecProcessReward(Foreign(knows))
    callback = OPRLCallback(QUICK, save_path=tmp_path / "run", save_every=100)
    A2C("MlpPolicy", venv, device="cpu").learn(300, callback=callback)
    assert callback.report is not None
    assert callback.report.reward_loss is not None  # fitted to, or foretold already


@pytest.mark.parametrize("knows", [None, NotImplementedError("no")])
def test_a_foreign_vecenv_without_a_wrapper_gets_the_line_to_add(knows):
    model = A2C("MlpPolicy", Foreign(knows), device="cpu")
    with pytest.raises(ValueError, match=r"venv = VecProcessReward\(venv\)"):
        model.learn(10, callback=OPRLCallback())


NAMED = {
    "no terminal observation": (
        lambda seen, paid, done, infos: (seen, paid, done, [{}, {}]),
        r"env 0 .* no info\['terminal_observation'\].*before the reset",
    ),
    "infos of a vector": (
        lambda seen, paid, done, infos: (seen, paid, done, {}),
        r"the infos \{\}: give a list of 2 dicts",
    ),
    "no info": (
        lambda seen, paid, done, infos: (seen, paid, done, [None, {}]),
        r"the infos \[None, \{\}\]: give a list of 2 dicts",
    ),
    "one reward": (
        lambda seen, paid, done, infos: (seen, 1.0, done, infos),
        "rewards=1.0: give 2 numbers",
    ),
    "words": (
        lambda seen, paid, done, infos: (seen, ["1", "2"], done, infos),
        r"rewards=\['1', '2'\]: give 2 numbers",
    ),
    "half done": (
        lambda seen, paid, done, infos: (seen, paid, [0.5, 0.0], infos),
        r"dones=\[0.5, 0.0\]: give False or True",
    ),
}


@pytest.mark.parametrize(("dress", "message"), NAMED.values(), ids=NAMED)
def test_what_a_foreign_vecenv_lacks_is_named_in_a_line(dress, message):
    wrapper = VecProcessReward(Foreign(dress=dress))
    wrapper.reset()
    with pytest.raises(EnvError, match=message) as raised:
        three_steps(wrapper)
    assert "\n" not in str(raised.value)


def three_steps(wrapper: Any) -> None:
    for _ in range(3):
        wrapper.step(np.zeros(2, int))


class Told(gym.vector.VectorWrapper):
    """A vector env that gives something else than it was given.

    Args:
        env: A vector env.
        change: Makes of what a step gives whatever this one gives.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], change: Any) -> None:
        super().__init__(env)
        self.change = change

    def step(self, actions):
        return self.change(*self.env.step(actions))


def told(change: Any) -> ProcessRewardVectorWrapper:
    same_step = AutoresetMode.SAME_STEP
    envs = SyncVectorEnv([CountingEnv] * 2, autoreset_mode=same_step)
    return ProcessRewardVectorWrapper(Told(envs, change))


def test_what_a_vector_means_is_taken():
    wrapper = told(
        lambda seen, paid, ended, cut, infos: (
            seen,
            paid[:, None],
            ended.tolist(),
            cut.astype(np.float32),
            infos,
        )
    )
    wrapper.reset()
    for step in (1, 2, 3):
        _, rewards, terminated, truncated, _ = wrapper.step(np.zeros(2, int))
        assert rewards.tolist() == [1000 + step] * 2
        assert terminated.tolist() == [step == 3] * 2
        assert truncated.tolist() == [False] * 2
    assert [len(episode) for episode in wrapper.pop_episodes()] == [3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda *step: (*step[:4], {}), r"env 0 .* no infos\['final_obs'\]\[0\]"),
        (lambda *step: (*step[:4], None), "the info None: give a dict"),
        (lambda *step: (step[0], None, *step[2:]), "rewards=None: give 2 numbers"),
        (lambda *step: (*step[:2], None, *step[3:]), "terminated=None: give 2 bools"),
    ],
)
def test_what_a_vector_lacks_is_named(change, message):
    wrapper = told(change)
    wrapper.reset()
    with pytest.raises(EnvError, match=message):
        three_steps(wrapper)


class Pays(gym.Env[Any, Any]):
    """One step, of which parts may be given.

    Args:
        reward: What it pays.
        terminated: Whether it ends the episode, which is truncated anyhow.
        info: What it tells.
    """

    def __init__(self, reward: Any = 1.5, terminated: Any = False, info: Any = ()):
        self.observation_space = BOX
        self.action_space = spaces.Discrete(2)
        self.told = reward, terminated, {} if info == () else info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        reward, terminated, info = self.told
        return np.ones(2, np.float32), reward, terminated, True, info


def one_step(**parts: Any) -> tuple[ProcessRewardWrapper, Any]:
    wrapper = ProcessRewardWrapper(Pays(**parts))
    wrapper.reset()
    return wrapper, wrapper.step(0)


@pytest.mark.parametrize(
    "reward",
    [
        1.5,
        np.float16(1.5),
        np.array(1.5),
        np.array([1.5]),
        np.array([[1.5]]),
        [1.5],
        torch.tensor(1.5),
        torch.tensor([1.5], requires_grad=True),
    ],
    ids=repr,
)
def test_one_number_is_a_reward_however_it_is_given(reward):
    wrapper, (_, mixed, _, _, info) = one_step(reward=reward)
    assert type(mixed) is type(info["env_reward"]) is float
    assert mixed == info["env_reward"] == 1.5
    assert wrapper.pop_episodes()[0].env_rewards.tolist() == [1.5]
    late = DelayedReward(Pays(reward=reward))
    late.reset()
    assert late.step(0)[1] == 1.5


@pytest.mark.parametrize(
    "ended",
    [np.bool_(True), 1, 1.0, np.array(True), np.array([True]), torch.tensor(True)],
    ids=repr,
)
def test_an_end_is_an_end_however_it_is_given(ended):
    wrapper, (_, _, terminated, truncated, _) = one_step(terminated=ended)
    assert terminated is truncated is True
    assert wrapper.pop_episodes()[0].terminated


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"reward": None}, "reward=None: give one number"),
        ({"reward": "1.5"}, "reward='1.5': give one number"),
        ({"reward": 1 + 0j}, "give one number"),
        ({"reward": np.array([1.5, 2.0])}, r"reward=array\(\[1.5, 2. \]\): give one"),
        ({"reward": [[1.0], [1.0, 2.0]]}, "give one number"),
        ({"terminated": None}, "terminated=None: give one bool"),
        ({"terminated": 0.5}, "terminated=0.5: give False or True"),
        ({"info": None}, "the info None: give a dict"),
        ({"info": [("a", 1)]}, "give a dict"),
        ({"info": {"episode": {"r": None}}}, "reward=None: give one number"),
    ],
)
def test_what_is_no_reward_no_end_and_no_info_is_named_in_a_line(parts, message):
    with pytest.raises(EnvError, match=message) as raised:
        one_step(**parts)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("episode", [7, {"len": 3}, None])
def test_an_info_of_the_same_name_as_a_monitors_is_left_alone(episode):
    _, (*_, info) = one_step(info={"episode": episode})
    assert info["episode"] == episode
    assert info["oprl_episode"]["env_return"] == 1.5


def a_vecenv() -> DummyVecEnv:
    return DummyVecEnv([CountingEnv])


def a_vector() -> SyncVectorEnv:
    return SyncVectorEnv([CountingEnv])


def in_each() -> SyncVectorEnv:
    return SyncVectorEnv([lambda: ProcessRewardWrapper(CountingEnv())])


WRONG = {
    "a VecEnv": (ProcessRewardWrapper, a_vecenv, r"write VecProcessReward\(env\)"),
    "a vector": (ProcessRewardWrapper, a_vector, "write ProcessRewardVectorWrapper"),
    "a name": (ProcessRewardWrapper, lambda: "Maze", r"\(gym.make\('Maze'\)\)"),
    "a list": (ProcessRewardWrapper, lambda: [CountingEnv()], "wrap each on its own"),
    "a class": (ProcessRewardWrapper, lambda: CountingEnv, "make an env first"),
    "nothing": (ProcessRewardWrapper, lambda: None, "got None: make an env first"),
    "an env": (VecProcessReward, CountingEnv, r"write ProcessRewardWrapper\(env\)"),
    "a vector env": (VecProcessReward, a_vector, "write ProcessRewardVectorWrapper"),
    "an env in a vector": (
        ProcessRewardVectorWrapper,
        CountingEnv,
        r"ProcessRewardVectorWrapper takes .* write ProcessRewardWrapper\(env\)",
    ),
    "a VecEnv in a vector": (
        ProcessRewardVectorWrapper,
        a_vecenv,
        r"write VecProcessReward\(env\)",
    ),
    "itself": (
        ProcessRewardWrapper,
        lambda: TimeLimit(ProcessRewardWrapper(CountingEnv()), 5),
        "added twice",
    ),
    "itself around a vector": (
        ProcessRewardVectorWrapper,
        lambda: ProcessRewardVectorWrapper(a_vector()),
        "added twice",
    ),
    "one in each env": (ProcessRewardVectorWrapper, in_each, "added twice"),
    "itself around a VecEnv": (
        VecProcessReward,
        lambda: VecMonitor(VecProcessReward(a_vecenv())),
        "added twice",
    ),
}


@pytest.mark.parametrize(("wrapper", "make", "message"), WRONG.values(), ids=WRONG)
def test_around_what_does_not_fit_it_says_what_to_write(wrapper, make, message):
    env = make()
    with pytest.raises(ValueError, match=message) as raised:
        wrapper(env)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", "0.1"),
        ("scale", None),
        ("scale", True),
        ("scale", [0.1]),
        ("gamma", "0.9"),
        ("gamma", None),
        ("env_reward_weight", "0"),
        ("mode", None),
        ("reward_input", 3),
    ],
)
def test_an_argument_of_another_type_is_named(name, value):
    for wrapper, make in (
        (ProcessRewardWrapper, CountingEnv),
        (VecProcessReward, a_vecenv),
        (ProcessRewardVectorWrapper, a_vector),
    ):
        with pytest.raises(
            ValueError, match=f"{name} must be .*{re.escape(repr(value))}"
        ):
            wrapper(make(), **{name: value})
