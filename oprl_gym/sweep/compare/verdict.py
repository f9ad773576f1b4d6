"""The rule by which an arm helps, or does not: steps of two arms in, an answer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from oprl_gym.runs.measures import Estimate, improvement, luck, ratio
from oprl_gym.types import FloatArray

Answer = Literal["helps", "does not help", "hurts", "cannot tell yet"]

FEWER = 0.8
"""Share of plain's env steps from which on it is worth having: a fifth is saved."""

BY_LUCK = 0.05
"""How often luck alone may come to the same, for it to be believed."""

FEWEST_SEEDS = 3
"""Fewer can never tell: luck comes to the same more often than that."""

MOST_SEEDS = 30
"""Beyond these no forecast is worth anything."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said of an arm beside another.

    Attributes:
        answer: In words.
        ratio: Its env steps as a multiple of the other's, and a 90 % interval.
        better: Share of all pairs of seeds in which it needed fewer; a draw is half.
        more_seeds: How many more of each would tell, should they come out like these;
            0 if it is told, None if no number of them would.
    """

    answer: Answer
    ratio: Estimate
    better: float
    more_seeds: int | None


def verdict(ours: FloatArray, theirs: FloatArray) -> Verdict:
    """Return what the env steps of two arms say of the first.

    It helps if it saves a fifth of the steps, and luck alone would come to the same in
    no more than 5 of 100 cases; it hurts if the other does. It does not help where
    saving a fifth is out of the question: where the interval does not reach so far.

    Args:
        ours: (S,) env steps, above 0.
        theirs: (S',) env steps, above 0.

    Example:
        >>> import numpy as np
        >>> told = verdict(np.array([10.0, 11.0, 12.0]), np.array([20.0, 21.0, 25.0]))
        >>> told.answer, told.better, round(told.ratio.value, 2)
        ('helps', 1.0, 0.5)
    """
    answer = _answer(ours, theirs)
    more = _more_seeds(ours, theirs) if answer == "cannot tell yet" else 0
    return Verdict(answer, ratio(ours, theirs), float(improvement(ours, theirs)), more)


def _answer(ours: FloatArray, theirs: FloatArray) -> Answer:
    if min(len(ours), len(theirs)) < FEWEST_SEEDS:
        return "cannot tell yet"
    found = ratio(ours, theirs)
    if found.value <= FEWER and luck(ours, theirs) <= BY_LUCK:
        return "helps"
    if found.value >= 1 / FEWER and luck(theirs, ours) <= BY_LUCK:
        return "hurts"
    return "does not help" if found.low > FEWER else "cannot tell yet"


def _more_seeds(ours: FloatArray, theirs: FloatArray) -> int | None:
    """Return how many more seeds would tell if they came out like those so far."""
    seeds = min(len(ours), len(theirs))
    if seeds < FEWEST_SEEDS:
        return FEWEST_SEEDS - seeds
    for more in range(1, MOST_SEEDS - seeds + 1):
        count = seeds + more
        like_these = np.resize(ours, count), np.resize(theirs, count)
        if _answer(*like_these) != "cannot tell yet":
            return more
    return None
