"""What in a store cannot be used: told, left out, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oprl_gym.episodes.packing import unpack
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
            self._raise(self._clips, digest, self._look_at_clip)

    def _raise(
        self, known: dict[str, str], digest: str, look: Callable[[str], None]
    ) -> None:
        if digest not in known:
            known[digest] = _fault(look, digest)
        if known[digest]:
            raise ValueError(f"segment {digest[:12]}: {known[digest]}")

    def _look_at_arrays(self, digest: str) -> None:
        check_trajectory(unpack(self._store.packed(digest)))

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
    """Take back the answers that cannot be used, delete questions nobody can see.

    Args:
        store: Where they are.
        check_clip: Raises ValueError for a clip that cannot be shown.

    Returns what was wrong with each, by its name ("answer 3", "question 7").
    """
    inspector = Inspector(store, check_clip)
    with store.batch():
        return _delete_answers(store, inspector) | _delete_questions(store, inspector)


def _delete_answers(store: PreferenceStore, inspector: Inspector) -> dict[str, str]:
    faults = {}
    for answer in store.answers():
        fault = _fault(inspector.record, answer)
        if fault:
            store.take_back(answer.id)
            faults[f"answer {answer.id}"] = fault
    return faults


def _delete_questions(store: PreferenceStore, inspector: Inspector) -> dict[str, str]:
    answered = {answer.question.id for answer in store.answers()}
    faults = {}
    for question in store.questions():
        if question.id in answered:
            continue
        fault = _fault(lambda q: inspector.check_question(q.first, q.second), question)
        if fault:
            store.delete_question(question.id)
            faults[f"question {question.id}"] = fault
    return faults


def _fault(look: Callable[[Any], object], at: object) -> str:
    """Return what is wrong with something; nothing if it can be used."""
    try:
        look(at)
    except StoreError:
        raise
    except ValueError as error:
        return str(error)
    return ""
