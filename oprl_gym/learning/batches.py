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
    """Builds batches, encoding each trajectory once and each distinct row once.

    As long as the env shows few distinct rows (see :class:`RowTable`), a trajectory is
    kept as the numbers and weights of the rows it visits; beyond that, as its rows.
    """

    def __init__(self, encoder: StepEncoder, aggregation: Aggregation) -> None:
        self.encoder = encoder
        self.aggregation = aggregation
        self._table = RowTable()
        self._visits: WeakKeyDictionary[Trajectory, tuple[Array, FloatArray]] = (
            WeakKeyDictionary()
        )

    def batch(self, preferences: Sequence[Preference]) -> PairBatch:
        """Return the batch of these preferences; at least one is needed."""
        sides = [
            (self._terms(trajectory), sign, pair)
            for pair, preference in enumerate(preferences)
            for trajectory, sign in (
                (preference.first, 1.0),
                (preference.second, -1.0),
            )
        ]
        if self._table.overflowed and not all(
            terms[0].ndim == 2 for terms, *_ in sides
        ):
            self._visits.clear()  # the table gave up half-way through: start again
            return self.batch(preferences)
        keys = np.concatenate([terms[0] for terms, _, _ in sides])
        weight = np.concatenate([sign * terms[1] for terms, sign, _ in sides])
        lengths = [len(terms[1]) for terms, _, _ in sides]
        pair = np.repeat([pair for _, _, pair in sides], lengths)
        rows, row = self._rows(keys)
        labels = np.array([p.label for p in preferences], dtype=np.float32)
        return PairBatch(*map(torch.from_numpy, (rows, row, pair, weight, labels)))

    def _rows(self, keys: Array) -> tuple[FloatArray, Array]:
        if keys.ndim == 2:
            return keys, np.arange(len(keys))
        distinct, row = np.unique(keys, return_inverse=True)
        return self._table.rows()[distinct], row

    def _terms(self, trajectory: Trajectory) -> tuple[Array, FloatArray]:
        """Return a trajectory's rows, by number or in full, and their weights."""
        terms = self._visits.get(trajectory)
        if terms is None:
            terms = self._encode(trajectory)
            self._visits[trajectory] = terms
        return terms

    def _encode(self, trajectory: Trajectory) -> tuple[Array, FloatArray]:
        observations = trajectory.observations
        rows = self.encoder.steps(
            observations[:-1], trajectory.actions, observations[1:]
        )
        step_weight = 1.0 if self.aggregation == "sum" else 1.0 / len(rows)
        numbers = self._table.numbers(rows)
        if numbers is None:
            return rows, np.full(len(rows), step_weight, dtype=np.float32)
        distinct, times = np.unique(numbers, return_counts=True)
        return distinct, (step_weight * times).astype(np.float32)
