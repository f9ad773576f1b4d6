"""Which observations count as the same place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from oprl_gym.files.fields import check_values
from oprl_gym.types import Array, FloatArray, IntArray
from oprl_gym.visits import keys, pack_keys, unpack_keys

MAX_AXES = 8
"""Observations of more values are projected to so many."""

CELL_WIDTH = 0.5
"""Edge of a cell, in standard deviations of the observations it was made from."""

LARGE = 4096
"""Values of an observation from which on memory matters, as of pictures."""

BLOCK = 2**20
"""Values of large observations that are looked at together: 8 MiB."""

SAMPLE = 2**22
"""Values of large observations that a grid is made from."""

STILL = 1e-8, 1e-6
"""A value that varied by less than the first, or that share of its size, is held not to
have changed."""

AWAY = 4.0
"""Standard deviations that it counts as away once it does."""

MAX_CELLS = 2**18
"""Cells with a count of their own; any further one shares that of another."""


class ExactCells:
    """Observations are the same if they are equal to the last bit."""

    def keys(self, observations: Array) -> list[bytes]:
        """Return a key for each of (n, ...) observations."""
        return keys(observations)


class GridCells:
    """Observations are the same if they fall into the same cell of a grid.

    Each value is measured in its standard deviation. Of more than eight values, eight
    random mixtures are taken: locality-sensitive hashing (Datar et al. 2004), used for
    counts as by Tang et al. (2017), arXiv:1611.04717.

    A value that never changed while the grid was made has no deviation: a key that
    nobody had found yet. It counts as four deviations away, up or down, once it does
    change. Of 4096 values and more, which are of one kind, as pixels, it is measured in
    the mean deviation of the others.

    Args:
        mean: (d,) mean of each value of an observation.
        deviation: (d,) its standard deviation; infinite if it never changed.
        mixtures: (d, 8) weights of the mixtures; None takes the values themselves.
    """

    def __init__(
        self, mean: FloatArray, deviation: FloatArray, mixtures: FloatArray | None
    ) -> None:
        self._mean = mean
        self._deviation = deviation
        self._mixtures = mixtures
        self._still = np.flatnonzero(np.isinf(deviation))
        # In one product, of which the values need no copy: (d, 8) and (8,).
        self._in_one: tuple[FloatArray, FloatArray] | None = None
        if mixtures is not None and len(mean) >= LARGE:
            weights = mixtures / deviation[:, None]
            self._in_one = weights, mean @ weights

    @classmethod
    def of(cls, examples: Array, rng: np.random.Generator) -> GridCells:
        """Return the grid that suits (n, ...) observations."""
        values = _flat(examples)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        d = values.shape[1]
        changed = deviation > _least_change(mean)
        alike = deviation[changed].mean() if d >= LARGE and changed.any() else np.inf
        return cls(
            mean,
            np.where(changed, deviation, alike),
            rng.normal(size=(d, MAX_AXES)) / np.sqrt(d) if d > MAX_AXES else None,
        )

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> GridCells:
        """Return the grid that :meth:`state` was called of."""
        return cls(state["mean"], state["deviation"], state["mixtures"])

    def state(self) -> dict[str, Any]:
        """Return what is to be saved of it."""
        return {
            "mean": self._mean,
            "deviation": self._deviation,
            "mixtures": self._mixtures,
        }

    def keys(self, observations: Array) -> list[bytes]:
        """Return a key for each of (n, ...) observations."""
        values = np.floor(self._measured(observations) / CELL_WIDTH)
        cells: IntArray = values.clip(_INT32.min, _INT32.max).astype(np.int32)
        return [cell.tobytes() for cell in cells]

    def _measured(self, observations: Array) -> FloatArray:
        """Return what the edges of cells are laid along, of (n, ...) observations."""
        if self._in_one is None:
            off = _flat(observations) - self._mean
            values = off / self._deviation
            values[:, self._still] = AWAY * self._changed(off)
            return values if self._mixtures is None else values @ self._mixtures
        weights, of_mean = self._in_one
        n = max(1, BLOCK // len(weights))
        blocks = [observations[at : at + n] for at in range(0, len(observations), n)]
        return np.concatenate([_flat(block) @ weights - of_mean for block in blocks])

    def _changed(self, off: FloatArray) -> FloatArray:
        """Return 1, 0 or -1 for how far the values that never changed are off."""
        off, mean = off[:, self._still], self._mean[self._still]
        changed: FloatArray = np.sign(off) * (np.abs(off) > _least_change(mean))
        return changed


def _least_change(mean: FloatArray) -> FloatArray:
    least, share = STILL
    change: FloatArray = np.maximum(least, share * np.abs(mean))
    return change


def examples_of(episodes: Sequence[Array]) -> Array:
    """Return the observations that a grid for (T, ...) ones is made from.

    All of them; of large ones a sample, evenly spread.
    """
    size = math.prod(episodes[0].shape[1:])
    total = size * sum(len(one) for one in episodes)
    every = 1 if size < LARGE else -(-total // SAMPLE)
    picked, before = [], 0
    for one in episodes:
        picked.append(one[-before % every :: every])
        before += len(one)
    return np.concatenate(picked)


_INT32 = np.iinfo(np.int32)
_STATE = {
    "grid": dict | None,
    "keys": dict,
    "visits": np.ndarray,
    "max_cells": int,
}


class VisitCounter:
    """Counts how many episodes visited each cell.

    Args:
        cells: Which observations count as the same.
        max_cells: Cells that are told apart; any further one is counted together with
            one of these, so that memory is bounded however long a run is.
    """

    def __init__(
        self, cells: ExactCells | GridCells, max_cells: int = MAX_CELLS
    ) -> None:
        self.cells = cells
        self.max_cells = max_cells
        self._number: dict[bytes, int] = {}
        self._visits = np.zeros(64, dtype=np.int64)

    def __len__(self) -> int:
        """Return how many different cells were visited."""
        return len(self._number)

    def add(self, observations: Array) -> IntArray:
        """Count an episode's visits; returns the numbers of its cells, each once.

        Args:
            observations: (n, ...) those of the episode.
        """
        number = self._number
        keys = self.cells.keys(observations)
        numbers = np.array([self._number_of(key) for key in keys])
        if len(number) > len(self._visits):
            grown = np.zeros(2 * len(number), dtype=np.int64)
            grown[: len(self._visits)] = self._visits
            self._visits = grown
        distinct = np.unique(numbers)
        self._visits[distinct] += 1
        return distinct

    def find(self, observations: Array) -> IntArray:
        """Return the numbers of the distinct cells, all visited before; counts none.

        Raises:
            KeyError: One was never visited.
        """
        keys = self.cells.keys(observations)
        return np.unique([self._known_number(key) for key in keys])

    def visits(self, cells: IntArray) -> IntArray:
        """Return the visits of cells, given by number."""
        return self._visits[cells]

    def hardly_recur(self, max_cells: int) -> bool:
        """Return whether there are many cells and few were visited twice."""
        return len(self) > max_cells and self._visits.sum() < 2 * len(self)

    def _number_of(self, key: bytes) -> int:
        if len(self._number) < self.max_cells:
            return self._number.setdefault(key, len(self._number))
        return self._known_number(key)

    def _known_number(self, key: bytes) -> int:
        number = self._number.get(key)
        if number is not None:
            return number
        if len(self._number) < self.max_cells:
            raise KeyError(key)
        return crc32(key) % self.max_cells  # the same in every process, unlike hash()

    def state(self) -> dict[str, Any]:
        """Return what is to be saved: which cells there are, and the visits of each."""
        return {
            "grid": self.cells.state() if isinstance(self.cells, GridCells) else None,
            "keys": pack_keys(self._number),
            "visits": self._visits[: len(self)].copy(),
            "max_cells": self.max_cells,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> VisitCounter:
        """Return the counter that :meth:`state` was called of.

        Raises:
            ValueError: There are not as many visits as cells.
        """
        check_values(state, _STATE, "visits ")
        grid = state["grid"]
        cells = ExactCells() if grid is None else GridCells.from_state(grid)
        counter = cls(cells, state["max_cells"])
        there = unpack_keys(state["keys"])
        counter._number = {key: number for number, key in enumerate(there)}
        visits, cells_there = state["visits"], len(there)
        if not len(counter) == cells_there == len(visits):
            raise ValueError(f"{len(visits)} counts of visits for {cells_there} cells")
        if (visits < 1).any():
            raise ValueError("a cell that was visited less than once")
        counter._visits = np.zeros(max(64, len(counter)), dtype=np.int64)
        counter._visits[: len(counter)] = state["visits"]
        return counter


def _flat(observations: Array) -> FloatArray:
    values = np.asarray(observations, dtype=np.float64)
    return values.reshape(len(values), -1)
