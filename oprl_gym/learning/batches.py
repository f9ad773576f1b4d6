"""Preferences as the flat tensors the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from oprl_gym.learning.sampling import sample_steps
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.rows import RowTable
from oprl_gym.types import (
    Aggregation,
    FloatArray,
    IntArray,
    Preference,
    Trajectory,
)

MAX_STEPS = 8
"""Steps of one episode in a minibatch, where each is an input row of its own."""


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


@dataclass(frozen=True)
class Visits:
    """How much each distinct row of a pair adds to first minus second."""

    numbers: IntArray  # (L,) of rows in a RowTable
    weights: FloatArray  # (L,) float32


class StepWeights(NamedTuple):
    """How much the steps of one side of a pair add to first minus second."""

    each: float  # every step but the last
    last: float

    def spread(self, steps: int) -> FloatArray:
        """Return the (T,) float32 weights of so many steps."""
        weights = np.full(steps, self.each, dtype=np.float32)
        weights[-1] = self.last
        return weights


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
        self,
        preferences: Sequence[Preference],
        rng: np.random.Generator | None = None,
        most: int = MAX_STEPS,
    ) -> PairBatch:
        """Return the batch of these preferences; at least one is needed.

        Args:
            preferences: B of them.
            rng: If given, and rows do not recur, a longer episode is represented by a
                sample of its steps: an unbiased estimate of its score, at a bounded
                cost; see :func:`sample_steps`.
            most: Steps in that sample.
        """
        visits = [self._visits_of(preference) for preference in preferences]
        if self._table.overflowed:
            self._numbers.clear()
            self._visits.clear()
            return self._of_steps(preferences, rng, most).to(self._device)
        known = [one for one in visits if one is not None]
        return self._of_rows(preferences, known).to(self._device)

    def encoded(self, trajectory: Trajectory) -> FloatArray:
        """Return the (T, d) rows of a trajectory's steps."""
        return self._rows_at([trajectory], [np.arange(len(trajectory))])

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
        pair = np.repeat(np.arange(len(visits)), [len(one.numbers) for one in visits])
        weight = np.concatenate([one.weights for one in visits])
        rows = self._table.rows()[used]
        return _batch(rows, place[numbers], pair, weight, preferences)

    def _of_steps(
        self,
        preferences: Sequence[Preference],
        rng: np.random.Generator | None,
        most: int,
    ) -> PairBatch:
        """Return a batch in which each step, or each of a sample, is a row."""
        sides = [side for one in preferences for side in (one.first, one.second)]
        distinct = list({id(side): side for side in sides}.values())
        lengths = np.array([len(trajectory) for trajectory in distinct])
        sample = sample_steps(lengths, most, rng)
        place = {id(trajectory): number for number, trajectory in enumerate(distinct)}
        of_side = np.array([place[id(side)] for side in sides])
        side, row = sample.rows_of(of_side)
        each, last = np.array([w for one in preferences for w in self._weights(one)]).T
        is_last = sample.step[row] == lengths[of_side[side]] - 1
        weight = np.where(is_last, last[side], each[side]) * sample.stands_for[row]
        rows = self._rows_at(distinct, np.split(sample.step, sample.start[1:]))
        return _batch(rows, row, side // 2, weight.astype(np.float32), preferences)

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
        of_first, of_second = self._weights(preference)
        weights = [of_first.spread(len(first)), of_second.spread(len(second))]
        sums = np.bincount(numbers, np.concatenate(weights))
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

    def _rows_at(
        self, trajectories: Sequence[Trajectory], steps: Sequence[IntArray]
    ) -> FloatArray:
        """Return the rows of some steps of each trajectory, one after another."""
        each = list(zip(trajectories, steps, strict=True))
        return self.encoder.steps(
            np.concatenate([one.observations[at] for one, at in each]),
            np.concatenate([one.actions[at] for one, at in each]),
            np.concatenate([one.observations[at + 1] for one, at in each]),
        )

    def _weights(self, preference: Preference) -> tuple[StepWeights, StepWeights]:
        """Return what the steps of the first and of the second count for."""
        longer = max(len(preference.first), len(preference.second))
        each, last = self._side_weights(preference.second, longer)
        first = self._side_weights(preference.first, longer)
        return first, StepWeights(-each, -last)

    def _side_weights(self, trajectory: Trajectory, longer: int) -> StepWeights:
        steps = len(trajectory)
        if self.aggregation == "mean":
            return StepWeights(1.0 / steps, 1.0 / steps)
        if self.aggregation == "absorbing" and trajectory.terminated:
            return StepWeights(1.0, 1.0 + longer - steps)
        return StepWeights(1.0, 1.0)


def _batch(
    rows: FloatArray,
    row: IntArray,
    pair: IntArray,
    weight: FloatArray,
    preferences: Sequence[Preference],
) -> PairBatch:
    labels = [preference.label for preference in preferences]
    return PairBatch(
        rows=torch.from_numpy(rows),
        row=torch.from_numpy(row),
        pair=torch.from_numpy(pair),
        weight=torch.from_numpy(weight),
        labels=torch.tensor(labels, dtype=torch.float32),
    )
