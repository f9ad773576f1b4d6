"""What is told of the run that is labelled."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from support.label_server import open_store, run_with_pairs, taught_run

from oprl_gym.labelling.outcome import Change, RunWatch, change_of
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.runs.episode_log import Episode, EpisodeLog
from oprl_gym.runs.lock import at_work, is_at_work


def log_of(values, success=False):
    return EpisodeLog.of(
        Episode(n, 0.0 if success else value, 1, bool(value) if success else None)
        for n, value in enumerate(values)
    )


@pytest.mark.parametrize(
    ("log", "change"),
    [
        (log_of([0, 0, 1, 1], success=True), Change("success", 0.0, 1.0, 2)),
        (log_of([-3.0, -1.0, 9.0, 4.0, 6.0]), Change("return", -2.0, 5.0, 2)),
        (log_of([float("nan"), -1.0, 3.0]), Change("return", -1.0, 3.0, 1)),
        (log_of(range(1000)), Change("return", 49.5, 949.5, 100)),
        (log_of([1.0]), None),
        (log_of([]), None),
    ],
)
def test_before_and_after_are_means_of_as_many_episodes(log, change):
    assert change_of(log) == change


def test_who_watches_a_run_sees_it_train_stop_and_end(tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    watch = RunWatch(folder)
    assert (watch.state().stage, watch.state().steps) == ("stopped", 0)
    progress = folder.file("progress.csv")
    with at_work(folder.path):
        assert watch.training()
        for steps in (1024, 2048):
            progress.write_text(f"time/total_timesteps\n{steps}\n")
            os.utime(progress, ns=(steps, steps))
            state = watch.state()
            assert (state.stage, state.steps, state.of) == ("training", steps, 30_000)
    folder.file("summary.json").write_text("{}")
    assert watch.state().stage == "over"
    assert not watch.training()


@pytest.mark.parametrize("text", ["", "nothing,here\n", "time/total_timesteps\ninf\n"])
def test_progress_that_is_none_is_no_progress(tmp_path, text):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    folder.file("progress.csv").write_text(text)
    assert RunWatch(folder).state().steps == 0


def test_the_outcome_counts_answers_and_says_how_to_go_on(tmp_path):
    folder = taught_run(tmp_path / "a run", pairs=4, answered=3)
    with open_store(folder) as store:
        session = LabellingSession(store, "ann", np.random.default_rng(0))
        outcome = RunWatch(folder).outcome(session)
    assert (outcome.answers, outcome.judged) == (3, 3)
    assert outcome.change == Change("success", 0.0, 1.0, 100)
    assert outcome.again == (
        "oprl-gym train --env-id OPRLMaze-TwoWallsLong-v0 \\\n"
        f"    --preferences '{folder.preferences}'"
    )
    folder.file("episodes.csv").write_text("damaged")
    with open_store(folder) as store:
        session = LabellingSession(store, "ann", np.random.default_rng(0))
        assert RunWatch(folder).outcome(session).change is None


def test_a_process_that_was_killed_is_not_at_work(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    lock = tmp_path / "run.lock"
    assert not is_at_work(tmp_path)
    for text, at_it in (
        (f"{process.pid} on {platform.node()}\n", False),
        (f"{os.getpid()} on {platform.node()}\n", True),
        (f"{process.pid} on another.machine\n", True),  # nobody can tell from here
        ("", True),  # it has just been made
    ):
        lock.write_text(text)
        assert is_at_work(tmp_path) == at_it
    lock.unlink()
    os.mkfifo(lock)
    assert not is_at_work(tmp_path)  # and is not waited for
