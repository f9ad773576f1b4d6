"""PreferenceStore: questions and answers on disk, for several processes at once."""

from __future__ import annotations

import sqlite3
from typing import Any

from oprl_gym.preferences.store.file import StoreFile
from oprl_gym.preferences.store.questions import QuestionStore
from oprl_gym.preferences.store.records import (
    Answer,
    Question,
    Record,
    Showing,
    Source,
    Tally,
    answer_of,
    check_answer,
    question_of,
    showing_of,
)

CLAIM_S = 120.0
"""Seconds for which a pair shown to one annotator is not shown to another."""


class PreferenceStore(QuestionStore):
    """Segments, questions about pairs of them, and answers, in one SQLite file.

    Segments are kept once, by content hash. The log of answers only grows: an undo is a
    row of its own. Any number of processes may use one store at a time; an answer that
    was acknowledged stays, whatever is killed afterwards. What is shown next, and how
    far a person has come, is found in the same time whatever the store holds. Threads
    may share a store, one at a time. The file must lie on a disk of this machine:
    SQLite's write-ahead log does not work over a network.

    Args:
        path: The file; made if it does not exist, and brought to today's version.
        clock: Seconds since the epoch.
        patience: Seconds to wait for another process that writes.

    Raises:
        ValueError: The file is something else, or of a newer version. Here and in
            every method, a :class:`StoreError`: it is damaged, locked, or lies where it
            cannot be used.

    Example:
        >>> import numpy as np
        >>> from oprl_gym.preferences import PreferenceStore, Trajectory
        >>> zero = np.zeros(1)
        >>> a, b = (Trajectory([0, s], [0], zero, zero, False) for s in (1, 2))
        >>> with PreferenceStore(":memory:") as store:
        ...     question = store.ask(a, b)
        ...     showing = store.show(question.id, "ann", flipped=True)
        ...     answer = store.answer(showing.id, 1.0)
        ...     [row.label for row in store.log()]
        [1.0]
    """

    def next_open(self, annotator: str) -> Question | None:
        """Return the oldest question that nobody has answered or looks at just now."""
        now = self.clock()
        row = self._database.one(
            "SELECT * FROM questions WHERE answers = 0 AND aside = 0 AND NOT EXISTS ("
            "SELECT 1 FROM showings WHERE question = questions.id AND annotator != ?"
            " AND shown_at BETWEEN ? AND ?) ORDER BY id LIMIT 1",
            *(annotator, now - CLAIM_S, now + CLAIM_S),  # a clock may go back
        )
        return None if row is None else question_of(row)

    def show_next(self, annotator: str, flipped: bool) -> Showing | None:
        """Show the next open question, which then is nobody else's; None if none is.

        What this annotator was shown already and has not answered comes first.
        """
        if self.next_open(annotator) is None:
            return None  # without a lock
        with self._writing():
            showing = self.unanswered(annotator)
            question = self.next_open(annotator)
            if showing is not None or question is None:
                return showing
            return self.show(question.id, annotator, flipped)

    def show(
        self, question: int, annotator: str, flipped: bool, repeat: bool = False
    ) -> Showing:
        """Note that somebody is shown a question.

        Raises:
            ValueError: There is no such question.
        """
        self.question(question)
        values = (question, annotator, flipped, repeat, self.clock())
        with self._writing() as database:
            return Showing(_insert_showing(database, values), *values)

    def showing(self, number: int) -> Showing:
        """Return a showing by number.

        Raises:
            ValueError: There is none.
        """
        row = self._database.one("SELECT * FROM showings WHERE id = ?", number)
        if row is None:
            raise ValueError(f"nothing was shown under the number {number!r}")
        return showing_of(row)

    def unanswered(self, annotator: str) -> Showing | None:
        """Return what this annotator was shown last, if it awaits an answer."""
        row = self._database.one(
            "SELECT * FROM showings WHERE annotator = ? ORDER BY id DESC LIMIT 1",
            annotator,
        )
        if row is None or self._answer_to(row["id"]) is not None:
            return None
        showing = showing_of(row)
        # Somebody else may have answered it meanwhile, or found that it cannot be seen.
        found = self._database.one(
            "SELECT 1 FROM questions WHERE id = ? AND aside = 0 AND (answers = 0 OR ?)",
            *(showing.question, showing.repeat),
        )
        return None if found is None else showing

    def repeatable(self, annotator: str, start: int, latest: int) -> Showing | None:
        """Return a showing whose question this annotator could be asked again.

        It was answered by more than "cannot tell", and not yet asked again.

        Args:
            annotator: Who.
            start: Number of the first showing to look at; a hundred are.
            latest: This many of the annotator's latest answers are left alone.
        """
        row = self._database.one(
            "SELECT * FROM (SELECT * FROM showings WHERE annotator = ? AND id >= ?"
            " ORDER BY id LIMIT 100) AS shown WHERE NOT repeat AND answer <= ("
            "SELECT answer FROM showings WHERE annotator = ? AND answer IS NOT NULL"
            " ORDER BY answer DESC LIMIT 1 OFFSET ?)"
            " AND (SELECT label FROM answers WHERE id = shown.answer) IS NOT NULL"
            " AND (SELECT aside FROM questions WHERE id = shown.question) = 0"
            " AND NOT EXISTS (SELECT 1 FROM showings AS again WHERE again.repeat"
            " AND again.question = shown.question AND again.answer IS NOT NULL"
            " AND +again.annotator = shown.annotator) ORDER BY id LIMIT 1",
            *(annotator, start, annotator, latest),
        )
        return None if row is None else showing_of(row)

    def last_showing(self, annotator: str) -> int:
        """Return the number of what this annotator was shown last; 0: nothing yet."""
        return self._database.number(
            "SELECT max(id) FROM showings WHERE annotator = ?", annotator
        )

    def answer(
        self,
        showing: int,
        label: float | None,
        source: Source = "human",
        weight: float = 1.0,
    ) -> Answer:
        """Keep an answer; once this returns, it is on disk.

        The same answer to the same showing again, as from a page that did not hear of
        the first, changes nothing.

        Args:
            showing: What is answered.
            label: P(the question's first is better) in [0, 1]; 0.5 is "equal", None
                "cannot tell".
            source: Who answers.
            weight: How much it counts, more than 0.

        Raises:
            ValueError: The label or weight is out of range, nothing was shown under
                this number, or something else was answered.
        """
        check_answer(label, source, weight)
        self.showing(showing)
        with self._writing() as database:
            known = self._answer_to(showing)
            if known is None:
                values = (showing, label, self.clock(), source, weight)
                known = self._log_row(_insert_answer(database, values))
        if known.label != label:
            raise ValueError(
                f"showing {showing} was answered with {known.label} before, not with "
                f"{label}; undo that first"
            )
        return known

    def add_record(self, record: Record) -> None:
        """Keep an answer given elsewhere, about two segments that are here.

        Raises:
            ValueError: One of the segments is not here.
        """
        with self._writing() as database:
            question = self._question_about(database, record)
            who = record.annotator, record.flipped, record.repeat, record.shown_at
            showing = _insert_showing(database, (question, *who))
            what = record.label, record.answered_at, record.source, record.weight
            _insert_answer(database, (showing, *what))

    def undo(self, annotator: str) -> Answer | None:
        """Take back an annotator's latest answer; returns it, None if there is none."""
        with self._writing() as database:
            row = self._database.one(
                "SELECT answer FROM showings JOIN answers ON answers.id = answer"
                " WHERE annotator = ? AND answer IS NOT NULL AND source = 'human'"
                " ORDER BY answer DESC LIMIT 1",
                annotator,
            )
            return None if row is None else self._take_back(database, row["answer"])

    def take_back(self, answer: int) -> Answer:
        """Take back an answer of anybody by number; returns it."""
        with self._writing() as database:
            return self._take_back(database, answer)

    # --- reading the answers --------------------------------------------------------

    def log(self, after: int = 0) -> list[Answer]:
        """Return the rows of the log with a higher number, undos included, in order."""
        return self._answers("SELECT * FROM log WHERE id > ? ORDER BY id", after)

    def answers(self, annotator: str | None = None) -> list[Answer]:
        """Return the answers that hold, of one annotator or of all, oldest first."""
        if annotator is None:
            return self._answers("SELECT * FROM valid_answers ORDER BY id")
        return self._answers(
            "SELECT * FROM valid_answers WHERE annotator = ? ORDER BY id", annotator
        )

    def latest_answers(self, n: int) -> list[Answer]:
        """Return the latest ``n`` answers of persons that hold, repeats aside."""
        return self._answers(
            "SELECT * FROM valid_answers WHERE source = 'human' AND NOT repeat"
            " ORDER BY id DESC LIMIT ?",
            n,
        )

    def count_answers(self) -> int:
        """Return how many answers of persons hold, repeats aside."""
        return self._database.number("SELECT sum(answered) FROM tallies")

    def tally(self, annotator: str) -> Tally:
        """Return how much an annotator has answered."""
        row = self._database.one(
            "SELECT answered, repeats, consistent FROM tallies WHERE annotator = ?",
            annotator,
        )
        return Tally() if row is None else Tally(*row)

    def _question_about(self, database: StoreFile, record: Record) -> int:
        """Return the number of a record's question, which is noted if need be.

        Raises:
            ValueError: One of its segments is not here.
        """
        pair = record.first, record.second
        row = database.execute(
            "SELECT id FROM questions WHERE first = ? AND second = ?"
            " AND model_version = ?",
            (*pair, record.model_version),
        ).fetchone()
        if row is not None:
            return int(row["id"])
        try:
            return self._insert_question(database, pair, record.model_version).id
        except sqlite3.IntegrityError:  # which looks at both while it inserts
            self._require(*pair)
            raise

    def _take_back(self, database: StoreFile, answer: int) -> Answer:
        database.execute(
            "INSERT INTO answers (answered_at, undoes, source, weight)"
            " VALUES (?, ?, 'human', 1.0)",
            (self.clock(), answer),
        )
        return self._log_row(answer)

    def _answer_to(self, showing: int) -> Answer | None:
        query = (
            "SELECT * FROM log WHERE id = (SELECT id FROM answers WHERE showing = ?)"
        )
        rows = self._answers(query, showing)
        return rows[0] if rows else None

    def _log_row(self, number: int) -> Answer:
        (row,) = self._answers("SELECT * FROM log WHERE id = ?", number)
        return row

    def _answers(self, query: str, *values: Any) -> list[Answer]:
        return [answer_of(row) for row in self._database.rows(query, *values)]


def _insert_showing(database: StoreFile, values: tuple[Any, ...]) -> int:
    cursor = database.execute(
        "INSERT INTO showings (question, annotator, flipped, repeat, shown_at)"
        " VALUES (?, ?, ?, ?, ?)",
        values,
    )
    return int(cursor.lastrowid or 0)


def _insert_answer(database: StoreFile, values: tuple[Any, ...]) -> int:
    cursor = database.execute(
        "INSERT INTO answers (showing, label, answered_at, source, weight)"
        " VALUES (?, ?, ?, ?, ?)",
        values,
    )
    return int(cursor.lastrowid or 0)
