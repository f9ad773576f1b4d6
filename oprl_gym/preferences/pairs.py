"""Which two trajectories are shown to the teacher."""

from __future__ import annotations

import numpy as np

from oprl_gym.types import IntArray


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
