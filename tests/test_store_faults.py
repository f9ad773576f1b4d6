"""Stores that are locked, damaged, cut off, hostile, or lie where none can be written.

Each ends in one line that names the file and what to do, or works all the same.
"""

import os
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from support.label_server import open_store, run_with_pairs

from oprl_gym.cli import main
from oprl_gym.labelling.pictures import check_clip
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.preferences import HumanTeacher, PreferenceStore
from oprl_gym.preferences.store.exchange import export_answers, import_answers
from oprl_gym.preferences.store.inspection import delete_broken
from oprl_gym.preferences.store.opening import LockedError, StoreError
from oprl_gym.preferences.store.schema import APPLICATION_ID, STEPS

ANSWERED = 6
TABLES = (
    *("segments", "questions", "showings", "answers", "totals", "tallies"),
    *("log", "valid_answers", "repeated"),
)


def session(store):
    return LabellingSession(store, "ann", np.random.default_rng(0), repeats=0.2)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A run of which half was labelled, its store in one file, and an export."""
    folder = run_with_pairs(tmp_path_factory.mktemp("faults") / "run", pairs=12)
    with open_store(folder) as store:
        for _ in range(ANSWERED):
            subject = session(store)
            subject.answer(subject.current().showing, "left")
        export_answers(store, folder.path / "answers.jsonl")
        store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def folder(labelled, tmp_path):
    """Return a copy to be broken."""
    shutil.copytree(labelled.path, tmp_path / "run")
    return type(labelled)(tmp_path / "run")


def one_line(capsys, *arguments):
    """Call the command line, which has to refuse; returns what it says."""
    assert main(["label", *map(str, arguments)]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


# --- locked -------------------------------------------------------------------------


@pytest.fixture
def locked(folder):
    """Somebody writes to the store all the while."""
    other = sqlite3.connect(folder.preferences, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield folder
    other.close()


def test_a_locked_store_can_be_opened_and_read(locked):
    with PreferenceStore(locked.preferences, patience=0.1) as store:
        assert store.count_answers() == ANSWERED
        assert store.next_open("ann") is not None


def test_who_cannot_write_says_that_the_store_is_locked_and_what_to_do(locked):
    with (
        PreferenceStore(locked.preferences, patience=0.1) as store,
        pytest.raises(LockedError, match=r"is locked: .* end that program \(`fuser "),
    ):
        session(store).current()


def test_the_command_line_says_that_the_store_is_locked(locked, capsys, monkeypatch):
    monkeypatch.setattr("oprl_gym.preferences.store.questions.PATIENCE_S", 0.1)
    # A line that is not there yet.
    exported = locked.path / "answers.jsonl"
    exported.write_text(exported.read_text().replace('"ann"', '"bob"'))
    assert "is locked" in one_line(capsys, locked.path, "--import-from", exported)


# --- damaged ------------------------------------------------------------------------


def use(path: Path, folder: Path) -> list[str]:
    """Do all there is to do with a store; returns what it refuses to do, and why."""

    def label(store):
        subject = session(store)
        for _ in range(4):
            shown = subject.current()
            subject.progress()
            if shown is not None:
                subject.answer(shown.showing, "left")
        subject.undo()

    works = (
        label,
        lambda store: export_answers(store, folder / "out.jsonl"),
        lambda store: export_answers(store, folder / "out.csv"),
        lambda store: import_answers(store, folder / "answers.jsonl", check_clip),
        lambda store: HumanTeacher(store).collect(0),
        lambda store: delete_broken(store, check_clip),
    )
    refusals = []
    for work in works:
        try:
            with PreferenceStore(path, patience=0.1) as store:
                work(store)
        except (ValueError, sqlite3.IntegrityError) as error:
            refusals.append(str(error))
    return refusals


@pytest.mark.parametrize("table", TABLES)
def test_a_store_without_one_of_its_tables_says_that_it_is_damaged(folder, table):
    database = sqlite3.connect(folder.preferences)
    kind = "VIEW" if table in TABLES[-3:] else "TABLE"
    database.execute(f"DROP {kind} {table}")
    database.close()
    refusals = use(folder.preferences, folder.path)
    assert refusals
    assert all("is damaged" in refusal for refusal in refusals)
    assert all("\n" not in refusal for refusal in refusals)


def test_a_table_that_goes_while_the_store_is_open_is_missed_in_one_line(folder):
    with PreferenceStore(folder.preferences) as store:
        database = sqlite3.connect(folder.preferences)
        database.execute("DROP TABLE questions")
        database.close()
        with pytest.raises(StoreError, match=r"is damaged.*recover"):
            session(store).current()


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
PLANTED = {
    "endless view": (
        "DROP VIEW valid_answers",
        f"CREATE VIEW valid_answers AS {ENDLESS} SELECT max(n) AS id FROM c",
    ),
    "view without columns": ("DROP VIEW log", "CREATE VIEW log AS SELECT 1 AS id"),
    "endless trigger": (
        "CREATE TRIGGER more AFTER INSERT ON showings BEGIN UPDATE totals SET open ="
        " (SELECT max(n) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1"
        " FROM c) SELECT n FROM c)); END",
    ),
    "trigger that refuses": (
        "CREATE TRIGGER more BEFORE INSERT ON showings"
        " BEGIN SELECT raise(ABORT, 'no'); END",
    ),
    "index that computes": (
        "CREATE INDEX more ON showings (length(printf('%9000000d', id)))",
    ),
    "table that is a view": (
        "DROP TABLE totals",
        f"CREATE VIEW totals AS {ENDLESS} SELECT max(n) AS open FROM c",
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("version", [1, 2])
def test_what_somebody_has_planted_in_a_store_is_never_computed(
    folder, tmp_path, kind, version
):
    """A view or a trigger could go on for ever."""
    path = folder.preferences
    if version == 1:
        path = tmp_path / "old.sqlite"
    database = sqlite3.connect(path)
    if version == 1:
        database.executescript(STEPS[0])
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 1")
        if kind == "table that is a view":
            database.execute("CREATE TABLE totals (open)")
    for statement in PLANTED[kind]:
        database.execute(statement)
    database.commit()
    database.close()
    refusals = use(path, folder.path)
    assert len(refusals) == 6
    assert all("is damaged" in refusal for refusal in refusals)


def test_what_else_lies_in_the_file_is_nobody_elses_business(folder):
    database = sqlite3.connect(folder.preferences)
    database.execute("CREATE TABLE notes (words)")
    database.execute("ANALYZE")
    database.close()
    assert use(folder.preferences, folder.path) == []


def damage(folder, seeds):
    """Break copies of a store, a bit, a page, bytes here and there, its end."""
    whole = folder.preferences.read_bytes()
    for seed in seeds:
        rng = random.Random(seed)
        content, kind = bytearray(whole), seed % 4
        if kind == 0:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            page = 4096 * rng.randrange(len(content) // 4096)
            content[page : page + 4096] = rng.randbytes(4096)
        elif kind == 2:
            for _ in range(20):
                content[rng.randrange(len(content))] = rng.randrange(256)
        else:
            del content[rng.randrange(len(content)) :]
        for beside in folder.path.glob("preferences.sqlite-*"):
            beside.unlink()
        folder.preferences.write_bytes(content)
        for refusal in use(folder.preferences, folder.path):
            assert "\n" not in refusal


@pytest.mark.filterwarnings("ignore:.*is left out")
def test_pages_that_are_corrupt_never_end_in_a_traceback(folder):
    damage(folder, range(12))


def test_a_broken_statement_is_quoted_in_one_line(folder):
    """SQLite says it with the line ends that the statement has in the file."""
    database = sqlite3.connect(folder.preferences)
    database.execute("PRAGMA writable_schema = ON")
    database.execute(
        "UPDATE sqlite_master SET name = 'answers AS' || char(10) || 'SELECT', sql = ''"
        " WHERE name = 'valid_answers'"
    )
    database.commit()
    database.close()
    refusals = use(folder.preferences, folder.path)
    assert len(refusals) == 6
    assert all("is damaged" in refusal for refusal in refusals)
    assert all("\n" not in refusal for refusal in refusals)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*is left out")
def test_many_pages_that_are_corrupt_never_end_in_a_traceback(folder):
    damage(folder, range(100, 700))


ODD = "x", b"\xff", 1e999


@pytest.mark.filterwarnings("ignore:.*is left out")
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("answers", "label"),
        ("answers", "weight"),
        ("answers", "answered_at"),
        ("showings", "shown_at"),
        ("showings", "annotator"),
        ("questions", "model_version"),
        ("segments", "arrays"),
        ("segments", "clip"),
        ("totals", "open"),
        ("tallies", "answered"),
    ],
)
def test_values_that_no_store_has_are_refused_or_left_out(folder, table, column):
    for value in ODD:
        database = sqlite3.connect(folder.preferences)
        database.execute("PRAGMA ignore_check_constraints = 1")
        database.execute("DROP TRIGGER IF EXISTS answers_do_not_change")
        database.execute(f"UPDATE {table} SET {column} = ?", (value,))
        database.commit()
        database.close()
        for refusal in use(folder.preferences, folder.path):
            assert "\n" not in refusal


def test_a_store_whose_columns_have_no_types_never_ends_in_a_traceback(folder):
    """SQLite then keeps a number where the hash of a segment stands."""
    database = sqlite3.connect(folder.preferences)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute("PRAGMA writable_schema = ON")
    database.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'first TEXT', 'first')"
        " WHERE name = 'questions'"
    )
    database.commit()
    database.close()
    database = sqlite3.connect(folder.preferences)
    database.execute("UPDATE questions SET first = 7")
    database.commit()
    database.close()
    for refusal in use(folder.preferences, folder.path):
        assert "\n" not in refusal


def test_the_command_line_names_a_damaged_store_and_the_remedy(folder, capsys):
    with folder.preferences.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(2**15))
    text = one_line(capsys, folder.path, "--export-to", folder.path / "out.csv")
    assert f"{folder.preferences} is damaged" in text
    assert "recover" in text
    assert not (folder.path / "out.csv").exists()


def test_arrays_that_are_not_those_of_their_hash_are_noticed(folder):
    """A bit that turned in the middle of a number."""
    with open_store(folder) as store:
        question = store.answers()[0].question
        arrays = bytearray(store.packed(question.first))
        arrays[-100] ^= 1
        store._database.execute(
            "UPDATE segments SET arrays = ? WHERE hash = ?",
            (bytes(arrays), question.first),
        )
        with pytest.raises(ValueError, match="have another hash"):
            store.trajectory(question.first)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_write_ahead_log_that_was_cut_off_loses_its_end_alone(tmp_path, share):
    folder = run_with_pairs(tmp_path / "run", pairs=6)
    with open_store(folder) as store:
        store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        subject = session(store)
        for _ in range(6):
            subject.answer(subject.current().showing, "left")
        whole = store.log()
        for name in ("preferences.sqlite", "preferences.sqlite-wal"):
            shutil.copy(folder.path / name, tmp_path / name)
    log = tmp_path / "preferences.sqlite-wal"
    os.truncate(log, int(share * log.stat().st_size))
    with PreferenceStore(tmp_path / "preferences.sqlite") as cut:
        assert cut.log() == whole[: len(cut.log())]
        assert len(cut.questions()) == 6
        check = cut._database.execute("PRAGMA integrity_check").fetchone()[0]
        assert check == "ok"
        subject = session(cut)
        assert subject.answer(subject.current().showing, "left") is None


# --- where nothing can be written ----------------------------------------------------


@pytest.fixture
def as_nobody(folder):
    """Have no rights to the folder, whoever runs the tests."""
    root = os.geteuid() == 0
    before = {path: path.stat().st_mode for path in folder.path.parents}
    for path in (folder.path, *folder.path.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if root:
        for path, mode in before.items():
            path.chmod(mode | 0o055)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
        for path, mode in before.items():
            path.chmod(mode)
    folder.path.chmod(0o755)


def test_a_store_where_nothing_can_be_written_says_so(as_nobody, tmp_path, capsys):
    text = one_line(capsys, as_nobody.path, "--export-to", tmp_path / "out.csv")
    assert "cannot be used where it lies" in text
    assert "copy it" in text


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_an_export_to_where_nothing_can_be_written_says_so(folder, capsys, name):
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).mkdir()
    for place in (folder.path / name, folder.path / "missing" / name, f"/proc/{name}"):
        text = one_line(capsys, folder.path, "--export-to", place)
        assert f"{place} cannot be written" in text
        assert "name a file in a folder that you may write to" in text
    assert not list(folder.path.glob("*.partial"))
