"""The statistics: arrays in, numbers out. Seeds S lie along the last axis.

Interquartile means and intervals by bootstrap over seeds, and the probability of
improvement, are those of Agarwal et al. 2021 (arXiv:2108.13264).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped]

from oprl_gym.types import Array, FloatArray

RESAMPLES = 5000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; the interval is NaN with fewer than two seeds."""

    value: float
    low: float
    high: float


def censored(steps: Sequence[int | None], budget: int) -> FloatArray:
    """Return (S,) steps in which a run that never got there counts as the budget."""
    return np.array([budget if s is None else s for s in steps], dtype=np.float64)


def interquartile_mean(values: Array, axis: int = -1) -> Any:
    """Return the mean of the middle half: of S values, S // 4 are cut at each end."""
    return stats.trim_mean(values, 0.25, axis=axis)


def improvement(ours: Array, theirs: Array, axis: int = -1) -> Any:
    """Return P(ours < theirs) + P(ours = theirs) / 2, over all pairs of seeds.

    Args:
        ours: (..., S) steps; fewer are better.
        theirs: (..., S') steps.
        axis: Must be the last.
    """
    assert axis == -1
    ours, theirs = ours[..., :, None], theirs[..., None, :]
    wins = (ours < theirs) + 0.5 * (ours == theirs)
    return wins.mean(axis=(-2, -1))


def estimate(statistic: Callable[..., Any], *samples: FloatArray) -> Estimate:
    """Return a statistic of independent samples, and its percentile interval.

    The resamples are always drawn from the same seed, so that a table made again is
    the same table.
    """
    value = float(statistic(*samples, axis=-1))
    if min(len(sample) for sample in samples) < 2:
        return Estimate(value, np.nan, np.nan)
    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        axis=-1,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def ratio(ours: FloatArray, theirs: FloatArray) -> Estimate:
    """Return how many times as large one arm's numbers are, and a 90 % interval.

    A bootstrap of three seeds knows no value beyond those three. Student's t does: this
    is Welch's interval for the difference of mean logarithms.

    Args:
        ours: (S,) numbers above 0.
        theirs: (S',) numbers above 0.
    """
    logs = [np.log(values) for values in (ours, theirs)]
    difference = logs[0].mean() - logs[1].mean()
    value = float(np.exp(difference))
    if min(len(ours), len(theirs)) < 2:
        return Estimate(value, np.nan, np.nan)
    squares = np.array([sample.var(ddof=1) / len(sample) for sample in logs])
    if not squares.any():
        return Estimate(value, value, value)
    freedom = squares.sum() ** 2 / sum(
        square**2 / (len(sample) - 1)
        for square, sample in zip(squares, logs, strict=True)
    )
    half = stats.t.ppf(0.95, freedom) * np.sqrt(squares.sum())
    low, high = np.exp(difference - half), np.exp(difference + half)
    return Estimate(value, float(low), float(high))


def luck(ours: FloatArray, theirs: FloatArray) -> float:
    """Return how often luck alone would look as if ours needed fewer steps.

    The one-sided p-value of Mann and Whitney's test, exact up to eight seeds: three
    against three that are all larger come about in 1 of 20 cases.

    Args:
        ours: (S,) steps, not all the same as
        theirs: (S',) steps.
    """
    exact = max(len(ours), len(theirs)) <= 8
    method = stats.PermutationMethod(n_resamples=20_000) if exact else "asymptotic"
    found = stats.mannwhitneyu(ours, theirs, alternative="less", method=method)
    return float(found.pvalue)


def band(curves: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return interquartile mean, lower and upper bound of (G, S) curves, each (G,)."""
    middle: FloatArray = interquartile_mean(curves)
    if curves.shape[-1] < 2:
        return middle, middle, middle
    interval = stats.bootstrap(
        (curves,),
        interquartile_mean,
        n_resamples=1000,
        vectorized=True,
        axis=-1,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return middle, interval.low, interval.high
