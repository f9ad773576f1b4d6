"""What a preference store holds: questions, who saw them, answers."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from oprl_gym.config import check_choice, shown
from oprl_gym.types import Trajectory

Source = Literal["human", "synthetic"]
_SOURCES = get_args(Source)

MAX_WEIGHT = 1e12
_LATEST = 1e11
"""Seconds since the epoch that no clock shows."""
_NUMBER = int, float
_KINDS: dict[str, tuple[type, ...]] = {
    "first": (str,),
    "second": (str,),
    "label": (*_NUMBER, type(None)),
    "annotator": (str,),
    "shown_at": _NUMBER,
    "answered_at": _NUMBER,
    "flipped": (bool,),
    "repeat": (bool,),
    "model_version": (int,),
    "source": (str,),
    "weight": _NUMBER,
}


@dataclass(frozen=True)
class Question:
    """Two segments to be compared.

    Attributes:
        id: Number in the store.
        first: Content hash of one segment.
        second: That of the other.
        model_version: How often the reward model had been fitted when it was asked.
    """

    id: int
    first: str
    second: str
    model_version: int = 0


@dataclass(frozen=True)
class Showing:
    """A question as one annotator sees it; an answer belongs to one of these.

    Attributes:
        id: Number in the store.
        question: The question's number.
        annotator: Who.
        flipped: True if the second segment stands on the left.
        repeat: True if it was answered before and is asked again, for consistency.
        shown_at: Seconds since the epoch.
    """

    id: int
    question: int
    annotator: str
    flipped: bool
    repeat: bool
    shown_at: float


@dataclass(frozen=True)
class Answer:
    """One row of the log of answers.

    Attributes:
        id: Number in the log; later ones are higher.
        question: What was asked.
        showing: To whom, when and how.
        label: P(the question's first is better); 0.5 is "equal", None "cannot tell".
        answered_at: Seconds since the epoch.
        undoes: Number of the answer that this row takes back; then it gives none.
        source: "human" or "synthetic".
        weight: How much it counts beside others.
    """

    id: int
    question: Question
    showing: Showing
    label: float | None
    answered_at: float
    undoes: int | None
    source: Source
    weight: float


@dataclass(frozen=True)
class Record:
    """All that is known of an answer, without the numbers of one store.

    Attributes:
        first: Content hash of one segment.
        second: That of the other.
        label: As in :class:`Answer`.
        annotator: As in :class:`Showing`, like the three that follow but one.
        shown_at: Seconds since the epoch.
        answered_at: Seconds since the epoch.
        flipped: True if the second segment stood on the left.
        repeat: True if it was asked again, for consistency.
        model_version: As in :class:`Question`.
        source: As in :class:`Answer`.
        weight: As in :class:`Answer`.

    Raises:
        ValueError: A value is of the wrong kind or out of range.
    """

    first: str
    second: str
    label: float | None
    annotator: str
    shown_at: float
    answered_at: float
    flipped: bool
    repeat: bool
    model_version: int
    source: Source
    weight: float

    @classmethod
    def of(cls, answer: Answer) -> Record:
        """Return the record of an answer that holds."""
        question, showing = answer.question, answer.showing
        return cls(
            first=question.first,
            second=question.second,
            label=answer.label,
            annotator=showing.annotator,
            shown_at=showing.shown_at,
            answered_at=answer.answered_at,
            flipped=showing.flipped,
            repeat=showing.repeat,
            model_version=question.model_version,
            source=answer.source,
            weight=answer.weight,
        )

    def __post_init__(self) -> None:
        """Check every value: records come from files that anybody may have edited."""
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if type(value) not in kinds:  # nor is True a number
                raise ValueError(f"its {name} is {value!r:.100}")
            if isinstance(value, str) and not _is_text(value):
                raise ValueError(f"its {name} is {value!r:.100}, which is no text")
        check_answer(self.label, self.source, self.weight)
        for name in ("shown_at", "answered_at"):
            seconds = getattr(self, name)
            if not -_LATEST < seconds < _LATEST:  # nor is NaN
                raise ValueError(f"its {name} is {seconds!r:.100}, which is no time")
        if not 0 <= self.model_version < 2**63:
            version = f"{self.model_version!r:.100}"
            raise ValueError(f"its model_version is {version}, which counts no fits")


@dataclass(frozen=True)
class Tally:
    """How much an annotator has answered.

    Attributes:
        answered: Answers that hold, repeats aside.
        repeats: Those to pairs that were answered before.
        consistent: Those of the repeats that say the same again.
    """

    answered: int = 0
    repeats: int = 0
    consistent: int = 0


def check_answer(label: Any, source: Any, weight: Any) -> None:
    """Raise ValueError for what is no answer."""
    if label is not None and not (_is_number(label) and 0.0 <= label <= 1.0):
        raise ValueError(
            f"a label is a probability in [0, 1] or None, got {label!r:.100}"
        )
    check_choice("source", source, _SOURCES)
    if not (_is_number(weight) and 0.0 < weight <= MAX_WEIGHT):
        raise ValueError(
            f"a weight is a positive number up to {MAX_WEIGHT:g}, got {weight!r:.100}"
        )


def check_trajectory(trajectory: Trajectory) -> None:
    """Raise ValueError, which names the array, for what nothing is learned from."""
    for name in ("observations", "actions", "env_rewards", "process_rewards"):
        array = getattr(trajectory, name)
        if not np.isfinite(array).all():
            raise ValueError(f"its {name} hold NaN or infinite values")
        if name.endswith("rewards") and array.ndim != 1:
            raise ValueError(f"its {name} have the shape {array.shape}, not (T,)")


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBER)


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can hold it, as it cannot hold halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def question_of(row: sqlite3.Row) -> Question:
    """Return a row of the questions."""
    return _question(row, row["id"])


def showing_of(row: sqlite3.Row) -> Showing:
    """Return a row of the showings."""
    return _showing(row, row["id"], row["question"])


def answer_of(row: sqlite3.Row) -> Answer:
    """Return a row of the log of answers."""
    question = _question(row, row["question"])
    return Answer(
        id=row["id"],
        question=question,
        showing=_showing(row, row["showing"], question.id),
        label=row["label"],
        answered_at=row["answered_at"],
        undoes=row["undoes"],
        source=row["source"],
        weight=row["weight"],
    )


def _question(row: sqlite3.Row, number: int) -> Question:
    """Return a question.

    Raises:
        ValueError: A segment's hash is no text, of which the tables of a store from
            elsewhere need not take care.
    """
    first, second = row["first"], row["second"]
    if not (isinstance(first, str) and isinstance(second, str)):
        raise ValueError(f"question {number} is about {shown((first, second))}")
    return Question(number, first, second, row["model_version"])


def _showing(row: sqlite3.Row, number: int, question: int) -> Showing:
    return Showing(
        id=number,
        question=question,
        annotator=row["annotator"],
        flipped=bool(row["flipped"]),
        repeat=bool(row["repeat"]),
        shown_at=row["shown_at"],
    )
