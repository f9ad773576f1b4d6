"""The agent that is trained."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv

from oprl_gym.callbacks import ProcessRewardDictReplayBuffer, ProcessRewardReplayBuffer
from oprl_gym.config import shown
from oprl_gym.rewards.tensors import available_device
from oprl_gym.runs.algorithms import ON_POLICY
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError
from oprl_gym.runs.policy import (
    ALGORITHMS,
    NOT_UNDERSTOOD,
    policy_arguments,
    policy_class,
)

EXPLORATION = 0.1
"""Deviation of td3's noise, of actions from -1 to 1: what its authors use."""


def make_algorithm(config: TrainConfig, venv: VecEnv) -> BaseAlgorithm:
    """Return the untrained agent.

    Args:
        config: A resolved one.
        venv: The envs to train in.

    Raises:
        RunError: The algorithm does not know what to do with the env's spaces or an
            argument, or there is no such device.
    """
    kind: Any = ALGORITHMS[config.algo]
    arguments: dict[str, Any] = {
        "policy": policy_class(config, venv.observation_space),
        "env": venv,
        "policy_kwargs": policy_arguments(config) or None,
        "learning_rate": config.learning_rate,
        "gamma": config.gamma,
        "seed": config.seed,
    }
    for name in ("n_steps", "batch_size", "ent_coef"):
        if getattr(config, name) is not None:
            arguments[name] = getattr(config, name)
    if config.algo not in ON_POLICY:
        arguments |= _off_policy(config, venv)
    arguments |= config.algo_kwargs
    _check_known(config, kind)
    try:
        arguments["device"] = available_device(config.device)
        algorithm: BaseAlgorithm = kind(**arguments)
        return algorithm
    except NOT_UNDERSTOOD as error:
        raise RunError(f"cannot train {config.algo} here: {error}") from error


def _off_policy(config: TrainConfig, venv: VecEnv) -> dict[str, Any]:
    """Return what an agent with a replay buffer gets besides.

    It takes as many gradient steps per env step as with one env.
    """
    arguments: dict[str, Any] = {"gradient_steps": config.n_envs}
    if config.oprl:
        is_dict = isinstance(venv.observation_space, spaces.Dict)
        arguments["replay_buffer_class"] = (
            ProcessRewardDictReplayBuffer if is_dict else ProcessRewardReplayBuffer
        )
    if config.algo == "td3" and isinstance(venv.action_space, spaces.Box):
        size = venv.action_space.shape
        noise = NormalActionNoise(np.zeros(size), np.full(size, EXPLORATION))
        arguments["action_noise"] = noise
    return arguments


def _check_known(config: TrainConfig, kind: type[BaseAlgorithm]) -> None:
    known = inspect.signature(kind).parameters
    for name in config.algo_kwargs:
        if name not in known:
            raise RunError(
                f"{config.algo} has no argument {name}; its own are {', '.join(known)}"
            )
    every = config.algo_kwargs.get("train_freq", 1)
    if not isinstance(every, int) or every < 1:
        raise RunError(
            f"algo_kwargs train_freq must be a number of steps, got {shown(every)}"
        )
