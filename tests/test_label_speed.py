"""What a person waits for is the same however much was asked and answered before."""

from __future__ import annotations

import csv
import sqlite3
import sys

import numpy as np
import pytest

from benchmarks.speed.labelling import fill, main
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.preferences import PreferenceStore
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunFolder


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_benchmark_runs(tmp_path, capsys):
    assert main(["--smoke", "--results", str(tmp_path)]) == 0
    (row,) = csv.DictReader((tmp_path / "labelling.csv").read_text().splitlines())
    assert row["questions"] == "100"
    assert float(row["answers_per_s"]) > 0
    assert "answers_per_s" in capsys.readouterr().out


def work(folder: RunFolder, rounds: int) -> int:
    """Return the steps of SQLite's machine that labelling takes, which are no times."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with PreferenceStore(folder.preferences) as store:
        session = LabellingSession(store, "ann", np.random.default_rng(0), 0.3)
        database: sqlite3.Connection = store._database._database
        database.set_progress_handler(count, 100)
        for number in range(rounds):
            shown = session.current()
            assert shown is not None
            session.answer(shown.showing, "left")
            session.progress()
            if number % 5 == 4:
                session.undo()
    return 100 * steps


def test_a_larger_store_takes_no_more_work(tmp_path):
    """Fifty times the questions and answers; it was fifty times the work."""
    taken = []
    for questions in (200, 10_000):
        folder = RunFolder.create(tmp_path / str(questions), TrainConfig())
        fill(folder, questions)
        taken.append(work(folder, rounds=40))
    assert taken[1] < 1.5 * taken[0]
