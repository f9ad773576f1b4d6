"""What a store asks about: segments of episodes, and questions about pairs of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from oprl_gym.episodes.packing import content_hash, pack, unpack
from oprl_gym.preferences.store.file import StoreFile
from oprl_gym.preferences.store.records import Question, check_trajectory, question_of
from oprl_gym.types import Trajectory

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE_S = 30.0
"""Seconds to wait for another process that writes."""


class QuestionStore:
    """Segments and questions in one SQLite file.

    Segments are kept once, by content hash. See
    :class:`~oprl_gym.preferences.PreferenceStore`, which adds the answers.

    Args:
        path: The file; made if it does not exist, and brought to today's version.
        clock: Seconds since the epoch.
        patience: Seconds to wait for another process that writes.

    Raises:
        ValueError: The file is something else, or of a newer version.
    """

    def __init__(
        self,
        path: str | Path,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_S,
    ) -> None:
        self.path = Path(path)
        self.clock = clock
        self._database = StoreFile(path, patience)

    def __enter__(self) -> Self:
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

    def batch(self) -> AbstractContextManager[object]:
        """Make all that is written inside one transaction: all of it lasts, or nothing.

        Much faster than one by one, and nobody else can write meanwhile.
        """
        return self._writing()

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
            ValueError: The arrays are damaged, or not those of this hash, or hold what
                nothing can be learned from.
        """
        trajectory = unpack(arrays)
        if content_hash(trajectory) != digest:
            raise ValueError("its arrays have another hash")
        check_trajectory(trajectory)
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
        self._require(first, second)
        with self._writing() as database:
            return self._insert_question(database, (first, second), model_version)

    def was_asked(self, first: str, second: str) -> bool:
        """Return whether there is a question about two segments, given by hash."""
        row = self._database.one(
            "SELECT 1 FROM questions WHERE (first, second) IN (VALUES (?, ?), (?, ?))",
            *(first, second, second, first),
        )
        return row is not None

    def question(self, number: int) -> Question:
        """Return a question by number.

        Raises:
            ValueError: There is none.
        """
        row = self._database.one("SELECT * FROM questions WHERE id = ?", number)
        if row is None:
            raise ValueError(f"there is no question {number!r} in {self.path}")
        return question_of(row)

    def questions(self) -> list[Question]:
        """Return all questions, oldest first."""
        rows = self._database.rows("SELECT * FROM questions ORDER BY id")
        return [question_of(row) for row in rows]

    def packed(self, digest: str) -> bytes:
        """Return a segment's arrays as :func:`packing.pack` made them.

        Raises:
            ValueError: There is no such segment.
        """
        row = self._database.one("SELECT arrays FROM segments WHERE hash = ?", digest)
        if row is None:
            raise self._no_segment(digest)
        if not isinstance(row["arrays"], bytes):  # which SQLite does not see to
            raise ValueError(f"segment {digest[:12]} has no arrays")
        return row["arrays"]

    def trajectory(self, digest: str) -> Trajectory:
        """Return a segment by hash, as a new object.

        Raises:
            ValueError: There is none, or it is damaged.
        """
        trajectory = unpack(self.packed(digest))
        if content_hash(trajectory) != digest:
            raise ValueError(f"the arrays of segment {digest[:12]} have another hash")
        return trajectory

    def clip(self, digest: str) -> bytes | None:
        """Return what a person is shown of a segment; None if nothing was kept."""
        row = self._database.one("SELECT clip FROM segments WHERE hash = ?", digest)
        return row["clip"] if row and isinstance(row["clip"], bytes) else None

    def has_clip(self, digest: str) -> bool:
        """Return whether anything was kept that a person could be shown."""
        query = "SELECT 1 FROM segments WHERE hash = ? AND clip IS NOT NULL"
        return self._database.one(query, digest) is not None

    def open_questions(self) -> int:
        """Return how many questions no person has answered, but could."""
        return self._database.number("SELECT open FROM totals")

    def announce(self, to_come: int | None) -> None:
        """Tell those who answer how many questions may follow; None: any number."""
        with self._writing() as database:
            number = -1 if to_come is None else to_come
            database.execute("UPDATE totals SET to_come = ?", (number,))

    def to_come(self) -> int | None:
        """Return how many questions were said to follow; None: any number."""
        number = self._database.number("SELECT to_come FROM totals")
        return None if number < 0 else number

    def questions_aside(self) -> int:
        """Return how many questions were set aside."""
        return self._database.number("SELECT count(*) FROM questions WHERE aside = 1")

    def set_aside(self, question: int) -> None:
        """Show a question to nobody, until one of its segments gets a clip."""
        with self._writing() as database:
            database.execute("UPDATE questions SET aside = 1 WHERE id = ?", (question,))

    def drop_clip(self, digest: str) -> None:
        """Forget what a person is shown of a segment, so that it can get another."""
        with self._writing() as database:
            database.execute(
                "UPDATE segments SET clip = NULL WHERE hash = ?", (digest,)
            )

    def delete_question(self, number: int) -> bool:
        """Delete a question, and segments that only it was about.

        One that anybody ever answered stays, for the log does; it is set aside. Returns
        whether it is gone.
        """
        sides = self.question(number)
        with self._writing() as database:
            answered = database.one(
                "SELECT 1 FROM answers JOIN showings ON showings.id = answers.showing"
                " WHERE showings.question = ?",
                number,
            )
            if answered is not None:
                self.set_aside(number)
                return False
            database.execute("DELETE FROM showings WHERE question = ?", (number,))
            database.execute("DELETE FROM questions WHERE id = ?", (number,))
            database.execute(
                "DELETE FROM segments WHERE hash IN (?, ?) AND NOT EXISTS (SELECT 1"
                " FROM questions WHERE hash IN (first, second))",
                (sides.first, sides.second),
            )
        return True

    def segments(self) -> list[str]:
        """Return the hashes of all segments."""
        rows = self._database.rows("SELECT hash FROM segments ORDER BY hash")
        return [row["hash"] for row in rows]

    def _writing(self) -> AbstractContextManager[StoreFile]:
        return self._database.writing()

    def _require(self, *digests: str) -> None:
        """Raise ValueError unless there are segments of these hashes."""
        for digest in digests:
            query = "SELECT 1 FROM segments WHERE hash = ?"
            if self._database.one(query, digest) is None:
                raise self._no_segment(digest)

    def _no_segment(self, digest: str) -> ValueError:
        return ValueError(f"there is no segment {digest!r} in {self.path}")

    def _insert_segment(
        self,
        database: StoreFile,
        digest: str,
        arrays: bytes,
        clip: bytes | None,
    ) -> None:
        database.execute(
            "INSERT INTO segments (hash, arrays, clip) VALUES (?, ?, ?)"
            " ON CONFLICT (hash) DO UPDATE SET clip = coalesce(clip, excluded.clip)",
            (digest, arrays, clip),
        )
        if clip is not None:
            database.execute(
                "UPDATE questions SET aside = 0"
                " WHERE aside = 1 AND ? IN (first, second)",
                (digest,),
            )

    def _insert_question(
        self, database: StoreFile, pair: Sequence[str], model_version: int
    ) -> Question:
        cursor = database.execute(
            "INSERT INTO questions (first, second, model_version, asked_at)"
            " VALUES (?, ?, ?, ?)",
            (*pair, model_version, self.clock()),
        )
        return Question(int(cursor.lastrowid or 0), pair[0], pair[1], model_version)
