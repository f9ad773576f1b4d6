"""Rank correlation, without SciPy: who trains a single agent needs none."""

from __future__ import annotations

import numpy as np

from oprl_gym.types import FloatArray


def rank_correlation(first: FloatArray, second: FloatArray) -> float | None:
    """Return Spearman's rank correlation, None where one is all the same.

    Args:
        first: (M,) numbers.
        second: (M,) numbers.

    Example:
        >>> round(rank_correlation(np.array([0.0, 1, 2]), np.array([1.0, 6, 5])), 6)
        0.5
    """
    if len(first) < 2 or not (np.ptp(first) and np.ptp(second)):
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each of (M,) values; equal ones share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: FloatArray = counts.cumsum() - (counts - 1) / 2.0
    return shared[place]
