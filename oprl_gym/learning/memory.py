"""What a learner keeps: the latest episodes, the best of all, answers about pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from oprl_gym.episodes.arrays import pack_trajectories, unpack_trajectories
from oprl_gym.files.fields import check_values
from oprl_gym.learning.answers import Answers, between_all, standing
from oprl_gym.preferences.teacher import LateAnswers, Teacher
from oprl_gym.types import FloatArray, Preference, Trajectory

MOST_BYTES = 2**31
"""What episodes may take: pictures fill the memory before they are many."""


_STATE = {"trajectories": dict, "kept": int, "best": list, "preferences": dict}


class Memory:
    """Episodes and answers, the oldest of which make room for new ones.

    Of the episodes at most as many are kept as fit into 2 GiB, the latest before the
    best, and two of those and one of these at least.

    Args:
        latest: Episodes that are kept as they come.
        best: Episodes kept of all so far that a rule holds best.
        answers: Answers about single pairs that are kept.

    Attributes:
        trajectories: The latest episodes.
        best: What a rule that judges all at once holds best of all, the best first.
        preferences: Answers about single pairs; none where a rule judges all at once.
    """

    def __init__(self, latest: int, best: int, answers: int) -> None:
        self.trajectories: deque[Trajectory] = deque(maxlen=latest)
        self.best: list[Trajectory] = []
        self.preferences: deque[Preference] = deque(maxlen=answers)
        self._most_best = best

    def add(self, episodes: Iterable[Trajectory]) -> None:
        """Keep new episodes, as many as there is room for."""
        self.trajectories.extend(episodes)
        while len(self.trajectories) > 2 and _bytes(self.trajectories) > MOST_BYTES:
            self.trajectories.popleft()

    def judged(self, teacher: Teacher) -> Answers | None:
        """Return the answers about all pairs; None if a teacher has to be asked."""
        kept = [*self._others_of_best(), *self.trajectories]
        labels = teacher.labels(kept)
        if labels is None:
            return None
        _check_labels(labels, len(kept), teacher)
        best = np.argsort(-standing(labels), kind="stable")[: self._most_best]
        self.best = [kept[number] for number in best]
        of_latest = _bytes(self.trajectories)
        while len(self.best) > 1 and (
            of_latest + _bytes(self._others_of_best()) > MOST_BYTES
        ):
            self.best.pop()
        return between_all(kept, labels)

    def take(self, late: LateAnswers) -> int:
        """Take in answers to earlier questions; returns how many are new."""
        self.preferences.extend(late.given)
        gone = {id(preference) for preference in late.withdrawn}
        if gone:
            remaining = [one for one in self.preferences if id(one) not in gone]
            self.preferences.clear()
            self.preferences.extend(remaining)
        return len(late.given) - late.again

    def state(self) -> dict[str, Any]:
        """Return all that is kept: nested dicts, lists and arrays."""
        kept = self._all()
        place = {id(trajectory): number for number, trajectory in enumerate(kept)}
        return {
            "trajectories": pack_trajectories(kept),
            "kept": len(self.trajectories),
            "best": [place[id(trajectory)] for trajectory in self.best],
            "preferences": _pack_preferences(self.preferences, place),
        }

    def load_state(self, state: dict[str, Any]) -> Sequence[Trajectory]:
        """Keep what :meth:`state` returned; returns all trajectories there are.

        Raises:
            ValueError: It is something else.
        """
        check_values(state, _STATE, "memory.")
        trajectories = unpack_trajectories(state["trajectories"])
        _fill(self.trajectories, trajectories[: state["kept"]])
        self.best = [trajectories[number] for number in state["best"]]
        _fill(self.preferences, _unpack_preferences(state["preferences"], trajectories))
        return trajectories

    def _all(self) -> list[Trajectory]:
        """Return the latest trajectories, then the best, then those of preferences."""
        kept = (*self.trajectories, *self._others_of_best())
        known = {id(trajectory): trajectory for trajectory in kept}
        for preference in self.preferences:
            for trajectory in (preference.first, preference.second):
                known.setdefault(id(trajectory), trajectory)
        return list(known.values())

    def _others_of_best(self) -> list[Trajectory]:
        """Return the best that are not among the latest."""
        latest = set(self.trajectories)
        return [one for one in self.best if one not in latest]


def _bytes(episodes: Iterable[Trajectory]) -> int:
    return sum(one.observations.nbytes for one in episodes)


def _check_labels(labels: FloatArray, n: int, teacher: Teacher) -> None:
    """Check the answers of a teacher of the user's own."""
    shape = np.shape(labels)
    if shape != (n, n):
        given = f"an array of shape {shape}"
    elif ((labels < 0) | (labels > 1)).any():  # NaN is neither: no answer
        given = f"numbers from {np.nanmin(labels):g} to {np.nanmax(labels):g}"
    else:
        return
    raise ValueError(
        f"{type(teacher).__name__}.labels() gave {given} for {n} episodes: return "
        f"({n}, {n}) probabilities from 0 to 1, NaN where there is no answer"
    )


def _fill(kept: deque[Any], values: Iterable[Any]) -> None:
    kept.clear()
    kept.extend(values)


def _pack_preferences(
    preferences: Iterable[Preference], place: dict[int, int]
) -> dict[str, Any]:
    """Return B preferences as arrays.

    Args:
        preferences: B of them.
        place: Where each trajectory stands in a list, by its ``id()``.
    """
    rows = list(preferences)
    pairs = [(place[id(row.first)], place[id(row.second)]) for row in rows]
    return {
        "pairs": np.array(pairs, dtype=np.int64).reshape(-1, 2),
        "labels": np.array([row.label for row in rows], dtype=np.float64),
        "weights": np.array([row.weight for row in rows], dtype=np.float64),
    }


def _unpack_preferences(
    packed: dict[str, Any], trajectories: Sequence[Trajectory]
) -> list[Preference]:
    """Return the preferences that :func:`_pack_preferences` made ``packed`` of.

    Raises:
        ValueError: They are about trajectories that are not there, or no preferences.
    """
    pairs, labels, weights = packed["pairs"], packed["labels"], packed["weights"]
    if not len(pairs) == len(labels) == len(weights):
        raise ValueError(
            f"there are {len(pairs)} pairs, but {len(labels)} labels and "
            f"{len(weights)} weights"
        )
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(trajectories):
        raise ValueError("a preference is about a trajectory that is not there")
    return [
        Preference(trajectories[first], trajectories[second], label, weight)
        for (first, second), label, weight in zip(
            pairs.tolist(), labels.tolist(), weights.tolist(), strict=True
        )
    ]
