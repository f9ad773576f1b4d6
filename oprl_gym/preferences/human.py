"""HumanTeacher: puts questions into a store and takes the answers out of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from oprl_gym.episodes.packing import content_hash
from oprl_gym.files.fields import check_values
from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.store.opening import StoreError
from oprl_gym.preferences.store.records import (
    Answer,
    Question,
    check_answer,
    check_trajectory,
)
from oprl_gym.preferences.teacher import LateAnswers, Teacher
from oprl_gym.types import Preference, Trajectory

Picture = Callable[[Trajectory], bytes | None]
"""Returns what a person is shown of a segment; None if it cannot be shown."""


class HumanTeacher(Teacher):
    """A person, or several, who answer through a :class:`PreferenceStore`.

    ``judge`` writes the question into the store and returns None; ``collect`` returns
    what has been answered since. Training goes on meanwhile. Answers of all sources in
    the store are taken with their weights; those "cannot tell" and repeats, which only
    measure consistency, are not.

    Args:
        store: Where people answer, in this process or another.
        picture: What they are shown; None: the store's clips have to be there already.
        max_open: Unanswered questions in the store, above which none is added, so that
            those shown are about what the agent does now.
        max_questions: Questions added in all; None: no limit. 0 only takes answers.
        wait_for: Answers of people that training waits for, as far as they have been
            asked for: the first so many questions are waited for, the others not.
        sleep: Called with the seconds to wait between two looks into the store.
        shape: Of one observation; answers about others are left out. None: take all.

    Raises:
        ValueError: A number is out of range; the message names it.

    Example:
        >>> from oprl_gym.preferences import HumanTeacher, PreferenceStore
        >>> teacher = HumanTeacher(PreferenceStore(":memory:"), max_questions=60)
        >>> teacher.collect(model_version=0).given
        []
    """

    answers_again = True  # from the store

    def __init__(
        self,
        store: PreferenceStore,
        picture: Picture | None = None,
        max_open: int = 4,
        max_questions: int | None = None,
        wait_for: int = 0,
        sleep: Callable[[float], None] = time.sleep,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        if max_open < 1:
            raise ValueError(f"max_open must be 1 or more, got {max_open!r}")
        if max_questions is not None and max_questions < 0:
            raise ValueError(f"max_questions must be 0 or more, got {max_questions!r}")
        if wait_for < 0:
            raise ValueError(f"wait_for must be 0 or more, got {wait_for!r}")
        self.store = store
        self.picture = picture
        self.max_open = max_open
        self.max_questions = max_questions
        self.wait_for = wait_for
        self.asked = 0
        self._answered_before = store.count_answers()
        self.shape = shape
        self._sleep = sleep
        self._warned = False
        self._announced: int | None = 0
        self._model_version = 0
        self._read_to = 0  # last row of the log that is known
        self._known_to = 0  # and that the learner knew when its state was saved
        self._given: dict[int, Preference] = {}
        self._segments: WeakValueDictionary[str, Trajectory] = WeakValueDictionary()

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Put the question to the store, if there is room for it; returns None."""
        if not self._may_ask():
            return None
        version = self._model_version
        self.asked += ask_once(self.store, first, second, self.picture, version)
        self._announce()
        return None

    def collect(self, model_version: int) -> LateAnswers:
        """Return what was answered and undone since the last call; may wait."""
        self._model_version = model_version
        self._announce()
        self._wait()
        self.done = self._all_asked and not self.store.open_questions()
        given: dict[int, Preference] = {}
        withdrawn: list[Preference] = []
        rows = self.store.log(after=self._read_to)
        undone = {row.undoes for row in rows}
        for row in rows:
            self._read_to = row.id
            if row.undoes is not None:
                if row.undoes in self._given:
                    withdrawn.append(self._given.pop(row.undoes))
            elif row.showing.repeat or row.id in undone:
                continue
            elif row.label is not None:
                self._take(row, row.label, given)
        self._given.update(given)
        again = sum(row <= self._known_to for row in given)
        return LateAnswers(list(given.values()), withdrawn, again)

    def state(self) -> dict[str, Any]:
        """Return how much was asked; answers are in the store, and read from there."""
        return {
            "asked": self.asked,
            "answered_before": self._answered_before,
            "known_to": max(self._known_to, self._read_to),
        }

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on asking from there; all answers will be collected once more.

        Raises:
            ValueError: It is something else.
        """
        check_values(
            state, {"asked": int, "answered_before": int, "known_to": int}, "teacher "
        )
        self.asked = state["asked"]
        self._answered_before = state["answered_before"]
        self._known_to = state["known_to"]
        self._read_to = 0
        self._given.clear()

    @property
    def _all_asked(self) -> bool:
        return self.max_questions is not None and self.asked >= self.max_questions

    def _may_ask(self) -> bool:
        return not self._all_asked and self.store.open_questions() < self.max_open

    def _announce(self) -> None:
        """Let those who answer know how much there is to come."""
        limit = self.max_questions
        to_come = None if limit is None else max(0, limit - self.asked)
        if to_come != self._announced:
            self.store.announce(to_come)
            self._announced = to_come

    def _wait(self) -> None:
        wanted = self._answered_before + min(self.wait_for, self.asked)
        while self.store.count_answers() < wanted and self.store.open_questions():
            self._sleep(0.1)

    def _take(self, row: Answer, label: float, given: dict[int, Preference]) -> None:
        """Add what an answer teaches; a store may hold one that teaches nothing."""
        try:
            check_answer(label, row.source, row.weight)
            first, second = map(
                self._segment, (row.question.first, row.question.second)
            )
        except StoreError:
            raise
        except ValueError as error:
            self._warn_once(f"answer {row.id} is left out: {error}")
            return
        given[row.id] = Preference(first, second, label, row.weight)

    def _warn_once(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.store.path}: {what}; so are all that cannot be used "
                "(`oprl-gym label DIR --delete-broken` names them)",
                stacklevel=2,
            )

    def _segment(self, digest: str) -> Trajectory:
        """Return the same object for the same segment: the learner caches by object."""
        segment = self._segments.get(digest)
        if segment is None:
            segment = self.store.trajectory(digest)
            check_trajectory(segment)
            shape = segment.observations.shape[1:]
            if self.shape not in (None, shape):
                raise ValueError(
                    f"its observations have the shape {shape}, not {self.shape}"
                )
            self._segments[digest] = segment
        return segment


def ask_once(
    store: PreferenceStore,
    first: Trajectory,
    second: Trajectory,
    picture: Picture | None = None,
    model_version: int = 0,
) -> bool:
    """Put a question into a store, unless a person would learn nothing from seeing it.

    Args:
        store: Where it goes.
        first: One segment.
        second: The other.
        picture: What a person is shown of them; None: nothing, or what is there.
        model_version: How often the reward model has been fitted.

    Returns False, and asks nothing, if the two are the same, were asked about before,
    or cannot be shown.
    """
    hashes = content_hash(first), content_hash(second)
    if hashes[0] == hashes[1] or store.was_asked(*hashes):
        return False
    clips: tuple[bytes | None, bytes | None] = (None, None)
    if picture is not None:
        clips = picture(first), picture(second)
        if None in clips:
            return False
    store.ask(first, second, clips, model_version)
    return True


def answer_all(
    store: PreferenceStore, teacher: Teacher, annotator: str, weight: float = 1.0
) -> int:
    """Let a rule answer every question of a store that it has not answered yet.

    Its answers are marked "synthetic" and stand beside those of people, who are asked
    all the same.

    Args:
        store: Where the questions are.
        teacher: The rule; asked for a judgement at once.
        annotator: Name under which its answers are kept.
        weight: How much each of them counts beside a person's 1.

    Returns how many answers were added.
    """
    known = {answer.question.id for answer in store.answers(annotator)}
    questions = [one for one in store.questions() if one.id not in known]
    return sum(_answer(store, one, teacher, annotator, weight) for one in questions)


def _answer(
    store: PreferenceStore,
    question: Question,
    teacher: Teacher,
    annotator: str,
    weight: float,
) -> bool:
    first = store.trajectory(question.first)
    label = teacher.judge(first, store.trajectory(question.second))
    if label is None:
        return False
    with store.batch():
        showing = store.show(question.id, annotator, flipped=False)
        store.answer(showing.id, label, "synthetic", weight)
    return True
