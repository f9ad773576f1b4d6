"""Preferences as the flat tensors the loss reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from oprl_gym.learning.answers import Answers
from oprl_gym.learning.sampling import sample_steps
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.losses import pair_logits
from oprl_gym.rewards.row_table import RowTable
from oprl_gym.types import FloatArray, IntArray, Trajectory


@dataclass(frozen=True)
class PairBatch:
    """B pairs of S trajectories, each a weighted sum over input rows."""

    rows: Tensor  # (U, d) float32
    visits: Tensor  # (S, U) float32, how often each trajectory is at each row
    pairs: Tensor  # (B, 2) int64
    labels: Tensor  # (B,) float32
    shares: Tensor  # (B,) float32, how much each counts; they add up to 1
    revisits: Tensor | None = None  # (U, d) the rows as if none were a first visit

    def logits(self, scores: Tensor) -> Tensor:
        """Return the (B,) logits of the pairs from the (U,) scores of the rows."""
        return pair_logits(scores, self.visits, self.pairs)

    def to(self, device: torch.device) -> PairBatch:
        """Return the batch on another device."""
        tensors = {name: one for name, one in vars(self).items() if one is not None}
        return PairBatch(**{name: one.to(device) for name, one in tensors.items()})


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
            answers: B of them.
            rng: If given, and rows do not recur, a longer trajectory is represented by
                a sample of its steps: an unbiased estimate of its score, at a bounded
                cost; see :func:`sample_steps`.
            most: Steps in that sample.
        """
        recur = self.rows_recur(answers.trajectories)
        rows, visits = (
            self._distinct_rows(answers.trajectories)
            if recur
            else self._sampled_rows(answers.trajectories, rng, most)
        )
        shares = answers.weights / answers.weights.sum()
        revisits = self.encoder.as_revisits(rows)
        return PairBatch(
            rows=torch.from_numpy(rows),
            visits=torch.from_numpy(visits),
            pairs=torch.from_numpy(answers.pairs),
            labels=torch.from_numpy(answers.labels.astype(np.float32)),
            shares=torch.from_numpy(shares.astype(np.float32)),
            revisits=None if revisits is None else torch.from_numpy(revisits),
        ).to(self._device)

    def encoded(
        self, trajectory: Trajectory, steps: IntArray | slice = slice(None)
    ) -> FloatArray:
        """Return the rows of a trajectory's steps, or of some of them, (n, d)."""
        read = np.arange(len(trajectory))[steps]
        at = read + self.encoder.reads_next
        return self.encoder.rows(
            trajectory.observations[at],
            trajectory.first_visits[at],
            trajectory.actions[read],
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
        rows = [
            self.encoded(trajectory, of_it)
            for trajectory, of_it in zip(trajectories, steps, strict=True)
        ]
        visits = np.zeros((len(trajectories), len(sample.step)), dtype=np.float32)
        visits[sample.episode, np.arange(len(sample.step))] = sample.stands_for
        return np.concatenate(rows), visits

    def _numbers_of(self, trajectory: Trajectory) -> IntArray | None:
        if self._table.overflowed:
            return None
        numbers = self._numbers.get(trajectory)
        if numbers is None:
            numbers = self._table.numbers(self.encoded(trajectory))
            if numbers is not None:
                self._numbers[trajectory] = numbers
        return numbers
