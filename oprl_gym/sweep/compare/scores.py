"""What the runs of each arm come to: one number each, by which they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oprl_gym.figures.plotting import trailing_mean
from oprl_gym.runs.episode_log import WINDOW, EpisodeLog
from oprl_gym.runs.folder import Summary
from oprl_gym.runs.success import GOAL, IS_SUCCESS
from oprl_gym.sweep.runs import SweepRun
from oprl_gym.types import FloatArray

LEAST, MOST = 0.01, 0.9
"""Share of the budget below which a run's steps are not told apart; and beyond which
it has learned next to nothing."""


@dataclass(frozen=True)
class ArmScores:
    """The finished runs S of an arm.

    Attributes:
        name: The arm's.
        logs: (S,) their episodes.
        training: (S,) success rate, or return, over all of the training.
        end: (S,) that of the last 100 episodes.
        steps: (S,) env steps that a run lost until it had learned what can be.
        seconds: (S,) that their trainings took.
    """

    name: str
    logs: tuple[EpisodeLog, ...]
    training: FloatArray  # (S,)
    end: FloatArray  # (S,)
    steps: FloatArray  # (S,)
    seconds: FloatArray  # (S,)


@dataclass(frozen=True)
class Scores:
    """All arms, compared by one measure.

    Attributes:
        by_success: Whether that is success; else it is the return.
        budget: Env steps of a run.
        arms: Those with a finished run, in their order.
    """

    by_success: bool
    budget: int
    arms: tuple[ArmScores, ...]

    @property
    def learned(self) -> bool:
        """Whether any run has learned something worth to be compared."""
        return any((arm.steps < MOST * self.budget).any() for arm in self.arms)

    def arm(self, name: str) -> ArmScores | None:
        """Return an arm by its name; None if none of its runs is finished."""
        return next((arm for arm in self.arms if arm.name == name), None)


def scores(runs: Sequence[SweepRun]) -> Scores:
    """Return what finished runs come to.

    Success counts where the env says what it is, or has a goal. A threshold of the
    return is none: the return says more, and sooner.

    Args:
        runs: All runs of the comparison. Those that are not finished, or in which no
            episode ended, are left out.

    Raises:
        RunError: A run cannot be read.
    """
    told: dict[str, list[tuple[Summary, EpisodeLog]]] = {}
    for run in runs:
        if run.folder.is_finished() and len(log := run.folder.episodes()):
            told.setdefault(run.arm.name, []).append((run.folder.summary(), log))
    every = [pair for pairs in told.values() for pair in pairs]
    by_success = bool(every) and all(
        summary.success_means in (IS_SUCCESS, GOAL) for summary, _ in every
    )
    limits = (0.0, 1.0) if by_success else _range([log for _, log in every])
    budget = max((summary.total_timesteps for summary, _ in every), default=0)
    arms = tuple(_arm(name, pairs, by_success, limits) for name, pairs in told.items())
    return Scores(by_success, budget, arms)


def values_of(log: EpisodeLog, by_success: bool) -> FloatArray:
    """Return the (M,) successes, or returns, of the episodes of a run."""
    return (log.success == 1.0).astype(np.float64) if by_success else log.env_returns


def lost_steps(training: float, budget: int, low: float, high: float) -> float:
    """Return the env steps after which a run would have to jump from low to high.

    That is: to come to the same mean over its training. It measures how much of the
    budget went by before the agent could do what can be done, whatever the curve.

    Example:
        >>> lost_steps(0.75, 1000, 0.0, 1.0)
        250.0
    """
    share = (high - training) / (high - low) if high > low else 1.0
    return budget * float(np.clip(share, LEAST, 1.0))


def _arm(
    name: str,
    pairs: Sequence[tuple[Summary, EpisodeLog]],
    by_success: bool,
    limits: tuple[float, float],
) -> ArmScores:
    training = [log.step_mean(values_of(log, by_success)) for _, log in pairs]
    return ArmScores(
        name,
        tuple(log for _, log in pairs),
        np.array(training),
        np.array([values_of(log, by_success)[-WINDOW:].mean() for _, log in pairs]),
        np.array(
            [
                lost_steps(mean, summary.total_timesteps, *limits)
                for mean, (summary, _) in zip(training, pairs, strict=True)
            ]
        ),
        np.array([summary.wall_time_s for summary, _ in pairs]),
    )


def _range(logs: Sequence[EpisodeLog]) -> tuple[float, float]:
    """Return the worst and the best that runs did for a while.

    That is the mean return of 100 episodes, or of a fifth where there are not so many.
    """
    lows, highs = [], []
    for log in logs:
        window = max(1, min(WINDOW, len(log) // 5))
        means = trailing_mean(log.env_returns, window)[window - 1 :]
        lows.append(float(means.min()))
        highs.append(float(means.max()))
    return min(lows, default=0.0), max(highs, default=0.0)
