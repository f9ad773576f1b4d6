"""What a teacher said about pairs of trajectories, and some of it at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oprl_gym.types import FloatArray, IntArray, Preference, Trajectory


@dataclass(frozen=True)
class Answers:
    """B answers about pairs out of S trajectories.

    Attributes:
        trajectories: S of them.
        pairs: (B, 2) int64, first and second of each pair.
        labels: (B,) probability that the first is the better one.
        weights: (B,) how much each counts beside others, more than 0.
    """

    trajectories: Sequence[Trajectory]
    pairs: IntArray
    labels: FloatArray
    weights: FloatArray

    def __len__(self) -> int:
        """Return the number of answers B."""
        return len(self.pairs)

    def take(self, which: IntArray) -> Answers:
        """Return the answers of these numbers, with their trajectories alone."""
        used, places = np.unique(self.pairs[which], return_inverse=True)
        return Answers(
            [self.trajectories[number] for number in used],
            places.reshape(-1, 2),
            self.labels[which],
            self.weights[which],
        )

    def last(self, n: int) -> Answers:
        """Return the last ``n`` answers."""
        return self.take(np.arange(max(0, len(self) - n), len(self)))

    def about_last(self, n: int) -> Answers:
        """Return the answers about one of the last ``n`` trajectories, or two."""
        newest = self.pairs.max(axis=1, initial=-1) >= len(self.trajectories) - n
        return self.take(np.flatnonzero(newest))

    def draw(self, n: int, rng: np.random.Generator) -> Answers:
        """Return ``n`` answers, drawn independently; all, if there are no more."""
        if n >= len(self):
            return self
        return self.take(rng.integers(len(self), size=n))

    def among(self, n: int, rng: np.random.Generator) -> Answers:
        """Return all answers about pairs of ``n`` trajectories drawn without return.

        Where hardly a pair has an answer there may be none between those: then ``n`` /
        2 answers are drawn instead.
        """
        if n >= len(self.trajectories):
            return self
        drawn = np.zeros(len(self.trajectories), dtype=np.bool_)
        drawn[rng.choice(len(drawn), size=n, replace=False)] = True
        between = np.flatnonzero(drawn[self.pairs].all(axis=1))
        return self.take(between) if len(between) else self.draw(n // 2, rng)


def between_all(trajectories: Sequence[Trajectory], labels: FloatArray) -> Answers:
    """Return the answers about all pairs of S trajectories.

    Args:
        trajectories: S of them.
        labels: (S, S) probabilities that the one of the row is preferred to that of the
            column; NaN where there is no answer.
    """
    first, second = np.triu_indices(len(trajectories), k=1)
    of_pair = labels[first, second]
    known = ~np.isnan(of_pair)
    pairs = np.stack([first[known], second[known]], axis=1)
    return Answers(trajectories, pairs, of_pair[known], np.ones(len(pairs)))


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
    """Return single preferences as answers, each trajectory once."""
    sides = [side for one in preferences for side in (one.first, one.second)]
    place: dict[Trajectory, int] = {}
    numbers = [place.setdefault(side, len(place)) for side in sides]
    return Answers(
        list(place),
        np.array(numbers, dtype=np.int64).reshape(-1, 2),
        np.array([one.label for one in preferences], dtype=np.float64),
        np.array([one.weight for one in preferences], dtype=np.float64),
    )


def smoothed(labels: FloatArray, smoothing: float) -> FloatArray:
    """Return (B,) labels of which those that are 0 or 1 are not quite so.

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
