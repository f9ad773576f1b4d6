"""Fakes whose values tell where they came from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from oprl_gym import OPRLConfig
from oprl_gym.types import Trajectory

QUICK = OPRLConfig(
    hidden_size=16,
    min_preferences=8,
    update_interval=128,
    pairs_per_update=16,
    gradient_steps=4,
)
"""Settings with which a learner learns something in some hundred steps."""


class CountingEnv(gym.Env[np.ndarray, int]):
    """Counts: the observation is 100 * episode + step, the reward 1000 + step.

    Args:
        length: Steps in an episode.
        terminates: Whether the end is a termination or a truncation.
    """

    def __init__(self, length: int = 3, terminates: bool = True) -> None:
        self.observation_space = spaces.Box(0, np.inf, (1,), dtype=np.float32)
        self.action_space = spaces.Discrete(5)
        self.length = length
        self.terminates = terminates
        self.episode = 0
        self.step_count = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.step_count = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.step_count += 1
        end = self.step_count >= self.length
        terminated, truncated = end and self.terminates, end and not self.terminates
        reward = 1000.0 + self.step_count
        return self._observation(), reward, terminated, truncated, {}

    def _observation(self) -> np.ndarray:
        return np.array([100 * self.episode + self.step_count], dtype=np.float32)


class TellingReward:
    """A process reward that is the value it was shown: of s' for steps, of s alone."""

    def score_steps(
        self, observations: np.ndarray, actions: np.ndarray, reached: np.ndarray
    ) -> np.ndarray:
        return reached.reshape(len(reached), -1)[:, 0].astype(np.float32)

    def score_states(self, observations: np.ndarray) -> np.ndarray:
        return observations.reshape(len(observations), -1)[:, 0].astype(np.float32)


def trajectory(
    states: list[int], rewards: list[float] | None = None, n_states: int = 4
) -> Trajectory:
    """Return an episode through one-hot states; actions are all 0."""
    steps = len(states) - 1
    env_rewards = np.zeros(steps) if rewards is None else np.array(rewards, float)
    return Trajectory(
        observations=np.eye(n_states, dtype=np.float32)[states],
        actions=np.zeros(steps, dtype=np.int64),
        env_rewards=env_rewards,
        process_rewards=np.zeros(steps),
        terminated=bool(env_rewards.any()),
    )
