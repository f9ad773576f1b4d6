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
from oprl_gym.types import (
    Aggregation,
    Array,
    FloatArray,
    IntArray,
    Preference,
    Trajectory,
)


@dataclass(frozen=True)
class PairBatch:
    """B pairs, each a signed sum over input rows (see ``losses.pair_logits``)."""

    rows: Tensor  # (U, d) float32
    row: Tensor  # (M,) int64 in [0, U)
    pair: Tensor  # (M,) int64 in [0, B)
    weight: Tensor  # (M,) float32
    labels: Tensor  # (B,) float32


MAX_STEPS = 64
"""Steps of one episode in a minibatch, where each is an input row of its own."""


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

    def batch(
        self, preferences: Sequence[Preference], rng: np.random.Generator | None = None
    ) -> PairBatch:
        """Return the batch of these preferences; at least one is needed.

        Args:
            preferences: B of them.
            rng: If given, and rows do not recur, an episode of more than ``MAX_STEPS``
                steps is represented by so many of them, drawn at random and weighted
                up: an unbiased estimate of its score, at a bounded cost.
        """
        sides = [side for p in preferences for side in (p.first, p.second)]
        steps = [self._steps_of(side) for side in sides]
        if self._table.overflowed and any(side.ndim == 1 for side in steps):
            self._steps.clear()  # the table gave up half-way through: start again
            steps = [self._steps_of(side) for side in sides]
        weights = [w for p in preferences for w in self._weights(p)]
        if self._table.overflowed and rng is not None:
            chosen = [_sample(len(side), rng) for side in steps]
            scale = [len(s) / len(c) for s, c in zip(steps, chosen, strict=True)]
            steps = [s[c] for s, c in zip(steps, chosen, strict=True)]
            weights = [
                w[c] * np.float32(k)
                for w, c, k in zip(weights, chosen, scale, strict=True)
            ]
        return self._assemble(steps, weights, [p.label for p in preferences])

    def _assemble(
        self, steps: list[Array], weights: list[FloatArray], labels: list[float]
    ) -> PairBatch:
        rows, row = self._rows(np.concatenate(steps))
        pair = np.repeat(np.arange(len(steps)) // 2, [len(side) for side in steps])
        return PairBatch(
            rows=torch.from_numpy(rows),
            row=torch.from_numpy(row),
            pair=torch.from_numpy(pair),
            weight=torch.from_numpy(np.concatenate(weights)),
            labels=torch.tensor(labels, dtype=torch.float32),
        )

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


def _sample(n: int, rng: np.random.Generator) -> IntArray:
    """Return the numbers of at most MAX_STEPS of n steps."""
    if n <= MAX_STEPS:
        return np.arange(n)
    return rng.choice(n, size=MAX_STEPS, replace=False)
