"""How the file of a preference store is opened, and what is said if it cannot be."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from oprl_gym.config import one_line, shown
from oprl_gym.preferences.store.schema import APPLICATION_ID, VERSION, statements

_POLL_S = 0.05


class StoreError(ValueError):
    """A store cannot be read or written; the message says why and what to do."""


class LockedError(StoreError):
    """Another program is writing to the store, and went on for too long."""


def open_database(path: str | Path, patience: float) -> sqlite3.Connection:
    """Return a connection to the store in a file, which is made if need be.

    A store of an older version is brought to today's. Any thread may use the
    connection, one at a time.

    Args:
        path: The file.
        patience: Seconds to wait for another program that writes.

    Raises:
        ValueError: The file is something else, or cannot be opened.
    """
    try:
        # No implicit transactions: every write says where it begins and ends.
        database = sqlite3.connect(
            path, patience, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from error
    database.row_factory = sqlite3.Row
    try:
        with explained(path):
            _prepare(database, path, patience)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Raise StoreError, in words, for what SQLite finds wrong with a file.

    What breaks a rule of the tables is an error of the program, and stays one.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.Error as error:
        # It quotes statements, of which a damaged file holds part.
        raise _explanation(path, one_line(error)) from error
    except UnicodeDecodeError as error:
        raise damaged(path, str(error)) from error


def damaged(path: str | Path, error: str) -> StoreError:
    """Return what is said of a file that holds what no store would."""
    return StoreError(
        f"{path} is damaged ({error}); `sqlite3 {path} .recover` saves what can be "
        "read, or import your latest export into a new store"
    )


def _explanation(path: str | Path, error: str) -> StoreError:
    if "locked" in error:
        return LockedError(
            f"{path} is locked: another program has been writing to it all the while; "
            f"try again, or end that program (`fuser {path}` names it)"
        )
    if "readonly" in error or "unable to open" in error:
        return StoreError(
            f"{path} cannot be used where it lies ({error}); copy it, and what lies "
            "beside it, to a folder on a local disk that you may write to"
        )
    if "full" in error:
        return StoreError(f"{path} cannot grow ({error}); make room on its disk")
    if "not a database" in error:
        return StoreError(f"{path} is no preference store: {error}")
    return damaged(path, error)


def _prepare(database: sqlite3.Connection, path: str | Path, patience: float) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    # FULL: an answer is on disk before it is acknowledged, whatever fails then.
    database.execute("PRAGMA synchronous = FULL")
    # For imports. 32 MiB: what is written to at random is read once, not each time;
    # and what a piece of a transaction would go back to is noted in no file.
    database.execute("PRAGMA cache_size = -32768")
    database.execute("PRAGMA temp_store = MEMORY")
    version = _known_version(database, path)
    if _pragma(database, "journal_mode") not in ("wal", "memory"):
        _switch_to_wal(database, patience)
    # No lock is taken for nothing: a store that somebody writes to can be opened.
    if version < VERSION:
        _upgrade(database, path)
    else:
        _check_schema(database, path, version)


def _check_schema(database: sqlite3.Connection, path: str | Path, version: int) -> None:
    """Refuse a store in which something else is computed than in one of this version.

    A view or a trigger of somebody else's could go on for ever.

    Raises:
        StoreError: Of what belongs to the tables something is missing, other or new.
    """
    expected = _schema(version)
    found = {
        name: words
        for name, table, words in database.execute(_MADE)
        if name in expected or table in expected
    }
    for name in sorted(expected.keys() | found.keys(), key=str):
        if found.get(name) != expected.get(name):
            raise damaged(path, f"its {shown(name)} is not as a store is made")


_MADE = "SELECT name, tbl_name, sql FROM sqlite_master"


@lru_cache
def _schema(version: int) -> dict[str, str | None]:
    """Return how each table, index, view and trigger of a version is made, by name."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for statement in statements(0, version):
            database.execute(statement)
        return {name: words for name, _, words in database.execute(_MADE)}


def _known_version(database: sqlite3.Connection, path: str | Path) -> int:
    """Return the version of the tables, 0 for an empty file.

    Raises:
        ValueError: It is not one of ours.
    """
    version = int(_pragma(database, "user_version"))
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    is_new = version == 0 and tables == 0
    if not is_new and _pragma(database, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program")
    if not 0 <= version <= VERSION or (version == 0 and tables):
        raise StoreError(
            f"{path} is a preference store of version {version}, and this "
            f"oprl-gym knows version {VERSION}; use the one that wrote it"
        )
    return version


def _upgrade(database: sqlite3.Connection, path: str | Path) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _known_version(database, path)  # raised by another one meanwhile
        _check_schema(database, path, version)
        for statement in statements(version):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _switch_to_wal(database: sqlite3.Connection, patience: float) -> None:
    # SQLite does not wait for others here, as it does everywhere else.
    until = time.monotonic() + patience
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_POLL_S)


def _pragma(database: sqlite3.Connection, name: str) -> Any:
    return database.execute(f"PRAGMA {name}").fetchone()[0]
