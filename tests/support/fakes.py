"""Fakes whose values tell where they came from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from oprl_gym import OPRLConfig
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.types import Trajectory

QUICK = OPRLConfig(
    hidden_size=16,
    min_preferences=8,
    update_interval=128,
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
    """A process reward that is the value it was shown, of s' if a step is scored.

    Args:
        unit: What a score of 1 is worth.
        late: Whether the env is said to pay only with the end of each episode.
    """

    fitted = True

    def __init__(self, unit: float = 1.0, late: bool = False) -> None:
        self.unit = unit
        self.late = late
        box = spaces.Box(0, np.inf, (1,), dtype=np.float32)
        self.encoder = StepEncoder(box, spaces.Discrete(5), "next_obs")

    def score(
        self,
        observations: np.ndarray,
        first_visits: np.ndarray,
        actions: np.ndarray | None = None,
    ) -> np.ndarray:
        return observations.reshape(len(observations), -1)[:, 0].astype(np.float32)


class FirstVisitsReward(TellingReward):
    """A process reward of 1 for a first visit, and of 0 for any other."""

    def score(
        self,
        observations: np.ndarray,
        first_visits: np.ndarray,
        actions: np.ndarray | None = None,
    ) -> np.ndarray:
        return first_visits.astype(np.float32)


class ConstantReward(TellingReward):
    """A process reward that scores everything the same."""

    def __init__(self, value: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.value = value

    def score(
        self,
        observations: np.ndarray,
        first_visits: np.ndarray,
        actions: np.ndarray | None = None,
    ) -> np.ndarray:
        return np.full(len(observations), self.value, dtype=np.float32)


class BackAndForth(gym.Env[np.ndarray, int]):
    """Three cells in a row, told one-hot; action 1 goes right and 0 left.

    Every seventh step ends an episode, alternately for good and by a time limit, and
    pays 7 if the env is to pay late, else every step pays 1. Whoever strays about comes
    back to where it was, so that most steps are no first visits.
    """

    def __init__(self, late: bool = False) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (3,), dtype=np.float32)
        self.action_space = spaces.Discrete(2)
        self.late = late
        self.place = 0
        self.step_count = 0
        self.episode = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode += 1
        self.step_count = 0
        self.place = self.episode % 3
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.step_count += 1
        self.place = min(2, max(0, self.place + (1 if action else -1)))
        end = self.step_count == 7
        for_good = end and self.episode % 2 == 0
        reward = 7.0 * end if self.late else 1.0
        return self._observation(), reward, for_good, end and not for_good, {}

    def _observation(self) -> np.ndarray:
        return np.eye(3, dtype=np.float32)[self.place]


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


def float_episode(rng: np.random.Generator, length: int) -> Trajectory:
    """Return an episode of observations that never recur."""
    return Trajectory(
        observations=rng.normal(size=(length + 1, 2)),
        actions=rng.integers(2, size=length),
        env_rewards=rng.normal(size=length),
        process_rewards=np.zeros(length),
        terminated=False,
    )
