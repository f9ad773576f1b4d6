"""The envs that agents are trained in."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

import oprl_gym  # noqa: F401 (registers the mazes)
from benchmarks.ladder.rung import Rung
from oprl_gym.envs import OPRLMazeEnv
from oprl_gym.envs.layouts import Layout
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.wrappers import DelayedReward


def env_kwargs(rung: Rung) -> dict[str, Any]:
    """Return what `gym.make` is given besides the id."""
    return {**rung.env_kwargs, "max_episode_steps": rung.max_episode_steps}


def make_env(rung: Rung) -> gym.Env[Any, Any]:
    """Return one env of a rung, without a Monitor."""
    env = gym.make(rung.env_id, **env_kwargs(rung))
    return DelayedReward(env) if rung.delayed else env


def make_venv(rung: Rung, n_envs: int, seed: int) -> VecEnv:
    """Return the envs of a rung, monitored; mazes move as one batch, which is faster.

    Args:
        rung: Which env.
        n_envs: N.
        seed: Of the first env; the others count on from there.
    """
    layout = maze_layout(rung)
    if layout is None:
        return make_vec_env(lambda: make_env(rung), n_envs=n_envs, seed=seed)
    limit = rung.max_episode_steps
    return VecMonitor(OPRLMazeVecEnv(n_envs, layout, max_episode_steps=limit))


def maze_layout(rung: Rung) -> Layout | None:
    """Return the map of a rung, or None if it is no maze of ours."""
    if not rung.maze:
        return None
    maze = make_env(rung).unwrapped
    assert isinstance(maze, OPRLMazeEnv)
    return maze.layout
