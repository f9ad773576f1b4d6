"""What in a store cannot be used: told, left out, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.store.opening import StoreError
from oprl_gym.preferences.store.records import Answer, Record, check_trajectory

CheckClip = Callable[[bytes], object]
"""Raises ValueError for a clip that cannot be shown."""


class Inspector:
    """Looks at what a store holds, at each segment once.

    Args:
        store: Which may come from anywhere, or from before imports were checked.
        check_clip: None: clips are not looked at.
    """

    def __init__(
        self, store: PreferenceStore, check_clip: CheckClip | None = None
    ) -> None:
        self._store = store
        self._check_clip = check_clip
        self._arrays: dict[str, str] = {}  # what is wrong, by segment
        self._clips: dict[str, str] = {}

    def record(self, answer: Answer) -> Record:
        """Return all that is known of an answer.

        Raises:
            ValueError: It cannot be used; the message says why.
        """
        record = Record.of(answer)
        for digest in (record.first, record.second):
            self._raise(self._arrays, digest, self._look_at_arrays)
        return record

    def check_question(self, first: str, second: str) -> None:
        """Raise ValueError if a question about two segments cannot be shown."""
        for digest in (first, second):
            self._raise(self._arrays, digest, self._look_at_arrays)
            self.check_clip(digest)

    def check_clip(self, digest: str) -> None:
        """Raise ValueError if the clip of a segment cannot be shown."""
        self._raise(self._clips, digest, self._look_at_clip)

    def _raise(
        self, known: dict[str, str], digest: str, look: Callable[[str], None]
    ) -> None:
        if digest not in known:
            known[digest] = _fault(look, digest)
        if known[digest]:
            raise ValueError(f"segment {digest[:12]}: {known[digest]}")

    def _look_at_arrays(self, digest: str) -> None:
        check_trajectory(self._store.trajectory(digest))

    def _look_at_clip(self, digest: str) -> None:
        if self._check_clip is None:
            return
        clip = self._store.clip(digest)
        if clip is None:
            raise ValueError("it has no clip")
        self._check_clip(clip)


def sound_records(store: PreferenceStore) -> list[Record]:
    """Return what is known of the answers that hold and can be used."""
    inspector = Inspector(store)
    found = []
    for answer in store.answers():
        try:
            found.append(inspector.record(answer))
        except StoreError:
            raise
        except ValueError:
            continue
    return found


def delete_broken(store: PreferenceStore, check_clip: CheckClip) -> dict[str, str]:
    """Take back answers that cannot be used, delete questions and clips nobody can see.

    Args:
        store: Where they are.
        check_clip: Raises ValueError for a clip that cannot be shown.

    Returns what was wrong with each, by its name ("answer 3", "question 7").
    """
    inspector = Inspector(store, check_clip)
    faults = {}
    with store.batch():
        for answer in store.answers():
            fault = _fault(inspector.record, answer)
            if fault:
                store.take_back(answer.id)
                faults[f"answer {answer.id}"] = fault
        for question, fault in _unseen_questions(store, inspector):
            store.delete_question(question)
            faults[f"question {question}"] = fault
        for digest in store.segments():
            fault = _fault(inspector.check_clip, digest)
            if fault and store.has_clip(digest):
                store.drop_clip(digest)
                faults[f"clip {digest[:12]}"] = fault
    return faults


def _unseen_questions(
    store: PreferenceStore, inspector: Inspector
) -> Iterator[tuple[int, str]]:
    """Yield the numbers of unanswered questions that nobody can see, and why."""
    answered = {answer.question.id for answer in store.answers()}
    for question in store.questions():
        if question.id not in answered:
            pair = question.first, question.second
            fault = _fault(lambda sides: inspector.check_question(*sides), pair)
            if fault:
                yield question.id, fault


def _fault(look: Callable[[Any], object], at: object) -> str:
    """Return what is wrong with something; nothing if it can be used."""
    try:
        look(at)
    except StoreError:
        raise
    except ValueError as error:
        return str(error)
    return ""
