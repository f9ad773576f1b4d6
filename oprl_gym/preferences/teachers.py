"""Teachers that judge by a rule: the return, how much was seen, or one after another.

A teacher of your own subclasses :class:`ScoreTeacher` and returns numbers, or
:class:`~oprl_gym.preferences.Teacher` and says which of two is better.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from oprl_gym.config import check_choice
from oprl_gym.files.fields import check_values
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.types import FloatArray, Ties, Trajectory

_TIE_LABEL: dict[Ties, float | None] = {"skip": None, "half": 0.5, "second": 0.0}


class ScoreTeacher(Teacher):
    """Prefers the trajectory with the higher score.

    Args:
        ties: What to answer when all scores are equal: "skip" gives no answer, "half"
            the answer "equal", "second" calls the second one better. The last is the
            tutorial's rule; with a sparse reward it fills the preferences with noise.
    """

    def __init__(self, ties: Ties = "skip") -> None:
        check_choice("ties", ties, get_args(Ties))
        self.ties = ties

    @abstractmethod
    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, C) finite scores of M trajectories; earlier columns decide."""

    def labels(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, M): 1.0 or 0.0, by what ``ties`` says where scores are equal."""
        if not trajectories:
            return np.zeros((0, 0))
        scores = self._checked(self.scores(trajectories), len(trajectories))
        # Rows come out in rising order, earlier columns first.
        _, rank = np.unique(scores, axis=0, return_inverse=True)
        rank = rank.reshape(-1)  # NumPy 2.0 alone gives it a second axis
        order = np.sign(rank[:, None] - rank[None, :])
        tie = _TIE_LABEL[self.ties]
        tie = np.nan if tie is None else tie
        return np.where(order == 0, tie, (1.0 + order) / 2.0)

    def _checked(self, scores: FloatArray, n: int) -> FloatArray:
        shape = np.shape(scores)
        fits = len(shape) == 2 and shape[0] == n
        if fits and np.isfinite(scores).all():
            return scores
        given = "NaN or infinite numbers" if fits else f"an array of shape {shape}"
        raise ValueError(
            f"{type(self).__name__}.scores() gave {given} for {n} episodes: return "
            f"({n}, C) finite numbers, a row for each episode"
        )

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return the label of one pair, None for "no answer"."""
        label = float(self.labels([first, second])[0, 1])
        return None if np.isnan(label) else label


class ReturnTeacher(ScoreTeacher):
    """Prefers the higher return of the env's own reward.

    Args:
        ties: See :class:`ScoreTeacher`.

    Example:
        >>> from oprl_gym.preferences import ReturnTeacher
        >>> ReturnTeacher(ties="half").ties
        'half'
    """

    judges_return = True

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) returns, undiscounted."""
        returns = [trajectory.env_return for trajectory in trajectories]
        return np.array(returns, dtype=np.float64).reshape(-1, 1)


class LexicographicTeacher(ScoreTeacher):
    """Asks several teachers in turn; the first that sees a difference decides.

    Args:
        teachers: At least one, the most important first.
        ties: See :class:`ScoreTeacher`; for when none sees a difference. The ``ties``
            of the teachers inside are not asked.

    Example:
        >>> from oprl_gym.preferences import *
        >>> teacher = LexicographicTeacher([ReturnTeacher(), NoveltyTeacher()])
    """

    def __init__(self, teachers: Sequence[ScoreTeacher], ties: Ties = "skip") -> None:
        super().__init__(ties)
        if not teachers:
            raise ValueError("LexicographicTeacher needs at least one teacher")
        self.teachers = tuple(teachers)
        self.judges_return = any(one.judges_return for one in teachers)

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Pass new episodes on to every teacher inside."""
        for teacher in self.teachers:
            teacher.observe(trajectories)

    def state(self) -> dict[str, Any]:
        """Return the states of all teachers inside."""
        return {"teachers": [teacher.state() for teacher in self.teachers]}

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Hand each teacher inside its state.

        Raises:
            ValueError: It is that of other teachers.
        """
        check_values(state, {"teachers": list}, "teacher.")
        for teacher, own in zip(self.teachers, state["teachers"], strict=True):
            teacher.load_state(own, trajectories)

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return the columns of all teachers side by side."""
        return np.hstack([teacher.scores(trajectories) for teacher in self.teachers])
