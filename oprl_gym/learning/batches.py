"""Preferences as the flat tensors the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
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

    def to(self, device: torch.device) -> PairBatch:
        """Return the batch on another device."""
        return PairBatch(*(tensor.to(device) for tensor in vars(self).values()))


MAX_STEPS = 8
"""Steps of one episode in a minibatch, where each is an input row of its own."""


@dataclass(frozen=True)
class Visits:
    """How much each distinct row of a pair adds to first minus second."""

    numbers: IntArray  # (L,) of rows in a RowTable
    weights: FloatArray  # (L,) float32


class PairBatcher:
    """Builds batches of pairs for the loss.

    As long as the env shows few distinct rows (see :class:`RowTable`), a pair is kept
    as how often it visits which, and a batch holds each row once. Beyond that, nothing
    is kept, and a batch holds a row for each step it looks at.
    """

    def __init__(
        self,
        encoder: StepEncoder,
        aggregation: Aggregation,
        device: torch.device | None = None,
    ) -> None:
        self.encoder = encoder
        self.aggregation = aggregation
        self._device = torch.device("cpu") if device is None else device
        self._table = RowTable()
        # (T,) row numbers of each trajectory
        self._numbers: WeakKeyDictionary[Trajectory, IntArray] = WeakKeyDictionary()
        self._visits: WeakKeyDictionary[Preference, Visits] = WeakKeyDictionary()

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
        visits = [self._visits_of(preference) for preference in preferences]
        if self._table.overflowed:
            self._numbers.clear()
            self._visits.clear()
            return self._of_steps(preferences, rng).to(self._device)
        known = [one for one in visits if one is not None]
        return self._of_rows(preferences, known).to(self._device)

    def encoded(self, trajectory: Trajectory) -> FloatArray:
        """Return the (T, d) rows of a trajectory's steps."""
        return self._rows_at(trajectory, np.arange(len(trajectory)))

    def state(self) -> dict[str, Any]:
        """Return what is to be saved: the order of the rows decides how sums round."""
        return self._table.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Number rows as another batcher did."""
        self._table.load_state(state)
        self._numbers.clear()
        self._visits.clear()

    def _of_rows(
        self, preferences: Sequence[Preference], visits: list[Visits]
    ) -> PairBatch:
        """Return a batch in which each distinct row stands once."""
        numbers = np.concatenate([one.numbers for one in visits])
        used = np.flatnonzero(np.bincount(numbers))
        place = np.zeros(used[-1] + 1, dtype=np.int64)
        place[used] = np.arange(len(used))
        weights = [one.weights for one in visits]
        return _batch(self._table.rows()[used], place[numbers], weights, preferences)

    def _of_steps(
        self, preferences: Sequence[Preference], rng: np.random.Generator | None
    ) -> PairBatch:
        """Return a batch in which each step, or each of a sample, is a row."""
        rows, weights = [], []
        for preference in preferences:
            sides = (preference.first, preference.second)
            of_pair = []
            for side, weight in zip(sides, self._weights(preference), strict=True):
                chosen, share = _chosen(len(side), rng)
                rows.append(self._rows_at(side, chosen))
                of_pair.append(weight[chosen] / share)
            weights.append(np.concatenate(of_pair))
        stacked = np.concatenate(rows)
        return _batch(stacked, np.arange(len(stacked)), weights, preferences)

    def _visits_of(self, preference: Preference) -> Visits | None:
        """Return the visits of a pair; None once there are too many distinct rows."""
        known = self._visits.get(preference)
        if known is not None or self._table.overflowed:
            return known
        first = self._numbers_of(preference.first)
        second = self._numbers_of(preference.second)
        if first is None or second is None:
            return None
        numbers = np.concatenate([first, second])
        sums = np.bincount(numbers, np.concatenate(self._weights(preference)))
        visited = np.unique(numbers)
        visits = Visits(visited, sums[visited].astype(np.float32))
        self._visits[preference] = visits
        return visits

    def _numbers_of(self, trajectory: Trajectory) -> IntArray | None:
        numbers = self._numbers.get(trajectory)
        if numbers is None:
            numbers = self._table.numbers(self.encoded(trajectory))
            if numbers is not None:
                self._numbers[trajectory] = numbers
        return numbers

    def _rows_at(self, trajectory: Trajectory, steps: IntArray) -> FloatArray:
        return self.encoder.steps(
            trajectory.observations[steps],
            trajectory.actions[steps],
            trajectory.observations[steps + 1],
        )

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


def _batch(
    rows: FloatArray,
    row: IntArray,
    weights: Sequence[Array],
    preferences: Sequence[Preference],
) -> PairBatch:
    pair = np.repeat(np.arange(len(weights)), [len(one) for one in weights])
    labels = [preference.label for preference in preferences]
    return PairBatch(
        rows=torch.from_numpy(rows),
        row=torch.from_numpy(row),
        pair=torch.from_numpy(pair),
        weight=torch.from_numpy(np.concatenate(weights)),
        labels=torch.tensor(labels, dtype=torch.float32),
    )


def _chosen(n: int, rng: np.random.Generator | None) -> tuple[IntArray, FloatArray]:
    """Return the steps of n to look at, and how often each is drawn on average."""
    if rng is None or n <= MAX_STEPS:
        return np.arange(n), np.ones(n, dtype=np.float32)
    # The last one always, as its weight can be that of hundreds ("absorbing").
    earlier = rng.integers(n - 1, size=MAX_STEPS - 1)
    share = np.full(MAX_STEPS, (MAX_STEPS - 1) / (n - 1), dtype=np.float32)
    share[-1] = 1.0
    return np.append(earlier, n - 1), share
