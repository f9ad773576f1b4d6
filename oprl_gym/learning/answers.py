"""What a teacher said about pairs of trajectories, and some of it at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from oprl_gym.types import FloatArray, IntArray, Preference, Trajectory


@dataclass(frozen=True)
class Answers:
    """Answers about pairs out of S trajectories: the one of a row, that of a column.

    Attributes:
        trajectories: S of them.
        labels: (S, S) probability that the one of the row is the better one; 0.5 where
            there is no answer.
        weights: (S, S) how much each answer counts beside others; 0 where there is
            none. What was said of a pair stands on one side of the diagonal.
    """

    trajectories: Sequence[Trajectory]
    labels: FloatArray
    weights: FloatArray

    def __len__(self) -> int:
        """Return the number of pairs that there is an answer about."""
        return self._pairs.shape[1]

    @cached_property
    def _pairs(self) -> IntArray:
        """The (2, B) numbers of the pairs with an answer: rows and columns."""
        return np.array(np.nonzero(self.weights))

    def between(self, which: IntArray) -> Answers:
        """Return the answers about pairs of some trajectories, by their numbers."""
        return Answers(
            [self.trajectories[number] for number in which],
            self.labels[np.ix_(which, which)],
            self.weights[np.ix_(which, which)],
        )

    def about_last(self, n: int) -> Answers:
        """Return the answers about one of the last ``n`` trajectories, or two."""
        earlier = max(0, len(self.trajectories) - n)
        weights = self.weights.copy()
        weights[:earlier, :earlier] = 0.0
        return replace(self, weights=weights)

    def draw(self, n: int, rng: np.random.Generator) -> Answers:
        """Return ``n`` answers, drawn independently; all, if there are no more."""
        if n >= len(self):
            return self
        drawn = rng.integers(len(self), size=n)
        which, places = np.unique(self._pairs[:, drawn], return_inverse=True)
        some = self.between(which)
        times = np.zeros_like(some.weights)
        np.add.at(times, tuple(places.reshape(2, -1)), 1.0)
        return replace(some, weights=some.weights * times)

    def among(self, n: int, rng: np.random.Generator) -> Answers:
        """Return all answers about pairs of ``n`` trajectories drawn without return.

        Where hardly a pair has an answer there may be none between those: then ``n`` /
        2 answers are drawn instead.
        """
        if n >= len(self.trajectories):
            return self
        drawn = np.sort(rng.choice(len(self.trajectories), size=n, replace=False))
        some = self.between(drawn)
        return some if some.weights.any() else self.draw(n // 2, rng)


def between_all(trajectories: Sequence[Trajectory], labels: FloatArray) -> Answers:
    """Return the answers about all pairs of S trajectories, each pair once.

    Args:
        trajectories: S of them.
        labels: (S, S) probabilities that the one of the row is preferred to that of the
            column; NaN where there is no answer.
    """
    known = ~np.isnan(labels)
    weights = np.triu(known.astype(np.float64), k=1)
    return Answers(trajectories, np.where(known, labels, 0.5), weights)


def standing(labels: FloatArray) -> FloatArray:
    """Return (S,) how far each trajectory is preferred to the others: higher is better.

    The mean of its row, an answer that is missing counted as "equal".

    Args:
        labels: (S, S), as of :func:`between_all`.

    Example:
        >>> standing(np.array([[0.5, 0.9], [0.1, np.nan]])).tolist()
        [0.7, 0.3]
    """
    known = np.where(np.isnan(labels), 0.5, labels)
    return known.sum(axis=1) / max(1, len(labels))  # of none it is no mean at all


def gathered(preferences: Sequence[Preference]) -> Answers:
    """Return single preferences as answers, each trajectory once.

    Several about one pair, in whichever order, are one that counts as much as all, with
    the mean of their labels: the loss is linear in the label.
    """
    place: dict[Trajectory, int] = {}
    for one in preferences:
        place.setdefault(one.first, len(place))
        place.setdefault(one.second, len(place))
    weights = np.zeros((len(place), len(place)))
    preferred = np.zeros_like(weights)
    for one in preferences:
        row, column = place[one.first], place[one.second]
        label = one.label
        if row > column:
            row, column, label = column, row, 1.0 - label
        weights[row, column] += one.weight
        preferred[row, column] += one.weight * label
    labels = np.full_like(weights, 0.5)
    np.divide(preferred, weights, out=labels, where=weights > 0)
    return Answers(list(place), labels, weights)


def smoothed(labels: FloatArray, smoothing: float) -> FloatArray:
    """Return labels of which those that are 0 or 1 are not quite so.

    A bare "this one" names no margin. Taken as certain, it asks for a difference of
    scores without a bound; taken as right in 1 - ``smoothing`` of all cases, for
    log(1 / smoothing - 1). Label smoothing (Szegedy et al. 2016, arXiv:1512.00567);
    that people err so was assumed by Christiano et al. (2017), arXiv:1706.03741.

    Example:
        >>> smoothed(np.array([0.0, 0.3, 0.5, 1.0]), 0.1).tolist()
        [0.1, 0.3, 0.5, 0.9]
    """
    certain = (labels == 0.0) | (labels == 1.0)
    return np.where(certain, smoothing + (1.0 - 2.0 * smoothing) * labels, labels)
