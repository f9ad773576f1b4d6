"""PreferenceStore: questions and answers on disk, for several processes at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from oprl_gym.episodes.packing import content_hash, pack, unpack
from oprl_gym.preferences.store.records import (
    Answer,
    Question,
    Record,
    Showing,
    Source,
    answer_of,
    check_answer,
    question_of,
    showing_of,
)
from oprl_gym.preferences.store.schema import open_database
from oprl_gym.types import Trajectory

CLAIM_S = 120.0
"""Seconds for which a pair shown to one annotator is not shown to another."""


class PreferenceStore:
    """Segments, questions about pairs of them, and answers, in one SQLite file.

    Segments are kept once, by content hash. The log of answers only grows: an undo is a
    row of its own. Any number of processes may use one store at a time; an answer that
    was acknowledged stays, whatever is killed afterwards. The file must lie on a disk
    of this machine: SQLite's write-ahead log does not work over a network.

    Args:
        path: The file; made if it does not exist.
        clock: Seconds since the epoch.

    Raises:
        ValueError: The file is something else, or of a newer version.

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

    def __init__(
        self, path: str | Path, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self.clock = clock
        self._database = open_database(path)

    def __enter__(self) -> PreferenceStore:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._database.close()

    # --- segments and questions -----------------------------------------------------

    def add_segment(self, trajectory: Trajectory, clip: bytes | None = None) -> str:
        """Keep a segment, and what a person is shown of it; returns its hash.

        One that is there already is left as it is, and gets a clip if it had none.
        """
        digest = content_hash(trajectory)
        with self._writing() as database:
            self._insert_segment(database, digest, pack(trajectory), clip)
        return digest

    def add_packed(self, digest: str, arrays: bytes, clip: bytes | None) -> None:
        """Keep a segment from another store.

        Raises:
            ValueError: The arrays are damaged, or not those of this hash.
        """
        if content_hash(unpack(arrays)) != digest:
            raise ValueError(f"the arrays of segment {digest[:12]} have another hash")
        with self._writing() as database:
            self._insert_segment(database, digest, arrays, clip)

    def ask(
        self,
        first: Trajectory,
        second: Trajectory,
        clips: tuple[bytes | None, bytes | None] = (None, None),
        model_version: int = 0,
    ) -> Question:
        """Note a question.

        Args:
            first: One segment.
            second: The other.
            clips: What a person is shown of them.
            model_version: How often the reward model has been fitted so far.
        """
        hashes = content_hash(first), content_hash(second)
        with self._writing() as database:
            for digest, side, clip in zip(hashes, (first, second), clips, strict=True):
                self._insert_segment(database, digest, pack(side), clip)
            return self._insert_question(database, hashes, model_version)

    def ask_stored(self, first: str, second: str, model_version: int = 0) -> Question:
        """Note a question about two segments that are there, given by hash.

        Raises:
            ValueError: One of them is not there.
        """
        for digest in (first, second):
            self.packed(digest)
        with self._writing() as database:
            return self._insert_question(database, (first, second), model_version)

    def was_asked(self, first: str, second: str) -> bool:
        """Return whether there is a question about two segments, given by hash."""
        row = self._one(
            "SELECT 1 FROM questions WHERE (first, second) IN (VALUES (?, ?), (?, ?))",
            *(first, second, second, first),
        )
        return row is not None

    def question(self, number: int) -> Question:
        """Return a question by number.

        Raises:
            ValueError: There is none.
        """
        row = self._one("SELECT * FROM questions WHERE id = ?", number)
        if row is None:
            raise ValueError(f"there is no question {number!r} in {self.path}")
        return question_of(row)

    def questions(self) -> list[Question]:
        """Return all questions, oldest first."""
        rows = self._database.execute("SELECT * FROM questions ORDER BY id")
        return [question_of(row) for row in rows]

    def packed(self, digest: str) -> bytes:
        """Return a segment's arrays as :func:`packing.pack` made them.

        Raises:
            ValueError: There is no such segment.
        """
        row = self._one("SELECT arrays FROM segments WHERE hash = ?", digest)
        if row is None:
            raise ValueError(f"there is no segment {digest!r} in {self.path}")
        return bytes(row["arrays"])

    def trajectory(self, digest: str) -> Trajectory:
        """Return a segment by hash, as a new object.

        Raises:
            ValueError: There is none.
        """
        return unpack(self.packed(digest))

    def clip(self, digest: str) -> bytes | None:
        """Return what a person is shown of a segment; None if nothing was kept."""
        row = self._one("SELECT clip FROM segments WHERE hash = ?", digest)
        return None if row is None or row["clip"] is None else bytes(row["clip"])

    def open_questions(self) -> int:
        """Return how many questions no person has answered."""
        return self._count("SELECT count(*) FROM open_questions")

    # --- showing and answering ------------------------------------------------------

    def next_open(self, annotator: str) -> Question | None:
        """Return the oldest question that nobody has answered or looks at just now."""
        row = self._one(
            "SELECT * FROM open_questions WHERE id NOT IN (SELECT question FROM"
            " showings WHERE annotator != ? AND shown_at > ?) ORDER BY id LIMIT 1",
            annotator,
            self.clock() - CLAIM_S,
        )
        return None if row is None else question_of(row)

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
        row = self._one("SELECT * FROM showings WHERE id = ?", number)
        if row is None:
            raise ValueError(f"nothing was shown under the number {number!r}")
        return showing_of(row)

    def unanswered(self, annotator: str) -> Showing | None:
        """Return what this annotator was shown last, if it awaits an answer."""
        row = self._one(
            "SELECT * FROM showings WHERE annotator = ? ORDER BY id DESC LIMIT 1",
            annotator,
        )
        if row is None or self._answer_to(row["id"]) is not None:
            return None
        showing = showing_of(row)
        if not showing.repeat and not self._is_open(showing.question):
            return None  # somebody else has answered it meanwhile
        return showing

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
        for digest in (record.first, record.second):
            self.packed(digest)
        with self._writing() as database:
            question = self._question_about(database, record)
            who = record.annotator, record.flipped, record.repeat, record.shown_at
            showing = _insert_showing(database, (question, *who))
            what = record.label, record.answered_at, record.source, record.weight
            _insert_answer(database, (showing, *what))

    def undo(self, annotator: str) -> Answer | None:
        """Take back an annotator's latest answer; returns it, None if there is none."""
        with self._writing() as database:
            row = self._one(
                "SELECT id FROM valid_answers WHERE annotator = ? AND source = 'human'"
                " ORDER BY id DESC LIMIT 1",
                annotator,
            )
            if row is None:
                return None
            database.execute(
                "INSERT INTO answers (answered_at, undoes, source, weight)"
                " VALUES (?, ?, 'human', 1.0)",
                (self.clock(), row["id"]),
            )
            return self._log_row(row["id"])

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

    def count_answers(self) -> int:
        """Return how many answers of persons hold, repeats aside."""
        return self._count(
            "SELECT count(*) FROM valid_answers WHERE source = 'human' AND NOT repeat"
        )

    def segments(self) -> list[str]:
        """Return the hashes of all segments."""
        rows = self._database.execute("SELECT hash FROM segments ORDER BY hash")
        return [row["hash"] for row in rows]

    # --- inside ---------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one piece or not at all; waits for other writers."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _insert_segment(
        self,
        database: sqlite3.Connection,
        digest: str,
        arrays: bytes,
        clip: bytes | None,
    ) -> None:
        database.execute(
            "INSERT INTO segments (hash, arrays, clip) VALUES (?, ?, ?)"
            " ON CONFLICT (hash) DO UPDATE SET clip = coalesce(clip, excluded.clip)",
            (digest, arrays, clip),
        )

    def _insert_question(
        self, database: sqlite3.Connection, pair: Sequence[str], model_version: int
    ) -> Question:
        cursor = database.execute(
            "INSERT INTO questions (first, second, model_version, asked_at)"
            " VALUES (?, ?, ?, ?)",
            (*pair, model_version, self.clock()),
        )
        return Question(int(cursor.lastrowid or 0), pair[0], pair[1], model_version)

    def _question_about(self, database: sqlite3.Connection, record: Record) -> int:
        """Return the number of a record's question, which is noted if need be."""
        pair = record.first, record.second
        row = self._one(
            "SELECT id FROM questions WHERE first = ? AND second = ?"
            " AND model_version = ?",
            *pair,
            record.model_version,
        )
        if row is not None:
            return int(row["id"])
        return self._insert_question(database, pair, record.model_version).id

    def _is_open(self, question: int) -> bool:
        found = self._one("SELECT 1 FROM open_questions WHERE id = ?", question)
        return found is not None

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
        return [answer_of(row) for row in self._database.execute(query, values)]

    def _one(self, query: str, *values: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._database.execute(query, values).fetchone()
        return row

    def _count(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


def _insert_showing(database: sqlite3.Connection, values: tuple[Any, ...]) -> int:
    cursor = database.execute(
        "INSERT INTO showings (question, annotator, flipped, repeat, shown_at)"
        " VALUES (?, ?, ?, ?, ?)",
        values,
    )
    return int(cursor.lastrowid or 0)


def _insert_answer(database: sqlite3.Connection, values: tuple[Any, ...]) -> int:
    cursor = database.execute(
        "INSERT INTO answers (showing, label, answered_at, source, weight)"
        " VALUES (?, ?, ?, ?, ?)",
        values,
    )
    return int(cursor.lastrowid or 0)
