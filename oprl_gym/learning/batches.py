"""Answers about pairs as the tensors that the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from oprl_gym.learning.answers import Answers
from oprl_gym.learning.sampling import sample_steps
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.row_table import RowTable
from oprl_gym.types import Array, BoolArray, FloatArray, IntArray, Trajectory

REVISITS, OF_PICTURES = 256, 32
"""Rows of a batch that are also looked at as revisits, at most."""


@dataclass(frozen=True)
class PairBatch:
    """Answers about pairs of S trajectories, each a weighted sum over input rows.

    Attributes:
        rows: (V, d) float32; the first U are those the trajectories are at.
        visits: (S, U) float32, how often each trajectory is at each row.
        labels: (S, S) float32, P(the one of the row is preferred to the column's).
        shares: (S, S) float32, how much each answer counts; they add up to 1.
        revisits: (R,) int64, which rows are those of a look at what the trajectories
            are at, or at some of it, as if none were a first visit.
        columns: (c,) int64, the columns of the rows that are not 0 in all of them; None
            for all.
        complete: Whether these are all answers there are, about whole trajectories. Of
            some that were drawn a model may know enough by chance.
    """

    rows: Tensor
    visits: Tensor
    labels: Tensor
    shares: Tensor
    revisits: Tensor | None = None
    columns: Tensor | None = None
    complete: bool = False

    def sums(self, scores: Tensor) -> Tensor:
        """Return the (S,) scores of the trajectories, from the (V,) of the rows."""
        return self.visits @ self.seen(scores)

    def seen(self, scores: Tensor) -> Tensor:
        """Return of (V, ...) those of the U rows that the trajectories are at."""
        return scores[: self.visits.shape[1]]

    def to(self, device: torch.device) -> PairBatch:
        """Return the batch on another device."""
        tensors: dict[str, Any] = {
            name: one.to(device)
            for name, one in vars(self).items()
            if isinstance(one, Tensor)
        }
        return replace(self, **tensors)


class PairBatcher:
    """Builds batches of pairs for the loss.

    As long as the env shows few distinct rows (see :class:`RowTable`), a trajectory is
    known by the numbers of its rows, and a batch holds each row once. Beyond that
    nothing is kept, and a batch holds a row for each step it looks at.

    Args:
        encoder: Turns steps into rows.
        device: Of the batches.
    """

    def __init__(
        self, encoder: StepEncoder, device: torch.device | None = None
    ) -> None:
        self.encoder = encoder
        self._device = torch.device("cpu") if device is None else device
        self._table = RowTable()
        # (T,) row numbers of each trajectory
        self._numbers: WeakKeyDictionary[Trajectory, IntArray] = WeakKeyDictionary()

    def rows_recur(self, trajectories: Sequence[Trajectory]) -> bool:
        """Whether the rows are few so far, those of ``trajectories`` included."""
        for trajectory in trajectories:
            if self._numbers_of(trajectory) is None:
                self._numbers.clear()
                return False
        return True

    def batch(
        self,
        answers: Answers,
        rng: np.random.Generator | None = None,
        most: int | None = None,
    ) -> PairBatch:
        """Return the batch of these answers; at least one is needed.

        Args:
            answers: About pairs of S trajectories.
            rng: If given, and rows do not recur, a longer trajectory is represented by
                a sample of its steps: an unbiased estimate of its score, at a bounded
                cost; see :func:`sample_steps`. Of many rows some are drawn that are
                also looked at as revisits.
            most: Steps in that sample; None takes all.
        """
        rows, visits = self.looked_at(answers.trajectories, rng, most)
        rows, revisits = self._with_revisits(rows, rng)
        shares = answers.weights / answers.weights.sum()
        columns = self._columns(rows)
        return PairBatch(
            rows=torch.from_numpy(rows),
            visits=torch.from_numpy(visits),
            labels=torch.from_numpy(answers.labels.astype(np.float32)),
            shares=torch.from_numpy(shares.astype(np.float32)),
            revisits=None if revisits is None else torch.from_numpy(revisits),
            columns=None if columns is None else torch.from_numpy(columns),
        ).to(self._device)

    def looked_at(
        self,
        trajectories: Sequence[Trajectory],
        rng: np.random.Generator | None = None,
        most: int | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return (U, d) rows, and (S, U) how often S trajectories are at each.

        Args:
            trajectories: S of them.
            rng: As of :meth:`batch`.
            most: As of :meth:`batch`.
        """
        if self.rows_recur(trajectories):
            return self._distinct_rows(trajectories)
        return self._sampled_rows(trajectories, rng, most)

    def _with_revisits(
        self, rows: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, IntArray | None]:
        """Return the rows, and behind them those that some would be as revisits.

        Args:
            rows: (U, d)
            rng: Draws the rows that are looked at; None looks at all.

        Returns (V, d) rows, and the (R,) numbers of the revisits among them; None where
        rows do not say whether they are.
        """
        places = np.arange(len(rows))
        most = REVISITS if self.encoder.image is None else OF_PICTURES
        if rng is not None and len(rows) > most:
            places = rng.choice(len(rows), size=most, replace=False)
        revisits = self.encoder.as_revisits(rows[places])
        if revisits is None:
            return rows, None
        further = (revisits != rows[places]).any(axis=1)
        places[further] = len(rows) + np.arange(np.count_nonzero(further))
        return np.concatenate([rows, revisits[further]]), places

    def _columns(self, rows: FloatArray) -> IntArray | None:
        """Return the columns of (V, d) rows that are not 0 in all; None for all d.

        What is told one-hot is 0 nearly everywhere, and much of it in every row: most
        of the cost of a long row. A 0 that is normalised, or in a picture, is none.
        """
        if self.encoder.image is not None or self.encoder.varied.any():
            return None
        used = np.flatnonzero(rows.any(axis=0))
        return used if 2 * len(used) < rows.shape[1] else None

    def encoded(self, trajectory: Trajectory) -> FloatArray:
        """Return the (T, d) rows of a trajectory's steps."""
        return self.encoder.rows(*self._read(trajectory, np.arange(len(trajectory))))

    def _read(
        self, trajectory: Trajectory, steps: IntArray
    ) -> tuple[Array, BoolArray, Array]:
        """Return what the encoder reads of n steps of a trajectory."""
        at = steps + self.encoder.reads_next
        return (
            trajectory.observations[at],
            trajectory.first_visits[at],
            trajectory.actions[steps],
        )

    def state(self) -> dict[str, Any]:
        """Return what is to be saved: the order of the rows decides how sums round."""
        return self._table.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Number rows as another batcher did."""
        self._table.load_state(state)
        self._numbers.clear()

    def _distinct_rows(
        self, trajectories: Sequence[Trajectory]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the rows there are, and how often each trajectory is at each."""
        known = self._table.rows()
        visits = np.zeros((len(trajectories), len(known)), dtype=np.float32)
        for row, trajectory in zip(visits, trajectories, strict=True):
            row[:] = np.bincount(self._numbers[trajectory], minlength=len(known))
        used = visits.any(axis=0)
        return known[used], visits[:, used]

    def _sampled_rows(
        self,
        trajectories: Sequence[Trajectory],
        rng: np.random.Generator | None,
        most: int | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return a row for each step, or each of a sample, and what it stands for."""
        lengths = np.array([len(trajectory) for trajectory in trajectories])
        sample = sample_steps(lengths, most or int(lengths.max()), rng)
        steps = np.split(sample.step, sample.start[1:])
        read = [
            self._read(trajectory, of_it)
            for trajectory, of_it in zip(trajectories, steps, strict=True)
        ]
        rows = self.encoder.rows(*map(np.concatenate, zip(*read, strict=True)))
        visits = np.zeros((len(trajectories), len(sample.step)), dtype=np.float32)
        visits[sample.episode, np.arange(len(sample.step))] = sample.stands_for
        return rows, visits

    def _numbers_of(self, trajectory: Trajectory) -> IntArray | None:
        if self._table.overflowed:
            return None
        numbers = self._numbers.get(trajectory)
        if numbers is None:
            numbers = self._table.numbers(self.encoded(trajectory))
            if numbers is not None:
                self._numbers[trajectory] = numbers
        return numbers
