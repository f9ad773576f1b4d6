"""Nothing is held better than what was judged, once nobody judges any more.

A reward model that is fitted to a fixed set of answers is right about episodes like
those that were judged. An agent that goes on learning from it finds the others: what it
overrates (Gao, Schulman and Hilton 2022, arXiv:2210.10760).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from oprl_gym.learning.answers import Answers
from oprl_gym.types import FloatArray, Preference, Trajectory

WORSE, WEIGHT = 0.4, 3.0
"""What is said of an episode that is held too good, and how much it counts beside an
answer (measured: called equal, or counted once, agents were slower to come back)."""

ROUNDS = 100
"""Of finding strengths; from the first dozens on their order stays."""


def restraints(
    answers: Answers,
    unjudged: Sequence[Trajectory],
    sums: Callable[[Sequence[Trajectory]], FloatArray],
) -> list[Preference]:
    """Call what is held better than the best that was judged a little worse than that.

    Args:
        answers: All there are; at least one.
        unjudged: Episodes, or pieces as long as those that were judged.
        sums: Returns the (M,) process returns of M of them.

    Returns answers about those that have a higher process return than the best.
    """
    best = strongest(answers)
    limit, *others = sums([best, *unjudged])
    return [
        Preference(one, best, WORSE, WEIGHT)
        for one, of_it in zip(unjudged, others, strict=True)
        if of_it > limit and one is not best
    ]


def strongest(answers: Answers) -> Trajectory:
    """Return the trajectory that the answers, taken together, hold best.

    By their strengths in the model of Bradley and Terry (1952), as if each had also
    been found equal to one of strength 1, and not by how often each was preferred: an
    early favourite wins often before it loses. Found by the rounds of Hunter (2004),
    "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32.

    Args:
        answers: At least one.

    Example:
        >>> from oprl_gym.learning.answers import Answers
        >>> second_wins, said = np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]])
        >>> strongest(Answers(["first", "second"], second_wins, said))
        'second'
    """
    won = answers.weights * answers.labels
    won += (answers.weights - won).T
    met = answers.weights + answers.weights.T
    strengths = np.ones(len(met))
    for _ in range(ROUNDS):
        played = (met / (strengths[:, None] + strengths)).sum(axis=1)
        strengths = (won.sum(axis=1) + 0.5) / (played + 1.0 / (strengths + 1.0))
    return answers.trajectories[int(strengths.argmax())]
