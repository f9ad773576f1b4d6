"""Envs and agents that people already have: three lines, and it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from minigrid.wrappers import DictObservationSpaceWrapper, FlatObsWrapper, ImgObsWrapper
from sb3_contrib import TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.callbacks.online_agent import OnlineAgent
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

QUICK = OPRLConfig(
    hidden_size=16,
    min_preferences=2,
    update_interval=128,
    gradient_steps=2,
)


class Compass(gym.Env[dict[str, Any], np.ndarray]):
    """Dict observations, MultiDiscrete actions; walking north pays at the end."""

    def __init__(self) -> None:
        self.observation_space = spaces.Dict(
            place=spaces.Box(-np.inf, np.inf, (2,), np.float64),
            wind=spaces.Discrete(4),
            flags=spaces.MultiBinary(3),
            pair=spaces.Tuple([spaces.Discrete(2), spaces.MultiDiscrete([2, 3])]),
        )
        self.action_space = spaces.MultiDiscrete([3, 3])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = np.zeros(2), 0
        return self._observation(), {}

    def step(self, action):
        self.place = self.place + np.asarray(action) - 1.0
        self.steps += 1
        end = self.steps == 15
        return self._observation(), float(end * self.place[1]), False, end, {}

    def _observation(self):
        rng = self.np_random
        return {
            "place": self.place.copy(),
            "wind": np.int64(rng.integers(4)),
            "flags": rng.integers(2, size=3, dtype=np.int8),
            "pair": (np.int64(1), rng.integers(2, size=2)),
        }


def compass_for_sb3() -> gym.Env[Any, Any]:
    """Stable-Baselines3 knows no Tuple inside a Dict."""
    env = Compass()
    known = spaces.Dict({k: v for k, v in env.observation_space.items() if k != "pair"})
    return gym.wrappers.TransformObservation(
        env, lambda seen: {key: seen[key] for key in known}, known
    )


def short(env: gym.Env[Any, Any], steps: int = 40) -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(env, steps)


ENVS: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "CartPole-v1": lambda: gym.make("CartPole-v1"),
    "MountainCar-v0": lambda: short(gym.make("MountainCar-v0")),
    "MountainCarContinuous-v0": lambda: short(gym.make("MountainCarContinuous-v0")),
    "Acrobot-v1": lambda: short(gym.make("Acrobot-v1")),
    "FrozenLake-v1": lambda: gym.make("FrozenLake-v1"),
    "Taxi-v4": lambda: short(gym.make("Taxi-v4")),
    "CliffWalking-v1": lambda: short(gym.make("CliffWalking-v1")),
    "Pendulum-v1": lambda: short(gym.make("Pendulum-v1")),
    "Blackjack-v1, flattened": lambda: gym.wrappers.FlattenObservation(
        gym.make("Blackjack-v1")
    ),
    "Dict": compass_for_sb3,
    "MiniGrid, image": lambda: short(ImgObsWrapper(gym.make("MiniGrid-Empty-5x5-v0"))),
    "MiniGrid, flat": lambda: short(FlatObsWrapper(gym.make("MiniGrid-Empty-5x5-v0"))),
}


def policy_of(env: Any) -> str:
    is_dict = isinstance(env.observation_space, spaces.Dict)
    return "MultiInputPolicy" if is_dict else "MlpPolicy"


def check(callback: OPRLCallback) -> None:
    learner, report = callback.learner, callback.report
    assert learner is not None
    assert report is not None
    assert learner.memory.trajectories
    for episode in learner.memory.trajectories:
        assert np.isfinite(episode.process_rewards).all()
    if learner.process_reward.fitted:  # some teachers have nothing to prefer so soon
        last = learner.memory.trajectories[-1]
        assert np.abs(last.process_rewards).sum() > 0


@pytest.mark.parametrize("name", ENVS)
@pytest.mark.parametrize("kind", [A2C, PPO])
def test_an_agent_learns_in(name, kind):
    env = ProcessRewardWrapper(ENVS[name]())
    settings = {"n_steps": 64} | ({"n_epochs": 1} if kind is PPO else {})
    model = kind(policy_of(env), env, seed=0, device="cpu", **settings)
    callback = OPRLCallback(QUICK)
    model.learn(320, callback=callback)
    check(callback)


@pytest.mark.parametrize("name", ENVS)
def test_several_together_learn_in(name):
    venv = VecProcessReward(make_vec_env(ENVS[name], n_envs=3))
    model = PPO(policy_of(venv), venv, n_steps=64, n_epochs=1, seed=0, device="cpu")
    callback = OPRLCallback(QUICK)
    model.learn(384, callback=callback)
    check(callback)


CONTRIB = {
    "TRPO": lambda env: TRPO("MlpPolicy", env, n_steps=64, seed=0, device="cpu"),
    "RecurrentPPO": lambda env: RecurrentPPO(
        "MlpLstmPolicy",
        env,
        n_steps=64,
        n_epochs=1,
        policy_kwargs={"lstm_hidden_size": 8},
        seed=0,
        device="cpu",
    ),
    "MaskablePPO": lambda env: MaskablePPO(
        "MlpPolicy", env, n_steps=64, n_epochs=1, seed=0, device="cpu"
    ),
}


class Masked(gym.Wrapper[Any, Any, Any, Any]):
    """A maze that says which moves are allowed: all."""

    def action_masks(self) -> np.ndarray:
        return np.ones(4, dtype=bool)


@pytest.mark.parametrize("name", CONTRIB)
@pytest.mark.parametrize("outer", [True, False])
def test_agents_of_sb3_contrib_learn(name, outer, monkeypatch):
    """From rollouts that are scored anew, as with PPO."""
    maze = lambda: Masked(gym.make("OPRLMaze-v0", size=4))  # noqa: E731
    venv = (
        VecProcessReward(make_vec_env(maze, n_envs=2))
        if outer
        else make_vec_env(maze, n_envs=2, wrapper_class=ProcessRewardWrapper)
    )
    model = CONTRIB[name](venv)
    callback = OPRLCallback(QUICK)
    scored = []
    rescore = OnlineAgent._rescore

    def watched(agent: OnlineAgent, buffer: RolloutBuffer) -> None:
        before = buffer.rewards.copy()
        rescore(agent, buffer)
        scored.append(not np.array_equal(before, buffer.rewards))

    monkeypatch.setattr(OnlineAgent, "_rescore", watched)
    model.learn(512, callback=callback)
    check(callback)
    assert any(scored)


@pytest.mark.parametrize(
    "make",
    [
        Compass,
        lambda: DictObservationSpaceWrapper(gym.make("MiniGrid-Empty-5x5-v0")),
    ],
    ids=["nested", "MiniGrid, Dict"],
)
def test_without_stable_baselines3_any_nesting_is_learned_from(make):
    env = ProcessRewardWrapper(short(make(), 20))
    learner = OPRLLearner(env.observation_space, env.action_space, QUICK, seed=0)
    env.action_space.seed(0)
    for _ in range(5):
        for _ in range(4):
            env.reset()
            ended = False
            while not ended:
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                ended = terminated or truncated
        learner.update(env.pop_episodes())
        env.load_reward_state(learner.reward_state())
    assert learner.process_reward.fitted
    assert np.ptp(learner.memory.trajectories[-1].process_rewards) > 0


def test_a_vector_of_nested_observations_is_learned_from():
    envs = ProcessRewardVectorWrapper(gym.vector.SyncVectorEnv([Compass] * 3))
    learner = OPRLLearner(
        envs.single_observation_space, envs.single_action_space, QUICK, seed=0
    )
    envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(64):
        envs.step(envs.action_space.sample())
    learner.update(envs.pop_episodes())
    assert learner.process_reward.fitted


UNREAD = {
    "Sequence": spaces.Sequence(spaces.Discrete(4)),
    "Graph": spaces.Graph(spaces.Box(0, 1, (2,)), None),
    "Text": spaces.Text(5),
    "Dict of text": spaces.Dict(say=spaces.Text(5)),
    "Tuple of both": spaces.Tuple([spaces.Text(5), spaces.Discrete(3)]),
}


class AnyAction(gym.Env):
    """Takes whatever its space holds; a walk of 5 steps."""

    observation_space = spaces.Discrete(6)

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return 0, {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.t += 1
        return self.t, float(self.t == 5), self.t == 5, False, {}


@pytest.mark.parametrize("space", UNREAD.values(), ids=UNREAD)
def test_actions_that_are_not_read_may_be_anything(space):
    env = ProcessRewardWrapper(AnyAction(space))
    learner = OPRLLearner(env.observation_space, env.action_space, QUICK, seed=0)
    space.seed(0)
    for _ in range(12):
        env.reset()
        for _ in range(5):
            env.step(space.sample())
    assert learner.update(env.pop_episodes()).reward_loss is not None


def test_actions_that_have_to_be_read_may_not():
    config = replace(QUICK, reward_input="obs_action")
    with pytest.raises(ValueError, match="cannot read the action space"):
        OPRLLearner(spaces.Discrete(6), UNREAD["Sequence"], config)
