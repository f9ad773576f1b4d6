"""A store's SQLite file: what is read at once, what is written in one piece."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oprl_gym.preferences.store.opening import damaged, explained, open_database

Row = sqlite3.Row


class StoreFile:
    """Reads and writes one file; says in words what SQLite finds wrong with it.

    Args:
        path: The file; made if it does not exist.
        patience: Seconds to wait for another program that writes.

    Raises:
        StoreError: The file is something else, or cannot be used.
    """

    def __init__(self, path: str | Path, patience: float) -> None:
        self.path = path
        self._database = open_database(path, patience)

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._database.close()

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._database.execute(query, values)

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        with explained(self.path):
            return self.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Row | None:
        """Return the first row of a query; None if there is none."""
        with explained(self.path):
            row: Row | None = self.execute(query, values).fetchone()
            return row

    def number(self, query: str, *values: Any) -> int:
        """Return the one number that a query asks for; 0 if there is none."""
        row = self.one(query, *values)
        number = 0 if row is None or row[0] is None else row[0]
        if not isinstance(number, int):
            raise damaged(self.path, f"{number!r:.100} is no count")
        return number

    @contextmanager
    def writing(self) -> Iterator[StoreFile]:
        """Write in one piece or not at all; waits for other writers.

        Inside another of these it is a piece of that one, which alone makes it last.
        """
        begin, commit, *rollback = _WHOLE
        if self._database.in_transaction:
            begin, commit, *rollback = _PIECE
        with explained(self.path):
            self.execute(begin)
            try:
                yield self
                self.execute(commit)
            except BaseException:
                # SQLite has ended some transactions by itself, on a full disk.
                if self._database.in_transaction:
                    for statement in rollback:
                        self.execute(statement)
                raise


_WHOLE = "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
_PIECE = "SAVEPOINT piece", "RELEASE piece", "ROLLBACK TO piece", "RELEASE piece"
