"""What all front ends share: which pair comes next, what a key means, what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from oprl_gym.labelling.clips import Clip, from_bytes
from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.store.opening import StoreError
from oprl_gym.preferences.store.records import Question, Showing

Choice = Literal[
    "left",
    "left_little",
    "left_much",
    "right",
    "right_little",
    "right_much",
    "equal",
    "skip",
]

LITTLE, MUCH = 0.75, 0.99
"""Labels of "a little better" and "much better". A bare "better" is fitted to as 0.9,
by ``label_smoothing``: odds of 9 to 1, with which 3 to 1 makes half of that difference
of the learned rewards, and 99 to 1 twice."""

REPEATS = 0.05
"""Share of pairs that are shown a second time, the other way round."""
LATEST = 3
"""Pairs answered just now are not repeated: one would only remember the answer."""


@dataclass(frozen=True)
class Shown:
    """A pair as it is to be shown.

    Attributes:
        showing: Number to answer to.
        left: Clip on the left, framed blue.
        right: Clip on the right, framed orange.
    """

    showing: int
    left: Clip
    right: Clip


@dataclass(frozen=True)
class Scores:
    """What the learned reward made of a pair, to be told only after the answer.

    Attributes:
        left: Its sum over the steps of the left clip, when they were taken.
        right: That of the right clip.
        agrees: Whether it orders them as the person did; None if either sees no order.
    """

    left: float
    right: float
    agrees: bool | None


@dataclass(frozen=True)
class Progress:
    """How far a person has come.

    Attributes:
        answered: Pairs this person has answered, repeats aside.
        waiting: Pairs that nobody has answered.
        repeats: Pairs this person was asked about twice.
        consistent: Those of them that got the same answer again.
        aside: Pairs that nobody is asked about, for they cannot be shown.
        others: Answers of other people.
        to_come: Pairs that training may still ask about; None: without a limit.
    """

    answered: int
    waiting: int
    repeats: int
    consistent: int
    aside: int = 0
    others: int = 0
    to_come: int | None = 0

    @property
    def all_answered(self) -> bool:
        """Whether there were questions, and none is left or to come."""
        return self.answered + self.others > 0 and self.waiting == self.to_come == 0


class LabellingSession:
    """One person who labels, through whichever front end.

    All state is in the store: a session begun anew goes on where the last one stopped.

    Args:
        store: Questions and answers.
        annotator: The person's name.
        rng: Source of left and right, and of repeats.
        repeats: Share of pairs that are shown a second time.
        training: Whether a run goes on, and may ask more.

    Raises:
        ValueError: The name is empty, or too long to be one, or the share is none.
    """

    def __init__(
        self,
        store: PreferenceStore,
        annotator: str,
        rng: np.random.Generator,
        repeats: float = REPEATS,
        training: Callable[[], bool] = lambda: False,
    ) -> None:
        if not 0 < len(annotator) <= 100 or not annotator.isprintable():
            raise ValueError(
                f"an annotator's name has 1 to 100 printable characters, got "
                f"{annotator!r}"
            )
        if not 0.0 <= repeats <= 1.0:
            raise ValueError(f"the share of repeats is in [0, 1], got {repeats!r}")
        self.store = store
        self.annotator = annotator
        self.training = training
        self._rng = rng
        self._repeats = repeats

    def current(self) -> Shown | None:
        """Return the pair to be shown now; None if there is none.

        The same one until it is answered, also in a new session. A pair that cannot be
        shown is set aside, and the next one taken.
        """
        while True:
            showing = self.store.unanswered(self.annotator) or self._next()
            if showing is None:
                return None
            question = self.store.question(showing.question)
            try:
                sides = [self._clip(question.first), self._clip(question.second)]
            except StoreError:
                raise
            except ValueError:  # a store may hold what somebody else put there
                self.store.set_aside(question.id)
                continue
            if showing.flipped:
                sides.reverse()
            return Shown(showing.id, *sides)

    def answer(self, showing: int, choice: Choice) -> Scores | None:
        """Keep an answer; once this returns, it is on disk.

        Args:
            showing: What is answered.
            choice: "left" or "right" is better ("left_little", "left_much", ...: by
                that margin), "equal", or "skip": cannot tell.

        Returns what the learned reward made of the pair; None before its first fit.

        Raises:
            ValueError: This was not shown to this person, or there is no such choice.
        """
        shown = self.store.showing(showing)
        if shown.annotator != self.annotator:
            raise ValueError(f"showing {showing!r} was shown to somebody else")
        label = label_of(choice, shown.flipped)
        self.store.answer(showing, label)
        return self._scores(self.store.question(shown.question), shown.flipped, label)

    def undo(self) -> bool:
        """Take the latest answer back and show that pair again; False if none is."""
        with self.store.batch():
            undone = self.store.undo(self.annotator)
            if undone is None:
                return False
            shown = undone.showing
            self.store.show(shown.question, self.annotator, shown.flipped, shown.repeat)
        return True

    def progress(self) -> Progress:
        """Return how far this person has come."""
        tally = self.store.tally(self.annotator)
        return Progress(
            answered=tally.answered,
            waiting=self.store.open_questions(),
            repeats=tally.repeats,
            consistent=tally.consistent,
            aside=self.store.questions_aside(),
            others=self.store.count_answers() - tally.answered,
            to_come=self.store.to_come() if self.training() else 0,
        )

    def agreement(self, latest: int) -> tuple[int, int]:
        """Return how often the learned reward saw an order as people did, and of what.

        Each answer counts by the scores that its clips had when they were taken, which
        cannot have been learned from it.

        Args:
            latest: Answers to look at, of those of all people that hold.
        """
        verdicts = [
            scores.agrees
            for row in self.store.latest_answers(latest)
            if (scores := self._scores(row.question, False, row.label)) is not None
            and scores.agrees is not None
        ]
        return sum(verdicts), len(verdicts)

    def _next(self) -> Showing | None:
        if self.store.next_open(self.annotator) is None:
            return None  # looked for time and again, which must not draw repeats
        if self._rng.random() < self._repeats:
            again = self._repeat()
            if again is not None:
                return again
        flipped = bool(self._rng.random() < 0.5)
        return self.store.show_next(self.annotator, flipped)

    def _repeat(self) -> Showing | None:
        """Show an answered pair again, the other way round.

        The first that will do from some point on: to know them all would take longer
        the more there are.
        """
        start = int(self._rng.integers(self.store.last_showing(self.annotator) + 1))
        before = self.store.repeatable(self.annotator, start, LATEST)
        if before is None:
            before = self.store.repeatable(self.annotator, 0, LATEST)
        if before is None:
            return None
        return self.store.show(
            before.question, self.annotator, not before.flipped, repeat=True
        )

    def _clip(self, digest: str) -> Clip:
        data = self.store.clip(digest)
        if data is None:
            raise ValueError(f"segment {digest[:12]} has no clip to be shown")
        return from_bytes(data)

    def _scores(
        self, question: Question, flipped: bool, label: float | None
    ) -> Scores | None:
        if question.model_version == 0:
            return None
        sides = (question.first, question.second)
        try:
            scored = [self.store.trajectory(side).process_rewards for side in sides]
        except StoreError:
            raise
        except ValueError:  # the answer is kept all the same
            return None
        first, second = (float(rewards.sum()) for rewards in scored)
        if not (math.isfinite(first) and math.isfinite(second)):
            return None
        if not all(rewards.any() for rewards in scored):
            return None  # taken before there was a model
        agrees = None
        if label is not None and label != 0.5 and first != second:
            agrees = (first > second) == (label > 0.5)
        left, right = (second, first) if flipped else (first, second)
        return Scores(left, right, agrees)


def label_of(choice: Choice, flipped: bool) -> float | None:
    """Return P(the question's first is better) that a choice stands for.

    Args:
        choice: What the person chose.
        flipped: Whether the second stands on the left.

    Raises:
        ValueError: There is no such choice.

    Example:
        >>> label_of("left", flipped=True), label_of("right_little", flipped=True)
        (0.0, 0.75)
    """
    labels: dict[str, float | None] = {"equal": 0.5, "skip": None}
    for margin, label in (("", 1.0), ("_little", LITTLE), ("_much", MUCH)):
        against = round(1.0 - label, 2)
        sides = (against, label) if flipped else (label, against)
        labels["left" + margin], labels["right" + margin] = sides
    if choice not in labels:
        known = ", ".join(get_args(Choice))
        raise ValueError(f"a choice is one of {known}; got {choice!r}")
    return labels[choice]
