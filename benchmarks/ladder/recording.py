"""What is kept of a training run, and when it is over."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from oprl_gym.runs.episode_log import WINDOW, Episode, EpisodeLog
from oprl_gym.runs.success import episode_success
from oprl_gym.types import IntArray


class Track:
    """The episodes of a run as they end, and whether it has gone on long enough.

    Args:
        budget: Env steps after which the run is over.
        target: Success rate over the latest 100 episodes that is wanted.
        stop_after: Further episodes for which it has to hold until the run is over;
            None: the run uses up its budget.
        threshold: Return that counts as success in an env that does not say.
    """

    def __init__(
        self,
        budget: int,
        target: float,
        stop_after: int | None,
        threshold: float | None = None,
    ) -> None:
        self.budget = budget
        self.episodes: list[Episode] = []
        self._wanted = math.ceil(round(target * WINDOW, 6))
        self._stop_after = math.inf if stop_after is None else stop_after
        self._threshold = threshold
        self._latest: deque[bool] = deque(maxlen=WINDOW)
        self._held = -1

    def note(self, env_steps: int, info: dict[str, Any]) -> None:
        """Add the episode whose last info this is.

        Args:
            env_steps: Env steps taken so far, over all envs.
            info: With the `episode` of a Monitor.
        """
        total, length = float(info["episode"]["r"]), int(info["episode"]["l"])
        success = bool(episode_success(info, total, self._threshold))
        self.episodes.append(Episode(env_steps, total, length, success))
        self._latest.append(success)
        reached = len(self._latest) == WINDOW and sum(self._latest) >= self._wanted
        self._held = self._held + 1 if reached else -1

    def over(self, env_steps: int) -> bool:
        """Return whether the run is over after so many env steps."""
        return env_steps >= self.budget or self._held >= self._stop_after

    def log(self) -> EpisodeLog:
        """Return the episodes so far."""
        return EpisodeLog.of(self.episodes)


class TrackCallback(BaseCallback):
    """Keeps the track of a Stable-Baselines3 agent, and stops it to the step."""

    def __init__(self, track: Track) -> None:
        super().__init__()
        self.track = track

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.track.note(self.num_timesteps, info)
        return not self.track.over(self.num_timesteps)


def success_curve(log: EpisodeLog, budget: int, points: int) -> list[int]:
    """Return the successes among the latest 100 episodes, along the budget.

    Episodes that have not been played yet count as failures, as they do where steps to
    90 % are counted; after the last episode the curve goes on at its last value.

    Args:
        log: The episodes.
        budget: Env steps at the last point.
        points: G, evenly spaced; the first is at budget / G.

    Returns G numbers from 0 to 100.
    """
    ended = _ended(log, budget, points)
    wins = np.concatenate([[0], np.cumsum(log.success == 1.0)])
    in_window = wins[ended] - wins[np.maximum(ended - WINDOW, 0)]
    return [round(100 * count / WINDOW) for count in in_window]


def return_curve(log: EpisodeLog, budget: int, points: int) -> list[float | None]:
    """Return the mean env return of the latest 100 episodes, along the budget.

    Args: as of :func:`success_curve`.

    Returns G numbers, of fewer episodes while there are no more; None before the first.
    """
    ended = _ended(log, budget, points)
    sums = np.concatenate([[0.0], np.cumsum(log.env_returns)])
    first = np.maximum(ended - WINDOW, 0)
    return [
        round(float((sums[last] - sums[begin]) / (last - begin)), 4) if last else None
        for begin, last in zip(first.tolist(), ended.tolist(), strict=True)
    ]


def _ended(log: EpisodeLog, budget: int, points: int) -> IntArray:
    """Return how many episodes had ended at each of G points of the budget."""
    grid: IntArray = np.arange(1, points + 1) * budget // points
    return np.searchsorted(log.env_steps, grid, side="right")
