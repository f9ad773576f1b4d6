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


def elite_pairs(
    scores: FloatArray, n_pairs: int, share: float, rng: np.random.Generator
) -> IntArray:
    """Draw pairs of one of the best trajectories and any other, in random order.

    The few best episodes show where to go next, or what a success looks like; drawn
    like all others they would hardly be asked about.

    Args:
        scores: (M, C) scores; higher is better, earlier columns decide first.
        n_pairs: B pairs are drawn; those whose scores are equal are left out.
        share: Share of the M trajectories that counts as the best, at least one.
        rng: Source of randomness.

    Returns (B', 2) indices with B' <= B.
    """
    worst_to_best = np.lexsort(scores.T[::-1])
    best = worst_to_best[-max(1, round(share * len(scores))) :]
    pairs = np.stack(
        [rng.choice(best, size=n_pairs), rng.integers(len(scores), size=n_pairs)],
        axis=1,
    )
    differ = (scores[pairs[:, 0]] != scores[pairs[:, 1]]).any(axis=1)
    return rng.permuted(pairs[differ], axis=1)
