"""The agent that is trained."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from oprl_gym.rewards.tensors import available_device
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError
from oprl_gym.runs.policy import policy_class


def make_algorithm(config: TrainConfig, venv: VecEnv) -> OnPolicyAlgorithm:
    """Return the untrained agent.

    Args:
        config: A resolved one.
        venv: The envs to train in.

    Raises:
        RunError: The algorithm does not know what to do with the env's spaces, or there
            is no such device.
    """
    arguments: dict[str, Any] = {
        "policy": policy_class(venv.observation_space),
        "env": venv,
        "learning_rate": config.learning_rate,
        "n_steps": config.n_steps,
        "gamma": config.gamma,
        "ent_coef": config.ent_coef,
        "seed": config.seed,
    }
    if config.batch_size is not None:
        arguments["batch_size"] = config.batch_size
    try:
        arguments["device"] = available_device(config.device)
        return {"ppo": PPO, "a2c": A2C}[config.algo](**arguments)
    except (AssertionError, NotImplementedError, ValueError) as error:
        raise RunError(f"cannot train {config.algo} here: {error}") from error
