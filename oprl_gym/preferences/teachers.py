"""Teachers that judge by a rule: the return, how much was seen, or one after another.

A teacher of your own subclasses :class:`ScoreTeacher` and returns numbers, or is any
object with the three methods of :class:`oprl_gym.types.Teacher`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np

from oprl_gym.config import OPRLConfig, check_choice
from oprl_gym.types import FloatArray, IntArray, Teacher, Ties, Trajectory

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

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) discounted returns."""
        returns = [self._return(trajectory) for trajectory in trajectories]
        return np.array(returns, dtype=np.float64).reshape(-1, 1)

    def _return(self, trajectory: Trajectory) -> float:
        if self.discount == 1.0:
            return trajectory.env_return
        weights = self.discount ** np.arange(len(trajectory))
        return float(weights @ trajectory.env_rewards)


class NoveltyTeacher(ScoreTeacher):
    """Prefers the episode that saw more, or rarer, observations.

    The rarity of an episode is the sum over its distinct observations of
    1 / sqrt(n), n being how often that observation was seen so far, this episode
    included; the square root is that of count-based exploration (Strehl & Littman
    2008; Bellemare et al. 2016, arXiv:1606.01868). Coverage is their number.

    Observations count as the same if they are equal to the last bit, which suits
    enumerable ones.

    Args:
        measure: "rarity" or "coverage".
        failures_only: Whether only episodes with the lowest env return seen so far are
            told apart; all better ones then score 0, so that nothing draws an agent
            that has found the reward away from it again.
        ties: See :class:`ScoreTeacher`.
    """

    def __init__(
        self,
        measure: Literal["rarity", "coverage"] = "rarity",
        failures_only: bool = False,
        ties: Ties = "skip",
    ) -> None:
        super().__init__(ties)
        check_choice("measure", measure, ("rarity", "coverage"))
        self.measure = measure
        self.failures_only = failures_only
        self._lowest_return = np.inf
        self._number: dict[bytes, int] = {}
        self._visits = np.zeros(64, dtype=np.int64)
        self._distinct: WeakKeyDictionary[Trajectory, IntArray] = WeakKeyDictionary()

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count the visits of new episodes."""
        for trajectory in trajectories:
            numbers = self._numbers(trajectory)
            if len(self._number) > len(self._visits):
                grown = np.zeros(2 * len(self._number), dtype=np.int64)
                grown[: len(self._visits)] = self._visits
                self._visits = grown
            distinct, times = np.unique(numbers, return_counts=True)
            self._visits[distinct] += times
            self._lowest_return = min(self._lowest_return, trajectory.env_return)
            self._distinct[trajectory] = distinct

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) rarities or coverages, by the counts so far."""
        values = [self._score(trajectory) for trajectory in trajectories]
        return np.array(values, dtype=np.float64).reshape(-1, 1)

    def _seen(self, trajectory: Trajectory) -> IntArray:
        if trajectory not in self._distinct:
            self.observe([trajectory])
        return self._distinct[trajectory]

    def _score(self, trajectory: Trajectory) -> float:
        distinct = self._seen(trajectory)
        if self.failures_only and trajectory.env_return > self._lowest_return:
            return 0.0
        if self.measure == "coverage":
            return float(len(distinct))
        return float((1.0 / np.sqrt(self._visits[distinct])).sum())

    def _numbers(self, trajectory: Trajectory) -> IntArray:
        number = self._number
        keys = (row.tobytes() for row in trajectory.observations)
        return np.array([number.setdefault(key, len(number)) for key in keys])


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

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return the columns of all teachers side by side."""
        return np.hstack([teacher.scores(trajectories) for teacher in self.teachers])


def make_teacher(config: OPRLConfig) -> Teacher:
    """Return the teacher that ``config.ties`` and ``return_discount`` describe."""
    discount = config.return_discount
    if config.ties == "novelty" or config.ties == "coverage":
        measure: Literal["rarity", "coverage"]
        measure = "rarity" if config.ties == "novelty" else "coverage"
        novelty = NoveltyTeacher(measure, failures_only=True)
        return LexicographicTeacher([ReturnTeacher(discount), novelty])
    return ReturnTeacher(discount, ties=config.ties)
