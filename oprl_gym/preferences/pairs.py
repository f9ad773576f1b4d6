"""Which two trajectories are shown to the teacher."""

from __future__ import annotations

import numpy as np

from oprl_gym.types import FloatArray, IntArray


def uniform_pairs(
    n_trajectories: int, n_pairs: int, rng: np.random.Generator
) -> IntArray:
    """Draw (B, 2) indices, uniformly among all pairs of two different trajectories.

    Returns an empty (0, 2) array if there are fewer than two trajectories.
    """
    if n_trajectories < 2:
        return np.zeros((0, 2), dtype=np.int64)
    first = rng.integers(n_trajectories, size=n_pairs)
    other = rng.integers(n_trajectories - 1, size=n_pairs)
    return np.stack([first, other + (other >= first)], axis=1)


def decisive_pairs(
    scores: FloatArray, n_pairs: int, rng: np.random.Generator
) -> IntArray:
    """Draw (B, 2) indices, uniformly among the pairs whose scores differ.

    While nearly every episode of a sparse-reward env has the same return, nearly every
    uniform draw would be a tie; none of these is.

    Args:
        scores: (M, C) scores of M trajectories; two rows are equal if all columns are.
        n_pairs: B.
        rng: Source of randomness.

    Returns an empty (0, 2) array if all rows are equal.
    """
    _, group, sizes = np.unique(scores, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)  # NumPy 2.0 alone gives it a second axis
    if len(sizes) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    m = len(scores)
    partners = m - sizes[group]  # for each trajectory, how many differ from it
    first = rng.choice(m, size=n_pairs, p=partners / partners.sum())
    # With the trajectories sorted by group, those of another group are all places but
    # one run; drawing a place outside that run is drawing a partner.
    by_group = np.argsort(group, kind="stable")
    run_start = np.concatenate([[0], np.cumsum(sizes)[:-1]])[group[first]]
    place = rng.integers(partners[first])
    place += np.where(place >= run_start, sizes[group[first]], 0)
    return np.stack([first, by_group[place]], axis=1)
