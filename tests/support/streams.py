"""The same actions through each of the three wrappers, in every autoreset mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from oprl_gym.types import Trajectory
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)
from support.fakes import CountingEnv, TellingReward

ACTIONS = [4, 3, 2, 1, 0, 1, 2, 3]
N = 2

Make = Callable[[], "gym.Env[Any, Any]"]
Stream = tuple[list[tuple[float, dict[str, Any]]], list[Trajectory]]
"""(reward, info) of each step, and the episodes that ended."""


def scalar_stream(
    make: Make = CountingEnv,
    reward: Any = None,
    actions: Sequence[int] = ACTIONS,
    **shaping: Any,
) -> Stream:
    env = ProcessRewardWrapper(make(), **shaping)
    env._mixer.scorer.process_reward = reward or TellingReward()
    env.reset()
    stream = []
    for action in actions:
        _, mixed, terminated, truncated, info = env.step(action)
        stream.append((mixed, info))
        if terminated or truncated:
            env.reset()
    return stream, env.pop_episodes()


def sb3_stream(
    make: Make = CountingEnv,
    reward: Any = None,
    actions: Sequence[int] = ACTIONS,
    **shaping: Any,
) -> Stream:
    env = VecProcessReward(DummyVecEnv([make] * N), **shaping)
    env._mixer.scorer.process_reward = reward or TellingReward()
    env.reset()
    stream = []
    for action in actions:
        _, rewards, _, infos = env.step(np.full(N, action))
        assert rewards[0] == rewards[1]
        stream.append((float(rewards[0]), infos[0]))
    return stream, env.pop_episodes()[::N]


def vector_stream(
    autoreset_mode: AutoresetMode,
    make: Make = CountingEnv,
    reward: Any = None,
    actions: Sequence[int] = ACTIONS,
    kind: Any = SyncVectorEnv,
    options: dict[str, Any] | None = None,
    **shaping: Any,
) -> Stream:
    envs = kind([make] * N, autoreset_mode=autoreset_mode, **(options or {}))
    env = ProcessRewardVectorWrapper(envs, **shaping)
    env._mixer.scorer.process_reward = reward or TellingReward()
    env.reset()
    stream, left = [], list(actions)
    ended = np.zeros(N, dtype=bool)
    while left:
        dummy = autoreset_mode is AutoresetMode.NEXT_STEP and ended.any()
        action = 0 if dummy else left.pop(0)
        _, rewards, terminated, truncated, infos = env.step(np.full(N, action))
        ended = terminated | truncated
        if dummy:
            assert rewards.tolist() == [0, 0]
            assert infos["process_reward"].tolist() == [0, 0]
            assert infos["_process_reward"].tolist() == [False, False]
            continue
        stream.append((float(rewards[0]), info_of_first(infos)))
        if autoreset_mode is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    env.close()
    return stream, env.pop_episodes()[::N]


def info_of_first(infos: dict[str, Any]) -> dict[str, Any]:
    """Return what a vector env's infos tell of its first env's rewards."""
    info = {key: infos[key][0] for key in ("env_reward", "process_reward")}
    if "oprl_episode" in infos:
        returns = infos["oprl_episode"]
        info["oprl_episode"] = {key: returns[key][0] for key in returns}
    return info


PATHS = {
    "scalar": scalar_stream,
    "sb3": sb3_stream,
    "next_step": lambda **kw: vector_stream(AutoresetMode.NEXT_STEP, **kw),
    "same_step": lambda **kw: vector_stream(AutoresetMode.SAME_STEP, **kw),
    "disabled": lambda **kw: vector_stream(AutoresetMode.DISABLED, **kw),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
