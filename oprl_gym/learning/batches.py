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


MAX_STEPS = 8
"""Steps of one episode in a minibatch, where each is an input row of its own."""


@dataclass(frozen=True)
class PairTerms:
    """One pair as L terms: steps, and what each adds to first minus second."""

    steps: Array  # (L,) row numbers or (L, d) rows
    weights: FloatArray  # (L,) float32


class PairBatcher:
    """Builds batches, encoding each trajectory once.

    As long as the env shows few distinct rows (see :class:`RowTable`), a trajectory is
    kept as the numbers of the rows it visits, a pair as how often it visits which, and
    a batch holds each row once; beyond that, a trajectory is kept as its rows.
    """

    def __init__(self, encoder: StepEncoder, aggregation: Aggregation) -> None:
        self.encoder = encoder
        self.aggregation = aggregation
        self._table = RowTable()
        # (T,) row numbers or (T, d) rows of each trajectory
        self._steps: WeakKeyDictionary[Trajectory, Array] = WeakKeyDictionary()
        self._counted: WeakKeyDictionary[Preference, PairTerms] = WeakKeyDictionary()

    def batch(
        self, preferences: Sequence[Preference], rng: np.random.Generator | None = None
    ) -> PairBatch:
        """Return the batch of these preferences; at least one is needed.

        Args:
            preferences: B of them.
            rng: If given, and rows do not recur, an episode of more than ``MAX_STEPS``
                steps is represented by its last one and others drawn at random and
                weighted up: an unbiased estimate of its score, at a bounded cost.
        """
        counted = [self._count(preference) for preference in preferences]
        terms = [one for one in counted if one is not None]
        if self._table.overflowed:
            terms = [self._spread(preference, rng) for preference in preferences]
        rows, row = self._rows(np.concatenate([one.steps for one in terms]))
        lengths = [len(one.weights) for one in terms]
        labels = [preference.label for preference in preferences]
        return PairBatch(
            rows=torch.from_numpy(rows),
            row=torch.from_numpy(row),
            pair=torch.from_numpy(np.repeat(np.arange(len(terms)), lengths)),
            weight=torch.from_numpy(np.concatenate([one.weights for one in terms])),
            labels=torch.tensor(labels, dtype=torch.float32),
        )

    def _count(self, preference: Preference) -> PairTerms | None:
        """Return a pair in which each row stands once; None if rows do not recur."""
        known = self._counted.get(preference)
        if known is not None or self._table.overflowed:
            return known
        sides = [self._steps_of(preference.first), self._steps_of(preference.second)]
        if any(side.ndim == 2 for side in sides):  # the table has just given up
            self._steps.clear()
            self._counted.clear()
            return None
        numbers = np.concatenate(sides)
        sums = np.bincount(numbers, np.concatenate(self._weights(preference)))
        visited = np.unique(numbers)
        terms = PairTerms(visited, sums[visited].astype(np.float32))
        self._counted[preference] = terms
        return terms

    def _spread(
        self, preference: Preference, rng: np.random.Generator | None
    ) -> PairTerms:
        """Return a pair of which each step, or each of a sample, is a row."""
        sides = (preference.first, preference.second)
        steps, weights = [], []
        for side, weight in zip(sides, self._weights(preference), strict=True):
            rows = self._steps_of(side)
            if rng is not None and len(side) > MAX_STEPS:
                chosen, share = _sample(len(side), rng)
                rows, weight = rows[chosen], weight[chosen] / share
            steps.append(rows)
            weights.append(weight)
        return PairTerms(np.concatenate(steps), np.concatenate(weights))

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


def _sample(n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Return MAX_STEPS of n steps, and how often each is drawn on average."""
    # The last one always, as its weight can be that of hundreds ("absorbing").
    earlier = rng.integers(n - 1, size=MAX_STEPS - 1)
    share = np.full(MAX_STEPS, (MAX_STEPS - 1) / (n - 1), dtype=np.float32)
    share[-1] = 1.0
    return np.append(earlier, n - 1), share
