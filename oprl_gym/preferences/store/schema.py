"""The tables of a preference store, and how its file is opened."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

VERSION = 1
APPLICATION_ID = 0x4F50524C  # "OPRL", where `file` and others look for it
BUSY_MS = 30_000
"""Milliseconds to wait for another process that writes."""

_COLUMNS = """
    answers.id AS id, answers.label AS label, answers.answered_at AS answered_at,
    answers.undoes AS undoes, answers.source AS source, answers.weight AS weight,
    showings.id AS showing, showings.annotator AS annotator,
    showings.flipped AS flipped, showings.repeat AS repeat,
    showings.shown_at AS shown_at, questions.id AS question,
    questions.first AS first, questions.second AS second,
    questions.model_version AS model_version
"""

_TABLES = f"""
CREATE TABLE segments (
    hash TEXT PRIMARY KEY,
    arrays BLOB NOT NULL,
    clip BLOB
);
CREATE TABLE questions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    first TEXT NOT NULL REFERENCES segments (hash),
    second TEXT NOT NULL REFERENCES segments (hash),
    model_version INTEGER NOT NULL,
    asked_at REAL NOT NULL
);
CREATE INDEX questions_about ON questions (first, second);
CREATE TABLE showings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    question INTEGER NOT NULL REFERENCES questions (id),
    annotator TEXT NOT NULL,
    flipped INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    shown_at REAL NOT NULL
);
CREATE INDEX showings_of_question ON showings (question);
CREATE INDEX showings_of_annotator ON showings (annotator, id);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    showing INTEGER UNIQUE REFERENCES showings (id),
    label REAL CHECK (label BETWEEN 0 AND 1),
    answered_at REAL NOT NULL,
    undoes INTEGER UNIQUE REFERENCES answers (id),
    source TEXT NOT NULL CHECK (source IN ('human', 'synthetic')),
    weight REAL NOT NULL CHECK (weight > 0),
    CHECK ((showing IS NULL) != (undoes IS NULL))
);
CREATE TRIGGER answers_do_not_change BEFORE UPDATE ON answers
BEGIN SELECT raise(ABORT, 'answers are never changed; an undo is a new row'); END;
CREATE TRIGGER answers_do_not_go BEFORE DELETE ON answers
BEGIN SELECT raise(ABORT, 'answers are never deleted; an undo is a new row'); END;

CREATE VIEW log AS
SELECT {_COLUMNS}
FROM answers
LEFT JOIN answers AS undone ON undone.id = answers.undoes
JOIN showings ON showings.id = coalesce(answers.showing, undone.showing)
JOIN questions ON questions.id = showings.question;

CREATE VIEW valid_answers AS
SELECT {_COLUMNS}
FROM answers
JOIN showings ON showings.id = answers.showing
JOIN questions ON questions.id = showings.question
WHERE NOT EXISTS (SELECT 1 FROM answers AS undo WHERE undo.undoes = answers.id);

CREATE VIEW open_questions AS
SELECT * FROM questions
WHERE NOT EXISTS (
    SELECT 1 FROM valid_answers
    WHERE valid_answers.question = questions.id
        AND valid_answers.source = 'human' AND NOT valid_answers.repeat
);
"""


def open_database(path: str | Path) -> sqlite3.Connection:
    """Return a connection to the store in a file, which is made if need be.

    Raises:
        ValueError: The file is something else, or cannot be opened.
    """
    try:
        # No implicit transactions: every write says where it begins and ends.
        database = sqlite3.connect(path, BUSY_MS / 1000, isolation_level=None)
    except sqlite3.Error as error:
        raise ValueError(f"{path} cannot be opened: {error}") from error
    database.row_factory = sqlite3.Row
    try:
        _prepare(database, path)
    except sqlite3.Error as error:
        database.close()
        raise ValueError(f"{path} is no preference store: {error}") from error
    except ValueError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: str | Path) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    # FULL: an answer is on disk before it is acknowledged, whatever fails then.
    database.execute("PRAGMA synchronous = FULL")
    _switch_to_wal(database)
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _pragma(database, "user_version")
        if version == 0:
            _create(database, path)
        elif _pragma(database, "application_id") != APPLICATION_ID:
            raise ValueError(f"{path} is a database of another program")
        elif version != VERSION:
            raise ValueError(
                f"{path} is a preference store of version {version}, and this "
                f"oprl-gym knows version {VERSION}; use the one that wrote it"
            )
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _create(database: sqlite3.Connection, path: str | Path) -> None:
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ValueError(f"{path} is a database of another program")
    for statement in _statements():
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _statements() -> list[str]:
    """Return the statements one by one: `executescript` would commit in between."""
    statements, current = [], ""
    for line in _TABLES.splitlines():
        current += line + "\n"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _switch_to_wal(database: sqlite3.Connection) -> None:
    # SQLite does not wait for others here, as it does everywhere else.
    for attempt in range(100):
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
