"""Which questions are worth a person's time.

Disagreement and entropy: Christiano et al. (2017), arXiv:1706.03741, and Lee et al.
(2021), arXiv:2111.03026. A question of one success and one failure is always answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from oprl_gym.config import check_choice, shown
from oprl_gym.episodes.segments import random_segment
from oprl_gym.preferences.pairs import uniform_pairs
from oprl_gym.types import BoolArray, FloatArray, IntArray, Trajectory
from oprl_gym.visits import keys

Pair = tuple[Trajectory, Trajectory]
Predict = Callable[[Sequence[Pair]], FloatArray]
"""(B) pairs in, (K, B) probabilities that the first is preferred out, of K models."""

QueryChoice = Literal[
    "uniform", "disagreement", "entropy", "success_failure", "challenge"
]

CHALLENGERS = 0.1
"""Share of the episodes that counts as the rarest."""

CANDIDATES = 10
"""Pairs looked at for each one that is asked about, as in B-Pref's large batches."""


@dataclass(frozen=True)
class Queries:
    """How pairs to ask about are drawn.

    ``choice`` says which: "uniform" takes any two; "disagreement" those on which the
    models of an ensemble differ most; "entropy" those of which the model is least sure;
    "success_failure" the least sure of those of one success and one failure (returns
    above and below the middle of the highest and the lowest), as long as there are
    none: like "entropy"; "challenge" sets one of the tenth that saw the rarest
    observations against the one that the model holds best (measured: with few answers
    the surest way through a maze).

    Attributes:
        choice: See above.
        segment_length: Steps of the pieces shown; None shows whole episodes.

    Raises:
        ValueError: A value is out of range; the message names it.

    Example:
        >>> from oprl_gym.preferences import Queries
        >>> Queries("disagreement", segment_length=20).segment_length
        20
    """

    choice: QueryChoice = "uniform"
    segment_length: int | None = None

    def __post_init__(self) -> None:
        """Check both values."""
        check_choice("choice", self.choice, get_args(QueryChoice))
        length = self.segment_length
        whole = isinstance(length, int | np.integer) and not isinstance(length, bool)
        if length is not None and not (whole and length >= 1):
            raise ValueError(
                f"segment_length must be an integer of at least 1, got {shown(length)}"
            )

    def draw(
        self,
        trajectories: Sequence[Trajectory],
        n_pairs: int,
        predict: Predict,
        rng: np.random.Generator,
    ) -> list[Pair]:
        """Return at most ``n_pairs`` pairs, the most informative first.

        Args:
            trajectories: Episodes to draw from; fewer than two give no pair.
            n_pairs: B.
            predict: What the reward model thinks of pairs.
            rng: Source of randomness.
        """
        pieces = [self.piece(trajectory, rng) for trajectory in trajectories]
        if self.choice == "challenge":
            return challenges(pieces, n_pairs, predict, rng)
        wanted = n_pairs if self.choice == "uniform" else CANDIDATES * n_pairs
        indices = self._candidates(pieces, wanted, rng)
        pairs = [(pieces[a], pieces[b]) for a, b in indices]
        if self.choice == "uniform" or not pairs:
            return pairs
        information = self._information(predict(pairs))
        best = np.argsort(-information, kind="stable")[:n_pairs]
        return [pairs[index] for index in best]

    def piece(self, trajectory: Trajectory, rng: np.random.Generator) -> Trajectory:
        """Return what is shown of an episode: a random piece, or all of it."""
        if self.segment_length is None:
            return trajectory
        return random_segment(trajectory, self.segment_length, rng)

    def _candidates(
        self, pieces: Sequence[Trajectory], n: int, rng: np.random.Generator
    ) -> IntArray:
        if self.choice == "success_failure":
            success = successes(pieces)
            if success.any():
                return distinct(mixed_pairs(success, n, rng))
        return distinct(uniform_pairs(len(pieces), n, rng))

    def _information(self, probabilities: FloatArray) -> FloatArray:
        if self.choice == "disagreement":
            spread: FloatArray = probabilities.std(axis=0)
            return spread
        return entropy(probabilities).mean(axis=0)


def check_queries(queries: object, models: int) -> None:
    """Raise ValueError unless ``queries`` are Queries for so many, or None."""
    if queries is None:
        return
    if not isinstance(queries, Queries):
        raise ValueError(
            f'queries must be Queries, got {shown(queries)}: write Queries("entropy")'
        )
    if queries.choice == "disagreement" and models == 1:
        raise ValueError(
            "queries by disagreement need several reward models, and there is one; "
            "take ensemble_size=3 (OPRLConfig) or queries by entropy"
        )


def entropy(probabilities: FloatArray) -> FloatArray:
    """Return the entropy in nats of yes-or-no answers, elementwise."""
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    result: FloatArray = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    return result


def successes(trajectories: Sequence[Trajectory]) -> BoolArray:
    """Return (M,) bool: a return above the middle of the highest and the lowest."""
    returns = np.array([trajectory.env_return for trajectory in trajectories])
    if not len(returns):
        return np.zeros(0, dtype=np.bool_)
    return returns > (returns.max() + returns.min()) / 2


def distinct(pairs: IntArray) -> IntArray:
    """Return each of (B, 2) pairs once, whichever way round, in their order."""
    _, first = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    return pairs[np.sort(first)]


def mixed_pairs(success: BoolArray, n_pairs: int, rng: np.random.Generator) -> IntArray:
    """Draw (B, 2) indices of one success and one failure each, in random order.

    Args:
        success: (M,) bool, with at least one True and one False.
        n_pairs: B.
        rng: Source of randomness.
    """
    pairs = np.stack(
        [
            rng.choice(np.flatnonzero(success), size=n_pairs),
            rng.choice(np.flatnonzero(~success), size=n_pairs),
        ],
        axis=1,
    )
    return rng.permuted(pairs, axis=1)


def challenges(
    pieces: Sequence[Trajectory],
    n_pairs: int,
    predict: Predict,
    rng: np.random.Generator,
) -> list[Pair]:
    """Return pairs of a rare piece and the best of the others, in random order.

    Args:
        pieces: To choose from; fewer than two give no pair.
        n_pairs: B.
        predict: What the reward model thinks of pairs.
        rng: Source of randomness.
    """
    if len(pieces) < 2:
        return []
    rarest = np.argsort(-rarity(pieces), kind="stable")
    rarest = rarest[: max(1, round(CHALLENGERS * len(pieces)))]
    pairs = []
    n = min(n_pairs, len(rarest))
    for challenger in rng.choice(rarest, size=n, replace=False):
        rare = pieces[challenger]
        others = [piece for piece in pieces if piece is not rare]
        of_rare = predict([(rare, other) for other in others]).mean(axis=0)
        best = others[int(of_rare.argmin())]
        pairs.append((rare, best) if rng.random() < 0.5 else (best, rare))
    return pairs


def rarity(pieces: Sequence[Trajectory]) -> FloatArray:
    """Return (M,) sums over distinct observations of 1 / sqrt(pieces that have it)."""
    distinct = [set(keys(piece.observations)) for piece in pieces]
    times = Counter(key for keys in distinct for key in keys)
    return np.array([sum(times[key] ** -0.5 for key in keys) for keys in distinct])
