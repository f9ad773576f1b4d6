"""Small runs of RLlib, and a trainer whose weights are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.tune.registry import register_env

from oprl_gym.rewards.process_reward import RewardState


def small_ppo(
    make_env: str | Callable[[], gym.Env[Any, Any]] = "oprl_gym:OPRLMaze-v0",
    num_env_runners: int = 0,
    num_envs: int = 2,
    steps: int = 64,
) -> PPOConfig:
    """Return PPO that learns from ``steps`` env steps at a time, and little."""
    if not isinstance(make_env, str):
        env_factory = make_env
        register_env("small", lambda context: env_factory())
        make_env = "small"
    config = PPOConfig().environment(make_env)
    config.env_runners(
        num_env_runners=num_env_runners, num_envs_per_env_runner=num_envs
    )
    config.training(train_batch_size_per_learner=steps, minibatch_size=32, num_epochs=1)
    config.rl_module(model_config={"fcnet_hiddens": [8]})
    return config.debugging(seed=0, log_level="ERROR")


@contextmanager
def built(config: PPOConfig) -> Iterator[Algorithm]:
    """Build the algorithm, and stop it in the end."""
    algorithm = config.build_algo()
    try:
        yield algorithm
    finally:
        algorithm.stop()


def samples(
    config: PPOConfig, num_timesteps: int, times: int
) -> list[list[SingleAgentEpisode]]:
    """Return what an env runner of its own gives in some samples of so many steps."""
    runner = SingleAgentEnvRunner(config=config)
    try:
        return [runner.sample(num_timesteps=num_timesteps) for _ in range(times)]
    finally:
        runner.stop()


class KnownTrainer:
    """Hands out always the same weights, as an actor's handle would.

    Args:
        state: The weights.
    """

    def __init__(self, state: RewardState) -> None:
        self._state = state
        self.newest = self

    def remote(self, version: int | None) -> Any:
        return ray.put(None if version == 1 else (1, self._state))
