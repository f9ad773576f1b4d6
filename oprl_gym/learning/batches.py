"""Preferences as the flat tensors the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.rows import RowTable
from oprl_gym.types import Aggregation, Array, FloatArray, Preference, Trajectory


@dataclass(frozen=True)
class PairBatch:
    """B pairs, each a signed sum over input rows (see ``losses.pair_logits``)."""

    rows: Tensor  # (U, d) float32
    row: Tensor  # (M,) int64 in [0, U)
    pair: Tensor  # (M,) int64 in [0, B)
    weight: Tensor  # (M,) float32
    labels: Tensor  # (B,) float32


class PairBatcher:
    """Builds batches, encoding each trajectory once.

    As long as the env shows few distinct rows (see :class:`RowTable`), a trajectory is
    kept as the numbers of the rows it visits, and a batch holds each row once; beyond
    that, a trajectory is kept as its rows.
    """

    def __init__(self, encoder: StepEncoder, aggregation: Aggregation) -> None:
        self.encoder = encoder
        self.aggregation = aggregation
        self._table = RowTable()
        # (T,) row numbers or (T, d) rows of each trajectory
        self._steps: WeakKeyDictionary[Trajectory, Array] = WeakKeyDictionary()

    def batch(self, preferences: Sequence[Preference]) -> PairBatch:
        """Return the batch of these preferences; at least one is needed."""
        sides = [side for p in preferences for side in (p.first, p.second)]
        steps = [self._steps_of(side) for side in sides]
        if self._table.overflowed and any(side.ndim == 1 for side in steps):
            self._steps.clear()  # the table gave up half-way through: start again
            steps = [self._steps_of(side) for side in sides]
        rows, row = self._rows(np.concatenate(steps))
        weight = np.concatenate([w for p in preferences for w in self._weights(p)])
        pair = np.repeat(np.arange(len(sides)) // 2, [len(side) for side in sides])
        labels = np.array([p.label for p in preferences], dtype=np.float32)
        return PairBatch(*map(torch.from_numpy, (rows, row, pair, weight, labels)))

    def _steps_of(self, trajectory: Trajectory) -> Array:
        steps = self._steps.get(trajectory)
        if steps is None:
            rows = self._encoded(trajectory)
            numbers = self._table.numbers(rows)
            steps = rows if numbers is None else numbers
            self._steps[trajectory] = steps
        return steps

    def _encoded(self, trajectory: Trajectory) -> FloatArray:
        observations = trajectory.observations
        return self.encoder.steps(
            observations[:-1], trajectory.actions, observations[1:]
        )

    def _rows(self, steps: Array) -> tuple[FloatArray, Array]:
        """Return the distinct rows of a batch, and which one each step has."""
        if steps.ndim == 2:
            return steps, np.arange(len(steps))
        used = np.flatnonzero(np.bincount(steps))
        place = np.zeros(used[-1] + 1, dtype=np.int64)
        place[used] = np.arange(len(used))
        return self._table.rows()[used], place[steps]

    def _weights(self, preference: Preference) -> tuple[FloatArray, FloatArray]:
        """Return what each step of the first and of the second counts for."""
        longer = max(len(preference.first), len(preference.second))
        first = self._step_weights(preference.first, longer)
        return first, -self._step_weights(preference.second, longer)

    def _step_weights(self, trajectory: Trajectory, longer: int) -> FloatArray:
        steps = len(trajectory)
        if self.aggregation == "mean":
            return np.full(steps, 1.0 / steps, dtype=np.float32)
        weights = np.ones(steps, dtype=np.float32)
        if self.aggregation == "absorbing" and trajectory.terminated:
            weights[-1] += longer - steps
        return weights
