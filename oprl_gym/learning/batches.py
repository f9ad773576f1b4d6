"""Preferences as the flat tensors the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from oprl_gym.learning.sampling import sample_steps
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.losses import pair_logits
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
    visits: Tensor  # (B, U) float32
    labels: Tensor  # (B,) float32
    shares: Tensor  # (B,) float32, how much each counts; they add up to 1

    def logits(self, scores: Tensor) -> Tensor:
        """Return the (B,) logits of the pairs from the (U,) scores of the rows."""
        return pair_logits(scores, self.visits)

    def to(self, device: torch.device) -> PairBatch:
        """Return the batch on another device."""
        return PairBatch(*(tensor.to(device) for tensor in vars(self).values()))


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

    @property
    def rows_recur(self) -> bool:
        """Whether the rows are few so far, so that more pairs cost hardly more."""
        return not self._table.overflowed

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
        visits = self._visits_of(preferences)
        if visits is None:
            self._numbers.clear()
            self._visits.clear()
            return self._of_steps(preferences, rng, most).to(self._device)
        return self._of_rows(preferences, visits).to(self._device)

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
        self, preferences: Sequence[Preference], visits: Sequence[Visits]
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
        each, last = self._weights(preferences)
        is_last = sample.step[row] == lengths[of_side[side]] - 1
        weight = np.where(is_last, last[side], each[side]) * sample.stands_for[row]
        rows = self._rows_at(distinct, np.split(sample.step, sample.start[1:]))
        return _batch(rows, row, side // 2, weight.astype(np.float32), preferences)

    def _visits_of(self, preferences: Sequence[Preference]) -> list[Visits] | None:
        """Return the visits of each pair; None once there are too many rows."""
        known = [self._visits.get(preference) for preference in preferences]
        new = [p for p, one in zip(preferences, known, strict=True) if one is None]
        if new and not self._table.overflowed:
            self._count_visits(new)
        if self._table.overflowed:
            return None
        if new:
            return [self._visits[preference] for preference in preferences]
        return [one for one in known if one is not None]

    def _count_visits(self, new: Sequence[Preference]) -> None:
        """Count the visits of pairs, unless there come to be too many rows."""
        each, last = self._weights(new)
        for n, preference in enumerate(new):
            first = self._numbers_of(preference.first)
            second = self._numbers_of(preference.second)
            if first is None or second is None:
                return
            numbers = np.concatenate([first, second])
            lengths = [len(first), len(second)]
            weights = np.repeat(each[2 * n : 2 * n + 2], lengths)
            weights[np.cumsum(lengths) - 1] = last[2 * n : 2 * n + 2]
            sums = np.bincount(numbers, weights)
            visited = np.flatnonzero(np.bincount(numbers))
            self._visits[preference] = Visits(visited, sums[visited].astype(np.float32))

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
        led_to = self.encoder.reward_input == "next_obs"
        each = list(zip(trajectories, steps, strict=True))
        read = np.concatenate([one.observations[at + led_to] for one, at in each])
        if self.encoder.reward_input != "obs_action":
            return self.encoder.states(read)
        actions = np.concatenate([one.actions[at] for one, at in each])
        return self.encoder.steps(read, actions, read)

    def _weights(
        self, preferences: Sequence[Preference]
    ) -> tuple[FloatArray, FloatArray]:
        """Return what a step of the first or second adds to first minus second.

        Returns (2B,) of every step but the last, and (2B,) of the last; the first and
        the second of a pair stand next to each other.
        """
        sides = [side for one in preferences for side in (one.first, one.second)]
        steps = np.array([len(side) for side in sides])
        each = np.tile([1.0, -1.0], len(preferences))
        if self.aggregation == "mean":
            return each / steps, each / steps
        if self.aggregation == "sum":
            return each, each
        terminated = np.array([side.terminated for side in sides])
        longer = steps.reshape(-1, 2).max(axis=1).repeat(2)
        return each, each * np.where(terminated, 1 + longer - steps, 1)


def _batch(
    rows: FloatArray,
    row: IntArray,
    pair: IntArray,
    weight: FloatArray,
    preferences: Sequence[Preference],
) -> PairBatch:
    labels = np.array([p.label for p in preferences], dtype=np.float32)
    counts = np.array([p.weight for p in preferences], dtype=np.float32)
    places = pair * len(rows) + row
    size = len(preferences) * len(rows)
    visits = np.bincount(places, weight, size).astype(np.float32)
    return PairBatch(
        rows=torch.from_numpy(rows),
        visits=torch.from_numpy(visits.reshape(len(preferences), len(rows))),
        labels=torch.from_numpy(labels),
        shares=torch.from_numpy(counts / counts.sum()),
    )
