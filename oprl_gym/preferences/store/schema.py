"""The tables of a preference store, version by version."""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x4F50524C  # "OPRL", where `file` and others look for it

_COLUMNS = """
    answers.id AS id, answers.label AS label, answers.answered_at AS answered_at,
    answers.undoes AS undoes, answers.source AS source, answers.weight AS weight,
    showings.id AS showing, showings.annotator AS annotator,
    showings.flipped AS flipped, showings.repeat AS repeat,
    showings.shown_at AS shown_at, questions.id AS question,
    questions.first AS first, questions.second AS second,
    questions.model_version AS model_version
"""

_FIRST = f"""
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

_SECOND = f"""
-- Counts are kept by triggers: what a person is shown must not take longer the more was
-- answered before.
ALTER TABLE questions ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;  -- of people
ALTER TABLE questions ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;  -- nobody can see it
ALTER TABLE showings ADD COLUMN answer INTEGER REFERENCES answers (id);  -- that holds
CREATE INDEX questions_open ON questions (id) WHERE answers = 0 AND aside = 0;
CREATE INDEX questions_aside ON questions (id) WHERE aside = 1;
CREATE INDEX showings_answered ON showings (annotator, answer)
WHERE answer IS NOT NULL;
CREATE TABLE totals (open INTEGER NOT NULL);
INSERT INTO totals SELECT count(*) FROM questions;
CREATE TABLE tallies (
    annotator TEXT PRIMARY KEY,
    answered INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    consistent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

DROP VIEW open_questions;
DROP VIEW valid_answers;
CREATE VIEW valid_answers AS
SELECT {_COLUMNS}
FROM showings
JOIN answers ON answers.id = showings.answer
JOIN questions ON questions.id = showings.question;

-- Answers to repeats, and whether they are what was said before.
CREATE VIEW repeated AS
SELECT again.id AS answer, again.label = (
    SELECT said.label
    FROM showings AS before JOIN answers AS said ON said.showing = before.id
    WHERE before.question = showings.question
        AND +before.annotator = showings.annotator  -- +: not by this index
        AND NOT before.repeat AND said.id < again.id
    ORDER BY said.id DESC LIMIT 1
) AS same
FROM answers AS again JOIN showings ON showings.id = again.showing
WHERE showings.repeat;

CREATE TRIGGER question_asked AFTER INSERT ON questions
BEGIN UPDATE totals SET open = open + 1; END;
CREATE TRIGGER question_changed AFTER UPDATE OF answers, aside ON questions
BEGIN
    UPDATE totals SET open = open
        + (NEW.answers = 0 AND NEW.aside = 0) - (OLD.answers = 0 AND OLD.aside = 0);
END;
CREATE TRIGGER question_deleted AFTER DELETE ON questions
BEGIN
    UPDATE totals SET open = open - (OLD.answers = 0 AND OLD.aside = 0);
END;
CREATE TRIGGER answer_given AFTER INSERT ON answers WHEN NEW.showing IS NOT NULL
BEGIN UPDATE showings SET answer = NEW.id WHERE id = NEW.showing; END;
CREATE TRIGGER answer_undone AFTER INSERT ON answers WHEN NEW.undoes IS NOT NULL
BEGIN
    UPDATE showings SET answer = NULL
    WHERE id = (SELECT showing FROM answers WHERE id = NEW.undoes);
END;
CREATE TRIGGER answer_counted AFTER UPDATE OF answer ON showings
WHEN NOT NEW.repeat AND NEW.answer IS NOT OLD.answer AND 'human' = (
    SELECT source FROM answers WHERE id = coalesce(NEW.answer, OLD.answer)
)
BEGIN
    UPDATE questions
    SET answers = answers + (NEW.answer IS NOT NULL) - (OLD.answer IS NOT NULL)
    WHERE id = NEW.question;
    INSERT OR IGNORE INTO tallies (annotator) VALUES (NEW.annotator);
    UPDATE tallies
    SET answered = answered + (NEW.answer IS NOT NULL) - (OLD.answer IS NOT NULL)
    WHERE annotator = NEW.annotator;
END;
CREATE TRIGGER repeat_counted AFTER UPDATE OF answer ON showings
WHEN NEW.repeat AND NEW.answer IS NOT OLD.answer
BEGIN
    INSERT OR IGNORE INTO tallies (annotator) VALUES (NEW.annotator);
    UPDATE tallies
    SET repeats = repeats
            + (SELECT count(same) FROM repeated WHERE answer = NEW.answer)
            - (SELECT count(same) FROM repeated WHERE answer = OLD.answer),
        consistent = consistent
            + (SELECT count(*) FROM repeated WHERE answer = NEW.answer AND same)
            - (SELECT count(*) FROM repeated WHERE answer = OLD.answer AND same)
    WHERE annotator = NEW.annotator;
END;
-- Counts what an older version has written.
UPDATE showings SET answer = (
    SELECT id FROM answers WHERE answers.showing = showings.id
        AND NOT EXISTS (SELECT 1 FROM answers AS undo WHERE undo.undoes = answers.id)
);
"""

_THIRD = """
-- What a training run may still ask; -1: without a limit.
ALTER TABLE totals ADD COLUMN to_come INTEGER NOT NULL DEFAULT 0;

-- A repeat that prefers the same side says the same, by whatever margin.
DROP VIEW repeated;
CREATE VIEW repeated AS
SELECT again.id AS answer, (again.label > 0.5) - (again.label < 0.5) = (
    SELECT (said.label > 0.5) - (said.label < 0.5)
    FROM showings AS before JOIN answers AS said ON said.showing = before.id
    WHERE before.question = showings.question
        AND +before.annotator = showings.annotator  -- +: not by this index
        AND NOT before.repeat AND said.id < again.id
    ORDER BY said.id DESC LIMIT 1
) AS same
FROM answers AS again JOIN showings ON showings.id = again.showing
WHERE showings.repeat;
UPDATE tallies SET consistent = (
    SELECT count(*) FROM showings JOIN repeated ON repeated.answer = showings.answer
    WHERE showings.annotator = tallies.annotator AND same
);
"""

STEPS = (_FIRST, _SECOND, _THIRD)
"""What leads from each version to the next."""
VERSION = len(STEPS)


def statements(version: int, until: int = VERSION) -> list[str]:
    """Return the statements that lead from a version to a later one, 0 being nothing.

    One by one: `executescript` would commit in between.
    """
    found, current = [], ""
    for line in "".join(STEPS[version:until]).splitlines():
        current += line + "\n"
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found
