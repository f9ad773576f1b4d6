"""Files of answers that somebody edited, and stores that hold what none should."""

import base64
import io
import json
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image
from support.fakes import trajectory
from support.label_server import LAYOUT, open_store, run_with_pairs, walk

from oprl_gym.cli import main
from oprl_gym.episodes.packing import content_hash, pack
from oprl_gym.labelling.clips import FrameClip, maze_picture, to_bytes
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.preferences import HumanTeacher, PreferenceStore
from oprl_gym.preferences.store.exchange import export_answers, import_answers
from oprl_gym.preferences.store.records import Record
from oprl_gym.types import Trajectory

PICTURE = maze_picture(LAYOUT)
DEEP = "[" * 100_000


@pytest.fixture
def folder(tmp_path):
    """A run with four answers, and two files of them."""
    folder = run_with_pairs(tmp_path / "run", pairs=5)
    with open_store(folder) as store:
        subject = LabellingSession(store, "ann", np.random.default_rng(0), 0.0)
        for _ in range(4):
            subject.answer(subject.current().showing, "left")
        for name in ("all.jsonl", "all.csv"):
            export_answers(store, tmp_path / name)
    return folder


def label(folder, *arguments):
    return main(["label", str(folder.path), *map(str, arguments)])


def refusal(capsys, folder, path):
    """Import into a new run, which has to fail; returns the one line it says."""
    other = run_with_pairs(path.with_name("other"), pairs=5)  # of the same segments
    assert label(other, "--import-from", path) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("name", ["margins.jsonl", "margins.csv"])
def test_margins_travel(tmp_path, name):
    choices = ["left_little", "left", "left_much", "right_much", "right_little"]
    folder = run_with_pairs(tmp_path / "run", pairs=5)
    other = run_with_pairs(tmp_path / "other", pairs=5)  # of the same segments
    with open_store(folder) as store, open_store(other) as copy:
        subject = LabellingSession(store, "ann", np.random.default_rng(0), 0.0)
        for choice in choices:
            subject.answer(subject.current().showing, choice)
        assert export_answers(store, tmp_path / name) == 5
        assert import_answers(copy, tmp_path / name) == 5
        labels = [row.label for row in copy.answers()]
        assert labels == [row.label for row in store.answers()]
        assert len(set(labels)) > 2


# --- refused by line and field --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answered_at": float("inf")}, "its answered_at is inf"),
        ({"shown_at": float("nan")}, "its shown_at is nan"),
        ({"answered_at": 10**400}, "its answered_at is 1000"),
        ({"label": float("nan")}, "a label is a probability"),
        ({"label": True}, "its label is True"),
        ({"weight": float("inf")}, "a weight is a positive number"),
        ({"weight": 10**30}, "a weight is a positive number"),
        ({"model_version": 2**63}, "its model_version is 9223372036854775808"),
        ({"model_version": -1}, "its model_version is -1"),
        ({"annotator": "\ud800"}, r"its annotator is '\ud800', which is no text"),
        ({"annotator": ["ann"]}, "its annotator is ['ann']"),
    ],
)
def test_values_that_no_answer_has_are_refused(
    folder, tmp_path, capsys, change, reason
):
    path = tmp_path / "all.jsonl"
    *lines, last = path.read_text().splitlines()
    lines.append(json.dumps({**json.loads(last), **change}))
    path.write_text("\n".join(lines))
    assert f"line {len(lines)}: {reason}" in refusal(capsys, folder, path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (DEEP, "it is nested too deeply"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ('{"model_version": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[1]", "it is no JSON object"),
        ("1", "it is no JSON object"),
        ('{"first": "a"}', "it has no second, label, "),
        ('{"arrays": 1, "hash": 2, "clip": null}', "its arrays are no base 64"),
    ],
)
def test_lines_that_are_none_are_refused(folder, tmp_path, capsys, line, reason):
    path = tmp_path / "all.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, line]))
    text = refusal(capsys, folder, path)
    assert f"line {len(lines) + 1}: {reason}" in text
    with PreferenceStore(tmp_path / "other" / "preferences.sqlite") as store:
        assert len(store.answers()) == 4  # what stood before it stays


def test_an_empty_file_is_none(folder, tmp_path, capsys):
    (tmp_path / "empty.jsonl").touch()
    assert "begin with the format" in refusal(capsys, folder, tmp_path / "empty.jsonl")


def segment_line(segment, clip=None):
    """Return how an export tells of a segment."""
    coded = None if clip is None else base64.b64encode(clip).decode()
    arrays = base64.b64encode(pack(segment)).decode()
    return json.dumps({"hash": content_hash(segment), "arrays": arrays, "clip": coded})


@pytest.mark.parametrize("name", ["observations", "env_rewards", "process_rewards"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_segments_that_teach_nothing_are_refused(folder, tmp_path, capsys, name, value):
    path = tmp_path / "all.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, segment_line(spoiled(name, value)), *rest]))
    assert f"line 2: its {name} hold NaN or infinite" in refusal(capsys, folder, path)


def spoiled(name, value):
    arrays = dict(vars(walk("dd")))
    arrays[name] = arrays[name].copy()
    arrays[name][1] = value
    return Trajectory(**arrays)


def jpeg(size):
    file = io.BytesIO()
    Image.new("L", (size, size)).save(file, "JPEG", quality=1)
    return file.getvalue()


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (b"garbage", "Expecting value"),
        (DEEP.encode(), "nested too deeply"),
        (b'{"kind":"maze","rows":["S.G"],"cells":[[1e999,0]]}', "infinity"),
        (b'{"kind":"maze","rows":null,"cells":3}', "not iterable"),
        (to_bytes(FrameClip(1, (0,), (b"\xff\xd8\xff and so on",))), "picture 1 of 1"),
        (to_bytes(FrameClip(1, (0,), (jpeg(64)[:200],))), "damaged"),
        (to_bytes(FrameClip(1, (0,), (jpeg(20_000),))), "too many pixels"),
    ],
    ids=range(7),
)
def test_clips_that_cannot_be_shown_are_refused(folder, tmp_path, capsys, clip, reason):
    path = tmp_path / "all.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, segment_line(walk("dd"), clip), *rest]))
    text = refusal(capsys, folder, path)
    assert "line 2: a clip that cannot be shown: " in text
    assert reason in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answered_at": "inf"}, "its answered_at is inf"),
        ({"weight": "much"}, "its weight is 'much'"),
        ({"flipped": "yes"}, "its flipped is 'yes'"),
        ({"model_version": "9" * 30}, "its model_version is 999"),
        ({"model_version": "9" * 5000}, "its model_version is '999"),
        ({"annotator": "a" * 200_000}, "field larger than field limit (131072)"),
        ({"annotator": "a,b"}, "it has not 11 fields"),
    ],
)
def test_rows_that_are_none_are_refused(folder, tmp_path, capsys, change, reason):
    path = tmp_path / "all.csv"
    head, *rows = path.read_text().splitlines()
    row = dict(zip(head.split(","), rows[-1].split(","), strict=True)) | change
    path.write_text("\n".join([head, *rows[:-1], ",".join(row.values())]))
    assert f"line {len(rows) + 1}: {reason}" in refusal(capsys, folder, path)


def test_a_table_of_something_else_is_refused(folder, tmp_path, capsys):
    (tmp_path / "other.csv").write_text("name,age\nann,9\n")
    text = refusal(capsys, folder, tmp_path / "other.csv")
    assert "line 1: its columns are not first,second,label," in text


# --- formulas -------------------------------------------------------------------------

NAMES = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"),
    *("'=1", "''=1", "'t Hooft", "'", "\uff1d1+1", "ann"),
)


def test_names_that_are_formulas_are_harmless_in_a_table_and_come_back(tmp_path):
    a, b = walk("d"), walk("r")
    with (
        PreferenceStore(tmp_path / "one.sqlite") as store,
        PreferenceStore(tmp_path / "two.sqlite") as other,
    ):
        for name in NAMES:
            showing = store.show(store.ask(a, b).id, name, flipped=False)
            store.answer(showing.id, 1.0)
        path = tmp_path / "all.csv"
        assert export_answers(store, path) == len(NAMES)
        import csv

        with path.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n\uff1d")]
        for side in (a, b):
            other.add_segment(side)
        assert import_answers(other, path) == len(NAMES)
        records = [[Record.of(row) for row in one.answers()] for one in (store, other)]
        assert records[0] == records[1]


# --- a store that holds them already --------------------------------------------------


@pytest.fixture
def poisoned(folder):
    """What could be imported before it was checked."""
    with open_store(folder) as store:
        bad = spoiled("observations", float("nan"))
        clip = PICTURE(walk("dd"))
        questions = [
            store.ask(bad, walk("r"), (clip, PICTURE(walk("r")))),  # answered below
            store.ask(walk("rr"), walk("r"), (b"garbage", None)),  # nobody can see it
        ]
        for question, person in zip(questions[:1], ["bob"], strict=True):
            store.answer(store.show(question.id, person, flipped=False).id, 1.0)
        timeless = store.show(1, "cem", flipped=False)
    database = sqlite3.connect(folder.preferences)
    database.execute(
        "INSERT INTO answers (showing, label, answered_at, source, weight)"
        " VALUES (?, 1.0, 9e999, 'human', 1.0)",
        (timeless.id,),
    )
    database.commit()
    database.close()
    return folder


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_an_export_leaves_out_what_no_import_would_take(
    poisoned, tmp_path, capsys, name
):
    assert label(poisoned, "--export-to", tmp_path / name) == 0
    text = capsys.readouterr().out
    assert "4 answers written" in text
    assert "2 left out, which cannot be used; see --delete-broken" in text
    other = run_with_pairs(tmp_path / "other", pairs=5)
    assert label(other, "--import-from", tmp_path / name) == 0


def test_what_teaches_nothing_is_left_out_and_said_once(poisoned):
    with open_store(poisoned) as store:
        teacher = HumanTeacher(store)
        with pytest.warns(UserWarning, match="observations hold NaN") as warned:
            given = teacher.collect(0).given
        assert len(given) == 5  # a time that is none does not matter here
        assert len(warned) == 1
        assert all(np.isfinite(one.first.observations).all() for one in given)


def test_answers_about_another_env_are_left_out_and_said_once(folder):
    with open_store(folder) as store:
        question = store.ask(trajectory([0, 1]), walk("r"))
        store.answer(store.show(question.id, "bob", flipped=False).id, 1.0)
        teacher = HumanTeacher(store, shape=(LAYOUT.num_states,))
        with pytest.warns(UserWarning, match=r"have the shape \(4,\), not \(64,\)"):
            assert len(teacher.collect(0).given) == 4


def test_what_is_broken_can_be_deleted(poisoned, tmp_path, capsys):
    assert label(poisoned, "--delete-broken") == 0
    text = capsys.readouterr().out
    assert "observations hold NaN" in text
    assert "its answered_at is inf, which is no time" in text
    assert "a clip that cannot be shown" in text
    assert text.endswith("4 deleted or taken back\n")
    with open_store(poisoned) as store:
        assert len(store.answers()) == 4
        assert len(store.questions()) == 6
        assert content_hash(walk("rr")) not in store.segments()
        assert len(HumanTeacher(store).collect(0).given) == 4
        subject = LabellingSession(store, "dan", np.random.default_rng(0), 0.0)
        while (shown := subject.current()) is not None:
            subject.answer(shown.showing, "left")
        # It was answered once, and the log keeps all: it is set aside.
        assert subject.progress().aside == 1
    assert label(poisoned, "--export-to", tmp_path / "out.jsonl") == 0
    assert "left out" not in capsys.readouterr().out


def test_a_broken_clip_goes_where_its_segment_stays(folder, tmp_path):
    with open_store(folder) as store:
        first = store.answers()[0].question.first
        store._database.execute(
            "UPDATE segments SET clip = x'00' WHERE hash = ?", (first,)
        )
    assert label(folder, "--delete-broken") == 0
    assert label(folder, "--export-to", tmp_path / "out.jsonl") == 0
    other = run_with_pairs(tmp_path / "other", pairs=1)
    assert label(other, "--import-from", tmp_path / "out.jsonl") == 0


# --- many -----------------------------------------------------------------------------


def test_answers_are_imported_many_at_a_time(folder, tmp_path):
    """Each in a transaction of its own took 7 ms: 137 s for 20,000."""
    *lines, last = (tmp_path / "all.jsonl").read_text().splitlines()
    values = json.loads(last)
    lines += [json.dumps({**values, "answered_at": 1e9 + n}) for n in range(2000)]
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    with PreferenceStore(tmp_path / "new.sqlite") as store:
        commits = []
        store._database._database.set_trace_callback(
            lambda statement: commits.append(statement == "COMMIT")
        )
        start = time.process_time()
        assert import_answers(store, tmp_path / "many.jsonl") == 2003
        assert time.process_time() - start < 4
        assert sum(commits) <= 5
