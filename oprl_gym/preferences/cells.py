"""Which observations count as the same place."""

from __future__ import annotations

import numpy as np

from oprl_gym.types import Array, FloatArray, IntArray

MAX_AXES = 8
"""Observations of more values are projected to so many."""

CELL_WIDTH = 0.5
"""Edge of a cell, in standard deviations of the observations it was made from."""


class ExactCells:
    """Observations are the same if they are equal to the last bit."""

    def keys(self, observations: Array) -> list[bytes]:
        """Return a key for each of (n, ...) observations."""
        return [row.tobytes() for row in observations]


class GridCells:
    """Observations are the same if they fall into the same cell of a grid.

    Each value is measured in its standard deviation. Of more than eight values, eight
    random mixtures are taken: locality-sensitive hashing (Datar et al. 2004), used for
    counts as by Tang et al. (2017), arXiv:1611.04717.

    Args:
        examples: (n, ...) observations that mean and deviation are taken from.
        rng: Source of the mixtures.
    """

    def __init__(self, examples: Array, rng: np.random.Generator) -> None:
        values = _flat(examples)
        self._mean = values.mean(axis=0)
        deviation = values.std(axis=0)
        self._deviation = np.where(deviation > 1e-8, deviation, np.inf)
        d = values.shape[1]
        self._mixtures: FloatArray | None = None
        if d > MAX_AXES:
            self._mixtures = rng.normal(size=(d, MAX_AXES)) / np.sqrt(d)

    def keys(self, observations: Array) -> list[bytes]:
        """Return a key for each of (n, ...) observations."""
        values = (_flat(observations) - self._mean) / self._deviation
        if self._mixtures is not None:
            values = values @ self._mixtures
        cells: IntArray = np.floor(values / CELL_WIDTH).astype(np.int32)
        return [cell.tobytes() for cell in cells]


class VisitCounter:
    """Counts how often each cell was visited.

    Args:
        cells: Which observations count as the same.
    """

    def __init__(self, cells: ExactCells | GridCells) -> None:
        self.cells = cells
        self._number: dict[bytes, int] = {}
        self._visits = np.zeros(64, dtype=np.int64)

    def __len__(self) -> int:
        """Return how many different cells were visited."""
        return len(self._number)

    def add(self, observations: Array) -> IntArray:
        """Count (n, ...) visits; returns the numbers of the distinct cells."""
        number = self._number
        keys = self.cells.keys(observations)
        numbers = np.array([number.setdefault(key, len(number)) for key in keys])
        if len(number) > len(self._visits):
            grown = np.zeros(2 * len(number), dtype=np.int64)
            grown[: len(self._visits)] = self._visits
            self._visits = grown
        distinct, times = np.unique(numbers, return_counts=True)
        self._visits[distinct] += times
        return distinct

    def visits(self, cells: IntArray) -> IntArray:
        """Return the visits of cells, given by number."""
        return self._visits[cells]

    def hardly_recur(self, max_cells: int) -> bool:
        """Return whether there are many cells and few were visited twice."""
        return len(self) > max_cells and self._visits.sum() < 2 * len(self)


def _flat(observations: Array) -> FloatArray:
    values = np.asarray(observations, dtype=np.float64)
    return values.reshape(len(values), -1)
