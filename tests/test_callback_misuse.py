"""What learns no reward, or not as was meant, says so in one line with the remedy."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from sb3_contrib import ARS
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    EvalCallback,
    EveryNTimesteps,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from support.fakes import QUICK, CountingEnv

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import CheckpointSaver, OPRLCallback, ProcessRewardReplayBuffer
from oprl_gym.preferences import ReturnTeacher
from oprl_gym.types import Trajectory
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

MAZE = "OPRLMaze-v0"
OFF_POLICY = {
    "replay_buffer_class": ProcessRewardReplayBuffer,
    "buffer_size": 400,
    "learning_starts": 60,
    "batch_size": 8,
}
SETTINGS: dict[type[BaseAlgorithm], dict[str, Any]] = {
    A2C: {},
    PPO: {"n_steps": 64, "batch_size": 64, "n_epochs": 1},
    DQN: OFF_POLICY,
}
every_kind = pytest.mark.parametrize("kind", SETTINGS)


def agent(kind: type[BaseAlgorithm], env: Any) -> BaseAlgorithm:
    settings = {"seed": 0, "device": "cpu", **SETTINGS[kind]}
    return kind("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, **settings)


def maze() -> ProcessRewardWrapper:
    return ProcessRewardWrapper(gym.make(MAZE))


@every_kind
def test_the_class_in_place_of_a_callback_is_named(kind):
    with pytest.raises(ValueError, match=r"write callback=OPRLCallback\(\)"):
        agent(kind, maze()).learn(200, callback=OPRLCallback)


@every_kind
@pytest.mark.parametrize("callback", [OPRLCallback, CheckpointSaver])
def test_so_is_a_class_in_a_list(kind, callback):
    with pytest.raises(ValueError, match=r"holds a class: write it with brackets"):
        agent(kind, maze()).learn(200, callback=[callback])


@every_kind
def test_two_that_would_take_each_others_episodes_are_refused(kind):
    several = [OPRLCallback(), OPRLCallback(OPRLConfig(update_interval=512))]
    with pytest.raises(ValueError, match="more than one OPRLCallback"):
        agent(kind, maze()).learn(200, callback=several)


INSIDE = {
    "EveryNTimesteps": lambda inner: EveryNTimesteps(10**6, inner),
    "EveryNTimesteps of several": lambda inner: EveryNTimesteps(
        10**6, CallbackList([inner])
    ),
    "EvalCallback, after": lambda inner: EvalCallback(
        Monitor(gym.make(MAZE)), eval_freq=10**6, callback_after_eval=inner
    ),
    "EvalCallback, new best": lambda inner: EvalCallback(
        Monitor(gym.make(MAZE)),
        eval_freq=10,
        n_eval_episodes=1,
        callback_on_new_best=inner,
        verbose=0,
    ),
}


@every_kind
@pytest.mark.parametrize("around", INSIDE.values(), ids=INSIDE)
@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
def test_a_callback_that_would_not_be_told_of_rollouts_is_refused(kind, around):
    with pytest.raises(ValueError, match=r"callback=\[OPRLCallback\(...\), "):
        agent(kind, maze()).learn(200, callback=around(OPRLCallback()))


def test_so_is_one_that_would_save_nothing(tmp_path):
    saver = CheckpointSaver(tmp_path / "run.oprl", {}, every=10)
    with pytest.raises(ValueError, match="CheckpointSaver inside EveryNTimesteps"):
        agent(A2C, gym.make(MAZE)).learn(200, callback=EveryNTimesteps(10**6, saver))


def test_what_was_refused_inside_works_beside():
    callback = OPRLCallback(QUICK)
    model = agent(A2C, maze())
    with pytest.raises(ValueError, match="inside EveryNTimesteps"):
        model.learn(100, callback=EveryNTimesteps(50, callback))
    heard: list[int] = []

    class Hears(BaseCallback):
        def _on_step(self) -> bool:
            heard.append(self.num_timesteps)
            return True

    model.learn(600, callback=[callback, EveryNTimesteps(200, Hears())])
    assert callback.report is not None
    assert heard == [200, 400, 600]


@pytest.mark.parametrize("make", [maze, lambda: VecProcessReward(make_vec_env(MAZE))])
def test_an_agent_that_does_not_tell_of_its_steps_is_named(make):
    model = ARS("LinearPolicy", make(), n_delta=1, seed=0, device="cpu")
    with pytest.raises(ValueError, match=r"ARS does not tell .* use an agent that"):
        model.learn(100, callback=OPRLCallback())


class CannotObserve:
    """A teacher that is not one."""

    def labels(self, trajectories: Any) -> None:
        """Judge nothing at once."""

    def judge(self, first: Trajectory, second: Trajectory) -> float:
        return 0.5


WRONG = {
    "config is a dict": (
        {"config": {"update_interval": 512}},
        "got {'update_interval': 512}: write OPRLConfig(**config)",
    ),
    "config is a path": (
        {"config": "config.yaml"},
        "got 'config.yaml': write OPRLConfig(update_interval=512)",
    ),
    "config is a number": ({"config": 512}, "must be an OPRLConfig, got 512"),
    "config is a class": ({"config": OPRLConfig}, "must be an OPRLConfig, got <class"),
    "teacher is a class": ({"teacher": ReturnTeacher}, "write ReturnTeacher()"),
    "teacher is a function": (
        {"teacher": max},
        "is no Teacher: write one of oprl_gym.preferences",
    ),
    "teacher is no Teacher": ({"teacher": CannotObserve()}, "is no Teacher: write"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_of_callback_or_learner_is_named(arguments, words):
    env = gym.make(MAZE)
    with pytest.raises(ValueError, match=re.escape(words)):
        OPRLCallback(**arguments)
    with pytest.raises(ValueError, match=re.escape(words)):
        OPRLLearner(env.observation_space, env.action_space, **arguments)


@pytest.mark.parametrize("learner", [OPRLLearner, QUICK])
def test_what_is_no_learner_is_named(learner):
    with pytest.raises(ValueError, match="learner must be an OPRLLearner, got"):
        OPRLCallback(learner=learner)


@pytest.mark.parametrize("every", [0, "1000", 1e4])
def test_a_wrong_time_between_checkpoints_is_named(every, tmp_path):
    with pytest.raises(ValueError, match=f"save_every must be .* got {every!r}"):
        OPRLCallback(save_path=tmp_path / "run.oprl", save_every=every)


WRAPPED = {
    "inside": lambda: make_vec_env(MAZE, 2, wrapper_class=ProcessRewardWrapper),
    "around": lambda: VecProcessReward(make_vec_env(MAZE, 2)),
}


@every_kind
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_new_callback_says_that_it_forgets(kind, wrap):
    model = agent(kind, wrap())
    first = OPRLCallback(QUICK)
    model.learn(600, callback=first)
    assert first.learner is not None
    assert first.learner.process_reward.fitted
    with pytest.warns(UserWarning, match=r"OPRLCallback\(learner=first.learner\)"):
        model.learn(10, callback=OPRLCallback(QUICK))
    # As the warning advises:
    model.learn(10, callback=OPRLCallback(learner=first.learner))
    model.learn(10, callback=first)


def test_a_new_agent_in_the_same_env_begins_anew_without_a_word():
    env = maze()
    for _ in range(2):
        callback = OPRLCallback(QUICK)
        agent(A2C, env).learn(600, callback=callback)
        assert callback.report is not None


class Returns(BaseCallback):
    """Notes what other callbacks are told an episode was worth."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def _on_step(self) -> bool:
        ends = [info for info in self.locals["infos"] if "episode" in info]
        self.told += [info["episode"]["r"] for info in ends]
        return True


@every_kind
@pytest.mark.parametrize("form", [list, CallbackList])
def test_every_callback_sees_the_envs_own_return_whatever_the_order(kind, form):
    env = Monitor(ProcessRewardWrapper(CountingEnv(), scale=0.5))
    model = agent(kind, env)
    learner = OPRLLearner(env.observation_space, env.action_space, seed=0)
    learner.process_reward.changed(fitted=True)  # some weights, never changed
    learner.update = lambda *_: None  # type: ignore[method-assign, assignment]
    before, after = Returns(), Returns()
    model.learn(60, callback=form([before, OPRLCallback(learner=learner), after]))
    assert set(before.told) == {3006.0}
    assert before.told == after.told
    assert not np.allclose(env.get_episode_rewards(), 3006.0)


LEFT_ALONE = {
    "scalar": lambda: (ProcessRewardWrapper(CountingEnv(length=1)), 1),
    "sb3": lambda: (
        VecProcessReward(DummyVecEnv([lambda: CountingEnv(length=1)] * 2)),
        2,
    ),
    "vector": lambda: (
        ProcessRewardVectorWrapper(
            SyncVectorEnv(
                [lambda: CountingEnv(length=1)] * 2,
                autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
            )
        ),
        2,
    ),
}


def play(wrapper: Any, n_envs: int, episodes: int) -> None:
    """Play so many episodes of one step."""
    wrapper.reset()
    for _ in range(episodes // n_envs):
        wrapper.step(0 if isinstance(wrapper, gym.Env) else np.zeros(n_envs, int))
        if isinstance(wrapper, gym.Env):
            wrapper.reset()


@pytest.mark.parametrize("make", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_a_wrapper_that_nobody_teaches_says_so_once(make):
    wrapper, n_envs = make()
    play(wrapper, n_envs, 98)
    with pytest.warns(UserWarning, match="nothing learns this reward") as caught:
        play(wrapper, n_envs, 300)
    assert len(caught) == 1


@pytest.mark.parametrize("make", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_one_that_is_learned_from_says_nothing(make):
    wrapper, n_envs = make()
    wrapper.pop_episodes()
    play(wrapper, n_envs, 300)
    wrapper, n_envs = make()
    learner = OPRLLearner(*wrapper.reward_spaces(), QUICK)
    wrapper.load_reward_state(learner.reward_state())
    play(wrapper, n_envs, 300)


def test_many_envs_may_all_end_before_the_first_episode_is_asked_for():
    venv = VecProcessReward(DummyVecEnv([lambda: CountingEnv(length=1)] * 150))
    play(venv, 150, 9 * 150)
    assert len(venv.pop_episodes()) == 9 * 150
