"""A preference store: what is kept, who sees it, and what survives."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.fakes import trajectory

from oprl_gym.episodes.packing import content_hash, pack, unpack
from oprl_gym.preferences import PreferenceStore
from oprl_gym.preferences.store.database import CLAIM_S
from oprl_gym.types import Trajectory

A, B, C = trajectory([0, 1]), trajectory([0, 2]), trajectory([0, 3], [10.0])


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    with PreferenceStore(tmp_path / "preferences.sqlite", clock) as store:
        yield store


def answered(store, label=1.0, annotator="ann", **kwargs):
    """Ask, show and answer; returns the answer."""
    question = store.ask(A, B)
    showing = store.show(question.id, annotator, flipped=False, **kwargs)
    return store.answer(showing.id, label)


# --- segments -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64])
def test_a_trajectory_comes_back_as_it_went_in(store, rng, dtype):
    observations = rng.integers(0, 200, size=(6, 3, 2)).astype(dtype)
    whole = Trajectory(
        observations[::-1],  # no contiguous array
        rng.normal(size=(5, 2)).astype(np.float32),
        rng.normal(size=5),
        rng.normal(size=5),
        terminated=True,
    )
    found = store.trajectory(store.add_segment(whole))
    for name in ("observations", "actions", "env_rewards", "process_rewards"):
        expected, got = getattr(whole, name), getattr(found, name)
        assert got.dtype == expected.dtype
        assert (got == expected).all()
    assert found.terminated is True


def test_equal_segments_are_kept_once(store):
    again = trajectory([0, 1])
    assert store.add_segment(A) == store.add_segment(again)
    assert len(store.segments()) == 1
    assert store.add_segment(B) != store.add_segment(A)


def test_the_hash_tells_apart_what_differs_and_nothing_else():
    def with_(**changes):
        return content_hash(Trajectory(**{**vars(A), **changes}))

    assert with_(process_rewards=np.ones(1)) == content_hash(A)
    assert with_(terminated=True) != content_hash(A)
    assert with_(env_rewards=np.ones(1)) != content_hash(A)
    assert with_(observations=A.observations.astype(np.float64)) != content_hash(A)
    assert re.fullmatch("[0-9a-f]{64}", content_hash(A))


def test_a_clip_is_kept_with_its_segment_and_added_if_it_was_missing(store):
    digest = store.add_segment(A)
    assert store.clip(digest) is None
    store.add_segment(A, b"picture")
    store.add_segment(A, b"another")
    assert store.clip(digest) == b"picture"


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", pack(A)[:-3]])
def test_damaged_bytes_are_no_trajectory(data):
    with pytest.raises(ValueError, match="hold no trajectory"):
        unpack(data)


def test_unknown_segments_questions_and_showings_are_named(store):
    for call in (store.packed, store.trajectory):
        with pytest.raises(ValueError, match="no segment 'abc'"):
            call("abc")
    with pytest.raises(ValueError, match="no question 7"):
        store.show(7, "ann", flipped=False)
    with pytest.raises(ValueError, match="nothing was shown under the number 7"):
        store.answer(7, 1.0)
    with pytest.raises(ValueError, match="no segment"):
        store.ask_stored(store.add_segment(A), "abc")
    assert store.questions() == []


# --- answers ------------------------------------------------------------------------


def test_an_answer_knows_who_when_and_how(store, clock):
    question = store.ask(A, B, model_version=3)
    clock.now = 1001.0
    showing = store.show(question.id, "ann", flipped=True)
    clock.now = 1004.5
    row = store.answer(showing.id, 0.5, weight=2.0)
    assert store.answers() == store.log() == [row]
    assert (row.question, row.showing) == (question, showing)
    assert (showing.annotator, showing.flipped, showing.repeat) == ("ann", True, False)
    assert (showing.shown_at, row.answered_at) == (1001.0, 1004.5)
    assert (row.label, row.weight, row.source) == (0.5, 2.0, "human")
    assert row.question.model_version == 3


def test_an_undo_is_a_row_of_its_own(store):
    first, second = answered(store, 1.0), answered(store, None)
    assert store.undo("ann") == second
    assert store.answers() == [first]
    assert [row.undoes for row in store.log()] == [None, None, second.id]
    assert store.undo("ann") == first
    assert store.undo("ann") is None
    assert store.answers() == []
    assert len(store.log()) == 4


def test_nobody_undoes_what_somebody_else_answered(store):
    answered(store, annotator="bob")
    assert store.undo("ann") is None
    assert len(store.answers()) == 1


@pytest.mark.parametrize(
    "change", ["DELETE FROM answers", "UPDATE answers SET label=0"]
)
def test_the_log_refuses_to_be_changed(store, change):
    row = answered(store)
    with (
        sqlite3.connect(store.path) as database,
        pytest.raises(sqlite3.IntegrityError, match="an undo is a new row"),
    ):
        database.execute(change)
    database.close()
    assert store.log() == [row]


def test_the_same_answer_twice_is_one_and_a_different_one_is_refused(store):
    row = answered(store, 1.0)
    assert store.answer(row.showing.id, 1.0) == row
    with pytest.raises(ValueError, match=r"answered with 1\.0 before, not with 0\.0"):
        store.answer(row.showing.id, 0.0)
    assert store.log() == [row]


@pytest.mark.parametrize("label", [-0.1, 1.1, float("nan")])
def test_a_label_is_a_probability(store, label):
    showing = store.show(store.ask(A, B).id, "ann", flipped=False)
    with pytest.raises(ValueError, match="a label is a probability"):
        store.answer(showing.id, label)
    assert store.log() == []


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_positive(store, weight):
    showing = store.show(store.ask(A, B).id, "ann", flipped=False)
    with pytest.raises(ValueError, match="a weight is a positive number"):
        store.answer(showing.id, 1.0, weight=weight)
    assert store.log() == []


# --- who is asked what --------------------------------------------------------------


def test_the_oldest_open_question_comes_first(store):
    one, two = store.ask(A, B), store.ask(A, C)
    assert store.open_questions() == 2
    assert store.next_open("ann") == one
    store.answer(store.show(one.id, "ann", flipped=False).id, None)
    assert store.next_open("ann") == two
    store.undo("ann")
    assert store.next_open("ann") == one
    assert store.open_questions() == 2


def test_two_annotators_are_not_asked_the_same_at_the_same_time(store, clock):
    one, two = store.ask(A, B), store.ask(A, C)
    store.show(one.id, "ann", flipped=False)
    assert store.next_open("bob") == two
    assert store.next_open("ann") == one
    clock.now += CLAIM_S + 1  # ann has gone away
    assert store.next_open("bob") == one


def test_a_synthetic_answer_leaves_the_question_open(store):
    question = store.ask(A, B)
    showing = store.show(question.id, "rule", flipped=False)
    store.answer(showing.id, 1.0, "synthetic")
    assert store.open_questions() == 1
    assert store.count_answers() == 0
    assert store.undo("rule") is None


def test_repeats_do_not_count_as_answers(store):
    row = answered(store)
    again = store.show(row.question.id, "ann", flipped=True, repeat=True)
    store.answer(again.id, 0.0)
    assert store.count_answers() == 1
    assert [row.showing.repeat for row in store.answers()] == [False, True]


def test_what_was_shown_last_is_known_after_a_restart(store):
    question = store.ask(A, B)
    assert store.unanswered("ann") is None
    showing = store.show(question.id, "ann", flipped=True)
    with PreferenceStore(store.path) as other:
        assert other.unanswered("ann") == showing
        assert other.unanswered("bob") is None
        other.answer(showing.id, 1.0)
    assert store.unanswered("ann") is None


def test_what_somebody_else_answered_meanwhile_is_not_shown_any_more(store, clock):
    question = store.ask(A, B)
    store.show(question.id, "ann", flipped=True)
    clock.now += CLAIM_S + 1
    store.answer(store.show(question.id, "bob", flipped=False).id, 1.0)
    assert store.unanswered("ann") is None


# --- the file -----------------------------------------------------------------------


def test_it_is_in_wal_mode_and_syncs_every_commit(store):
    pragma = "PRAGMA journal_mode", "PRAGMA synchronous"
    mode, sync = (store._database.execute(text).fetchone()[0] for text in pragma)
    assert (mode, sync) == ("wal", 2)


def test_a_file_that_is_something_else_is_left_alone(tmp_path):
    text = tmp_path / "text"
    text.write_text("no database, but long enough to be taken for one " * 40)
    before = text.read_bytes()
    with pytest.raises(ValueError, match="text is no preference store"):
        PreferenceStore(text)
    assert text.read_bytes() == before
    other = tmp_path / "other.sqlite"
    database = sqlite3.connect(other)
    database.execute("CREATE TABLE theirs (x)")
    database.close()
    with pytest.raises(ValueError, match="a database of another program"):
        PreferenceStore(other)
    with pytest.raises(ValueError, match="cannot be opened"):
        PreferenceStore(tmp_path / "no folder" / "store.sqlite")


def test_a_newer_version_is_refused(store):
    store._database.execute("PRAGMA user_version = 4")
    with pytest.raises(ValueError, match=r"of version 4, and this .* version 3"):
        PreferenceStore(store.path)


def test_nothing_is_left_of_a_write_that_failed(store):
    def write():
        with store._writing() as database:
            store._insert_segment(database, content_hash(A), pack(A), None)
            store._insert_question(database, (content_hash(A), "missing"), 0)

    with pytest.raises(sqlite3.IntegrityError):
        write()
    assert store.segments() == []


# --- several processes --------------------------------------------------------------

ANNOTATOR = """
import sys
from oprl_gym.preferences import PreferenceStore
path, name = sys.argv[1:]
with PreferenceStore(path) as store:
    while (question := store.next_open(name)) is not None:
        showing = store.show(question.id, name, flipped=False)
        if store.question(question.id) and store.unanswered(name):
            row = store.answer(showing.id, 1.0)
            print(row.id, question.id, flush=True)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_annotators_and_a_trainer_use_it_at_once(tmp_path):
    path = tmp_path / "store.sqlite"
    with PreferenceStore(path) as store:
        for state in range(1, 31):
            store.ask(A, trajectory([0, state], n_states=40))
        people = [start(ANNOTATOR, path, name) for name in ("ann", "bob", "cem")]
        for state in range(31, 40):  # the trainer goes on asking
            store.ask(B, trajectory([0, state], n_states=40))
        outputs = [person.communicate(timeout=60)[0] for person in people]
        assert [person.returncode for person in people] == [0, 0, 0]
        ids = [int(line.split()[0]) for text in outputs for line in text.splitlines()]
        rows = {row.id: row for row in store.answers()}
        assert set(ids) == set(rows)
        assert {row.question.id for row in rows.values()} >= set(range(1, 31))


def test_processes_that_make_the_file_at_the_same_time_make_one(tmp_path):
    path = tmp_path / "store.sqlite"
    code = (
        "import sys; from oprl_gym.preferences import PreferenceStore as S;"
        "s = S(sys.argv[1]); s.close()"
    )
    people = [start(code, path) for _ in range(4)]
    assert [person.wait(60) for person in people] == [0] * 4
    for person in people:
        assert person.stdout is not None
        person.stdout.close()
    with PreferenceStore(path) as store:
        assert store.questions() == []


KILLED = """
import sys
from oprl_gym.preferences import PreferenceStore, Trajectory
import numpy as np
zero = np.zeros(1)
with PreferenceStore(sys.argv[1]) as store:
    number = 0
    while True:
        number += 1
        sides = (np.array([number, s]) for s in (1, 2))
        a, b = (Trajectory(side, zero, zero, zero, False) for side in sides)
        showing = store.show(store.ask(a, b).id, "ann", flipped=False)
        print(store.answer(showing.id, 1.0).id, flush=True)
        if number % 3 == 0:
            print(-store.undo("ann").id, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 30])
def test_every_acknowledged_answer_survives_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "store.sqlite"
    person = start(KILLED, path)
    assert person.stdout is not None
    heard = [int(person.stdout.readline()) for _ in range(after)]
    os.kill(person.pid, signal.SIGKILL)
    heard += [int(line) for line in person.stdout.read().split()]
    assert person.wait() == -signal.SIGKILL
    person.stdout.close()
    with PreferenceStore(path) as store:
        check = store._database.execute("PRAGMA integrity_check").fetchone()[0]
        assert check == "ok"
        log = store.log()
        given = {row.id for row in log if row.undoes is None}
        undone = {row.undoes for row in log if row.undoes is not None}
        assert {number for number in heard if number > 0} <= given
        assert {-number for number in heard if number < 0} <= undone
        assert len(given) - len([n for n in heard if n > 0]) <= 1  # one not yet told
        assert store.answer(store.show(1, "bob", flipped=False).id, 0.0).label == 0.0
