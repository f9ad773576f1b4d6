"""The training episodes of a run, in a CSV file, and what is read off them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.success import settle
from oprl_gym.types import FloatArray, IntArray

COLUMNS = ("env_steps", "env_return", "length", "success", "learned_return")
WINDOW = 100
"""Episodes over which a training success rate is taken."""

MOST_STEPS = 2**53
"""Env steps that nobody takes; beyond, floats count in twos."""

MOST_RETURN = float(np.finfo(np.float32).max)
"""Rewards have single precision; beyond, sums of returns are infinite."""

TARGET = 0.9
"""Success rate at which an env counts as learned."""


@dataclass(frozen=True)
class Episode:
    """One training episode.

    Attributes:
        env_steps: Env steps taken over all envs when it ended.
        env_return: Sum of the env's own rewards, without any learned one.
        length: Its steps.
        success: Whether it succeeded; None if the env does not say.
        learned_return: Sum of its learned scores, as given while it was played; None
            if nothing is learned.
    """

    env_steps: int
    env_return: float
    length: int
    success: bool | None
    learned_return: float | None = None


@dataclass(frozen=True)
class EpisodeLog:
    """M training episodes in the order in which they ended."""

    env_steps: IntArray  # (M,)
    env_returns: FloatArray  # (M,)
    lengths: IntArray  # (M,)
    success: FloatArray  # (M,) 1 success, 0 failure, NaN unknown
    learned_returns: FloatArray  # (M,) NaN unknown

    @classmethod
    def of(cls, episodes: Iterable[Episode]) -> EpisodeLog:
        """Return the log of ``episodes``."""
        rows = list(episodes)
        return cls(
            np.array([e.env_steps for e in rows], dtype=np.int64),
            np.array([e.env_return for e in rows], dtype=np.float64),
            np.array([e.length for e in rows], dtype=np.int64),
            _known_or_nan(settle(e.success for e in rows)),
            _known_or_nan(e.learned_return for e in rows),
        )

    def __len__(self) -> int:
        """Return the number of episodes M."""
        return len(self.env_steps)

    @property
    def reports_success(self) -> bool:
        """Whether it is known of any episode if it succeeded."""
        return bool(np.isfinite(self.success).any())

    def scored(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Return env steps, env returns and learned returns of scored episodes.

        Those before the first fit, whose scores are all 0, are left out.
        """
        numbers = np.isfinite(self.learned_returns) & np.isfinite(self.env_returns)
        known = numbers & (self.learned_returns != 0.0)
        return (
            self.env_steps[known],
            self.env_returns[known],
            self.learned_returns[known],
        )

    def step_mean(self, values: FloatArray) -> float:
        """Return the mean of (M,) values, each weighed by its episode's env steps.

        It is the area under their curve over the env steps, per step.

        Example:
            >>> lost, won = Episode(30, 0.0, 30, False), Episode(40, 1.0, 10, True)
            >>> log = EpisodeLog.of([lost, won])
            >>> log.step_mean(log.success)
            0.25
        """
        return float(np.average(values, weights=self.lengths))

    def first_success_step(self) -> int | None:
        """Return the env step at which the first success ended, or None."""
        return self._first_step(self.success == 1.0)

    def steps_to(self, rate: float = TARGET, window: int = WINDOW) -> int | None:
        """Return when the agent first succeeded that often.

        Args:
            rate: Share of episodes, 0 to 1.
            window: Latest episodes it is taken over; there must be so many.

        Returns:
            The env step at which the episode that completes the window ended; None if
            it never came to that.
        """
        if len(self) < window:
            return None
        successes = np.concatenate([[0], np.cumsum(self.success == 1.0)])
        in_window = successes[window:] - successes[:-window]
        # Counted in whole episodes: as floats, 0.9 * 100 may come out above 90.
        reached = np.zeros(len(self), dtype=np.bool_)
        reached[window - 1 :] = in_window >= math.ceil(round(rate * window, 6))
        return self._first_step(reached)

    def write(self, path: Path) -> None:
        """Write the log as CSV; what is unknown is an empty field."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (
                steps,
                repr(total),
                length,
                "" if math.isnan(won) else int(won),
                "" if math.isnan(learned) else repr(learned),
            )
            for steps, total, length, won, learned in zip(
                self.env_steps.tolist(),
                self.env_returns.tolist(),
                self.lengths.tolist(),
                self.success.tolist(),
                self.learned_returns.tolist(),
                strict=True,
            )
        )
        replace_file(path, text.getvalue().encode())

    @classmethod
    def read(cls, path: Path) -> EpisodeLog:
        """Read a log written by :meth:`write`.

        Raises:
            ValueError: A row is not one of such a file.
        """
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError(f"its columns are not {','.join(COLUMNS)}")
            log = cls.of(_episode(*row) for row in rows)
        check_steps(log.env_steps)
        log._check_values()
        return log

    def _check_values(self) -> None:
        """Raise ValueError for what no env gives, of which no mean can be taken."""
        check_steps(self.lengths)
        if not (self.lengths >= 1).all():
            raise ValueError("an episode has at least one step")
        known = self.learned_returns[~np.isnan(self.learned_returns)]
        for returns in (self.env_returns, known):
            wrong = ~(np.abs(returns) <= MOST_RETURN)  # nor is NaN
            if wrong.any():
                raise ValueError(f"{returns[wrong][0]} is no return of an episode")

    def _first_step(self, holds: np.ndarray) -> int | None:
        return int(self.env_steps[holds.argmax()]) if holds.any() else None


def check_steps(steps: FloatArray | IntArray) -> None:
    """Raise ValueError unless all of these are counts of env steps."""
    wrong = ~((steps >= 0) & (steps <= MOST_STEPS))  # nor is NaN
    if wrong.any():
        raise ValueError(f"{steps[wrong][0]} is no count of env steps")


def _known_or_nan(values: Iterable[float | None]) -> FloatArray:
    return np.array([math.nan if v is None else v for v in values], dtype=np.float64)


def _episode(
    env_steps: str, env_return: str, length: str, success: str, learned: str
) -> Episode:
    return Episode(
        int(env_steps),
        float(env_return),
        int(length),
        None if success == "" else bool(int(success)),
        None if learned == "" else float(learned),
    )
