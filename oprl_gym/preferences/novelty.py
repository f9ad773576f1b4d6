"""A teacher that prefers what was seldom seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from oprl_gym.config import check_choice
from oprl_gym.files.fields import check_values
from oprl_gym.preferences.cells import (
    ExactCells,
    GridCells,
    VisitCounter,
    examples_of,
)
from oprl_gym.preferences.teachers import ScoreTeacher
from oprl_gym.types import Array, FloatArray, IntArray, Ties, Trajectory

MAX_EXACT = 4096
"""Distinct observations from which on it is asked whether they recur at all."""


class NoveltyTeacher(ScoreTeacher):
    """Prefers the episode that saw more, or rarer, observations.

    The rarity of an episode is the sum over its distinct observations of
    1 / sqrt(n), n being how many episodes have seen that observation so far, this one
    included: novelty within the episode times novelty in all, which does well where
    either alone does not (Henaff et al. 2023, arXiv:2306.03236). The square root is
    that of count-based exploration (Strehl & Littman 2008; Bellemare et al. 2016,
    arXiv:1606.01868). Coverage is the number of distinct observations.

    Observations count as the same if they are equal to the last bit. Where that hardly
    ever happens (more than 4096 different ones, seen in less than two episodes on
    average), as with real values, those in the same cell of a grid do:
    :class:`GridCells`.

    Args:
        measure: "rarity" or "coverage".
        ties: See :class:`ScoreTeacher`.
    """

    def __init__(
        self,
        measure: Literal["rarity", "coverage"] = "rarity",
        ties: Ties = "skip",
    ) -> None:
        super().__init__(ties)
        check_choice("measure", measure, ("rarity", "coverage"))
        self.measure = measure
        self._counter = VisitCounter(ExactCells())
        self._distinct: WeakKeyDictionary[Trajectory, IntArray] = WeakKeyDictionary()

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count the visits of new episodes."""
        for trajectory in trajectories:
            self._distinct[trajectory] = self._counter.add(trajectory.observations)
        exact = isinstance(self._counter.cells, ExactCells)
        if exact and self._counter.hardly_recur(MAX_EXACT):
            self._count_in_cells()

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) rarities or coverages, by the counts so far."""
        if not trajectories:
            return np.zeros((0, 1))
        unknown = [one for one in trajectories if one not in self._distinct]
        if unknown:
            self.observe(list(dict.fromkeys(unknown)))
        distinct = [self._distinct[trajectory] for trajectory in trajectories]
        sizes = np.array([len(cells) for cells in distinct])
        if self.measure == "coverage":
            values = sizes.astype(np.float64)
        else:
            rarities = 1.0 / np.sqrt(self._counter.visits(np.concatenate(distinct)))
            values = np.add.reduceat(rarities, np.cumsum(sizes) - sizes)
        return values.reshape(-1, 1)

    def state(self) -> dict[str, Any]:
        """Return the counts so far."""
        return {"visits": self._counter.state()}

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on with other counts, in which ``trajectories`` are counted already.

        Raises:
            ValueError: It is no such state.
        """
        check_values(state, {"visits": dict}, "teacher.")
        self._counter = VisitCounter.from_state(state["visits"])
        self._distinct.clear()
        for trajectory in trajectories:
            self._distinct[trajectory] = self._find(trajectory.observations)

    def _find(self, observations: Array) -> IntArray:
        """Return the cells of a counted episode; counts it if it is not known.

        An env that gives fractions in a space of integers makes floats of those before.
        """
        try:
            return self._counter.find(observations)
        except KeyError:
            return self._counter.add(observations)

    def _count_in_cells(self) -> None:
        """From now on count cells of a grid, and those of the episodes still there."""
        alive = list(self._distinct)
        examples = examples_of([one.observations for one in alive])
        # The mixtures need no other seed from run to run: they are as good as any.
        cells = GridCells.of(examples, np.random.default_rng(0))
        self._counter = VisitCounter(cells)
        for trajectory in alive:
            self._distinct[trajectory] = self._counter.add(trajectory.observations)
