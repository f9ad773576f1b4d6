"""What is counted as answers come is what counting them all would give."""

import sqlite3
import threading

import numpy as np
import pytest
from support.fakes import trajectory

from oprl_gym.preferences import PreferenceStore
from oprl_gym.preferences.store.records import Tally
from oprl_gym.preferences.store.schema import APPLICATION_ID, STEPS

PEOPLE = "ann", "bob"
LABELS = 1.0, 0.75, 0.5, None
OF_VERSION_1 = {
    "segments": "hash, arrays, clip",
    "questions": "id, first, second, model_version, asked_at",
    "showings": "id, question, annotator, flipped, repeat, shown_at",
    "answers": "id, showing, label, answered_at, undoes, source, weight",
}


def busy_store(path, seed, steps=120):
    """Return a store in which two people and a rule did this and that."""
    rng = np.random.default_rng(seed)
    store = PreferenceStore(path)
    for step in range(steps):
        person, chance = str(rng.choice(PEOPLE)), rng.random()
        if chance < 0.3:
            other = trajectory([0, step % 40], n_states=40)
            store.ask(trajectory([step % 7, 1], n_states=40), other)
        elif chance < 0.75:
            showing = store.show_next(person, flipped=False)
            if showing is not None:
                store.answer(showing.id, LABELS[rng.integers(4)])
        elif chance < 0.85:
            showing = store.repeatable(person, 0, latest=0)
            if showing is not None:
                again = store.show(showing.question, person, True, repeat=True)
                store.answer(again.id, LABELS[rng.integers(4)])
        elif chance < 0.95:
            store.undo(person)
        elif store.questions():
            number = store.questions()[-1].id
            store.answer(store.show(number, "rule", False).id, 1.0, "synthetic")
    return store


def side(label):
    """Return what a label prefers, by whatever margin."""
    return None if label is None else np.sign(label - 0.5)


def counted(store):
    """Count everything, the long way."""
    answers = [row for row in store.answers() if row.source == "human"]
    first = {}
    tallies = dict.fromkeys(PEOPLE, (0, 0, 0))
    for row in answers:
        person, question = row.showing.annotator, row.question.id
        answered, repeats, consistent = tallies[person]
        if not row.showing.repeat:
            first[person, question] = row.label
            answered += 1
        elif row.label is not None:
            repeats += 1
            consistent += side(row.label) == side(first[person, question])
        tallies[person] = answered, repeats, consistent
    closed = {row.question.id for row in answers if not row.showing.repeat}
    waiting = sum(question.id not in closed for question in store.questions())
    return {name: Tally(*numbers) for name, numbers in tallies.items()}, waiting


def told(store):
    return {name: store.tally(name) for name in PEOPLE}, store.open_questions()


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_what_counting_gives(seed):
    with busy_store(":memory:", seed) as store:
        assert told(store) == counted(store)
        answered = sum(tally.answered for tally in told(store)[0].values())
        assert store.count_answers() == answered > 5


def as_version_1(store, path):
    """Write what a store holds as the first version kept it."""
    old = sqlite3.connect(path)
    old.executescript(STEPS[0])
    for table, columns in OF_VERSION_1.items():
        rows = store._database.rows(f"SELECT {columns} FROM {table}")
        marks = ", ".join("?" * len(columns.split(",")))
        old.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})", map(tuple, rows)
        )
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()


def test_a_store_of_version_1_opens_and_nothing_is_lost(tmp_path):
    with busy_store(":memory:", seed=7) as store:
        as_version_1(store, tmp_path / "old.sqlite")
        for _ in range(2):  # brought to today's version, then of it
            with PreferenceStore(tmp_path / "old.sqlite") as old:
                assert told(old) == told(store)
                assert (old.log(), old.answers()) == (store.log(), store.answers())
                assert old.questions() == store.questions()
                assert old.next_open("new") == store.next_open("new")
    with PreferenceStore(tmp_path / "old.sqlite") as old:
        old.ask(trajectory([0, 1]), trajectory([0, 2]))
        old.answer(old.show_next("new", False).id, 1.0)
        assert old.tally("new") == Tally(answered=1)
        assert old.undo("new")
        assert old.tally("new") == Tally()


def test_processes_that_open_an_old_store_at_once_upgrade_it_once(tmp_path):
    path = tmp_path / "old.sqlite"
    with busy_store(":memory:", seed=8) as store:
        as_version_1(store, path)
        expected = told(store)
    found = []

    def open_it():
        with PreferenceStore(path) as old:
            found.append(told(old))

    together(open_it, 4)
    assert found == [expected] * 4


def together(work, times):
    """Do something in threads, begun at the same moment."""
    barrier = threading.Barrier(times)

    def one():
        barrier.wait()
        work()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def store_that_asks(folder, questions):
    """Return the path of a store with so many questions."""
    path, n_states = folder / "store.sqlite", questions + 1
    with PreferenceStore(path) as store:
        for state in range(1, n_states):
            sides = [trajectory([0, end], n_states=n_states) for end in (0, state)]
            store.ask(*sides)
    return path


def test_what_was_shown_to_one_is_shown_to_nobody_else_however_close(tmp_path):
    """Next and shown are one transaction: people who ask at the same moment."""
    path = store_that_asks(tmp_path, 60)
    shown, names = [], iter(range(6))

    def label():
        name = f"person {next(names)}"
        with PreferenceStore(path) as store:
            while (showing := store.show_next(name, flipped=False)) is not None:
                shown.append(showing.question)
                store.answer(showing.id, 1.0)

    together(label, 6)
    assert sorted(shown) == list(range(1, 61))


def test_one_person_in_two_places_is_shown_one_pair(tmp_path):
    path = store_that_asks(tmp_path, 8)
    shown = []

    def look():
        with PreferenceStore(path) as store:
            shown.append(store.show_next("ann", flipped=False))

    together(look, 6)
    assert len(set(shown)) == 1


def test_a_clock_that_went_back_keeps_no_pair_from_others():
    now = [1e9]
    with PreferenceStore(":memory:", clock=lambda: now[0]) as store:
        store.ask(trajectory([0, 1]), trajectory([0, 2]))
        store.show_next("ann", flipped=False)
        assert store.show_next("bob", flipped=False) is None
        now[0] -= 3600  # it was wrong, and was put right
        assert store.show_next("bob", flipped=False) is not None


def test_a_batch_lasts_as_a_whole_or_not_at_all(tmp_path):
    a, b, c = trajectory([0, 1]), trajectory([0, 2]), trajectory([0, 3])
    with PreferenceStore(tmp_path / "store.sqlite") as store:

        def ask_and_show_another():
            with store.batch():
                store.ask(a, c)
                store.show(9, "ann", flipped=False)

        with store.batch():
            store.ask(a, b)
            with pytest.raises(ValueError, match="no question 9"):
                ask_and_show_another()
        assert [question.id for question in store.questions()] == [1]
        with pytest.raises(ValueError, match="no question 9"):
            ask_and_show_another()
        assert store.open_questions() == len(store.questions()) == 1
