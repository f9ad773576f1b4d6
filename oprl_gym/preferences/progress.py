"""A teacher that knows the way: an oracle, for tests and as an upper bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from oprl_gym.preferences.teachers import ScoreTeacher
from oprl_gym.types import FloatArray, Ties, Trajectory


class ProgressTeacher(ScoreTeacher):
    """Prefers the trajectory that came nearer to the goal; of two equal, the sooner.

    It looks at what no agent may know, and so stands for a person who sees the maze.
    Observations must be one-hot over the cells.

    Args:
        distance: Moves from each cell to the goal, row by row, as
            ``oprl_gym.envs.oracle.distance_to_goal`` returns them.
        ties: See :class:`ScoreTeacher`.

    Raises:
        ValueError: When judging: observations are not one-hot over as many cells.

    Example:
        >>> from oprl_gym.envs import make_layout
        >>> from oprl_gym.envs.oracle import distance_to_goal
        >>> from oprl_gym.preferences import ProgressTeacher
        >>> teacher = ProgressTeacher(distance_to_goal(make_layout("TwoWalls")))
    """

    def __init__(self, distance: ArrayLike, ties: Ties = "skip") -> None:
        super().__init__(ties)
        self._distance = np.asarray(distance, dtype=np.float64).ravel()

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 2): minus the least distance, minus the steps it took."""
        rows = [self._score(trajectory) for trajectory in trajectories]
        return np.array(rows, dtype=np.float64).reshape(-1, 2)

    def _score(self, trajectory: Trajectory) -> tuple[float, float]:
        one_hot = trajectory.observations
        if one_hot.shape[1:] != self._distance.shape:
            raise ValueError(
                f"ProgressTeacher knows {len(self._distance)} cells, but observations "
                f"have shape {one_hot.shape[1:]}; give it the distances of this maze"
            )
        moves = self._distance[one_hot.argmax(axis=1)]
        return -float(moves.min()), -float(moves.argmin())
