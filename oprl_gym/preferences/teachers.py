"""Teachers that judge by a rule: the return, how much was seen, or one after another.

A teacher of your own subclasses :class:`ScoreTeacher` and returns numbers, or is any
object with the three methods of :class:`oprl_gym.types.Teacher`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from oprl_gym.config import check_choice
from oprl_gym.types import FloatArray, Ties, Trajectory

_TIE_LABEL: dict[Ties, float | None] = {"skip": None, "half": 0.5, "second": 0.0}


class ScoreTeacher(ABC):
    """Prefers the trajectory with the higher score.

    Args:
        ties: What to answer when all scores are equal: "skip" gives no answer, "half"
            the answer "equal", "second" calls the second one better. The last is the
            tutorial's rule; with a sparse reward it fills the preferences with noise.
    """

    def __init__(self, ties: Ties = "skip") -> None:
        check_choice("ties", ties, get_args(Ties))
        self.ties = ties

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Take note of newly finished episodes; most teachers need not."""
        return

    def state(self) -> dict[str, Any]:
        """Return what has to be saved to go on judging alike; most have nothing."""
        return {}

    def load_state(  # noqa: B027 (most teachers have nothing to load)
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on from a saved state.

        Args:
            state: What :meth:`state` returned, perhaps in another process.
            trajectories: All that were observed before and are still known.
        """

    @abstractmethod
    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, C) scores of M trajectories; earlier columns decide first."""

    def decided_by(self, trajectories: Sequence[Trajectory]) -> FloatArray | None:
        """Return the scores if equal ones get no answer, else None."""
        return self.scores(trajectories) if self.ties == "skip" else None

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return 1.0, 0.0, or what ``ties`` says."""
        better, worse = self.scores([first, second])
        for a, b in zip(better, worse, strict=True):
            if a != b:
                return 1.0 if a > b else 0.0
        return _TIE_LABEL[self.ties]


class ReturnTeacher(ScoreTeacher):
    """Prefers the higher return of the env's own reward.

    Args:
        discount: Discount per step; below 1 a reward reached sooner counts more.
        ties: See :class:`ScoreTeacher`.

    Example:
        >>> from oprl_gym.preferences import ReturnTeacher
        >>> ReturnTeacher(ties="half").ties
        'half'
    """

    def __init__(self, discount: float = 1.0, ties: Ties = "skip") -> None:
        super().__init__(ties)
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount must be in (0, 1], got {discount!r}")
        self.discount = discount
        self._discounts: FloatArray = np.zeros(0)  # of each step

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) discounted returns."""
        returns = [self._return(trajectory) for trajectory in trajectories]
        return np.array(returns, dtype=np.float64).reshape(-1, 1)

    def _return(self, trajectory: Trajectory) -> float:
        steps = len(trajectory)
        if steps > len(self._discounts):
            self._discounts = self.discount ** np.arange(2 * steps)
        return float(self._discounts[:steps] @ trajectory.env_rewards)


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
        """Hand each teacher inside its state."""
        for teacher, own in zip(self.teachers, state["teachers"], strict=True):
            teacher.load_state(own, trajectories)

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return the columns of all teachers side by side."""
        return np.hstack([teacher.scores(trajectories) for teacher in self.teachers])
