"""Tasks in local processes: whatever dies is noticed, and takes nothing with it."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.sweeping import (
    Log,
    die,
    die_once,
    end_by_255,
    fail,
    is_alive,
    sleep_once,
    task,
    wait_for,
    write,
)

from oprl_gym.engines import LocalEngine, make_engine
from oprl_gym.runs.folder import RunError

HERE = Path(__file__).resolve().parent


def test_each_task_has_a_process_and_leaves_no_log(tmp_path):
    log = Log()
    tasks = [task(tmp_path, name, write) for name in "abc"]
    LocalEngine(jobs=2).run(tasks, log)
    assert log.errors == {"a": None, "b": None, "c": None}
    pids = {(tmp_path / name).read_text() for name in "abc"}
    assert len(pids | {str(os.getpid())}) == 4
    assert not (tmp_path / "failures").exists()
    assert log.events.index("started c") > log.events.index("started b")


def test_a_log_that_is_a_link_leads_writing_nowhere(tmp_path):
    precious, one = tmp_path / "thesis.tex", task(tmp_path, "a", fail)
    precious.write_text("years")
    one.log.parent.mkdir()
    one.log.symlink_to(precious)
    log = Log()
    LocalEngine(jobs=1).run([one], log)
    assert log.errors["a"] is not None
    assert precious.read_text() == "years"
    assert not one.log.is_symlink()


def test_one_at_a_time_is_one_after_the_other(tmp_path):
    log = Log()
    LocalEngine(jobs=1).run([task(tmp_path, name, write) for name in "ab"], log)
    assert log.events == ["started a", "ended a", "started b", "ended b"]


def test_a_task_that_fails_is_not_tried_again_and_the_others_go_on(tmp_path):
    log = Log()
    tasks = [task(tmp_path, "bad", fail), task(tmp_path, "good", write)]
    LocalEngine(jobs=1, retries=3).run(tasks, log)
    assert log.errors["good"] is None
    assert "ValueError: bad cannot be done" in str(log.errors["bad"])
    assert "cannot be done" in (tmp_path / "failures" / "bad.txt").read_text()
    assert "lost bad" not in log.events


def test_a_task_that_is_killed_is_begun_again(tmp_path):
    log = Log()
    LocalEngine(jobs=1, retries=1).run([task(tmp_path, "t", die_once)], log)
    assert log.events == ["started t", "lost t", "started t", "ended t"]
    assert log.errors == {"t": None}


def test_a_task_is_begun_again_where_the_process_it_was_forked_off_is_killed(tmp_path):
    """And goes on nowhere else: two would write the same files."""

    class Killer(Log):
        def waiting(self) -> None:
            if not self.pids and path.exists() and path.read_text():
                self.pids.append(int(path.read_text()))
                server = multiprocessing.forkserver._forkserver
                os.kill(server._forkserver_pid, signal.SIGKILL)

    path, log = tmp_path / "t", Killer()
    log.pids = []
    LocalEngine(jobs=1, retries=1).run([task(tmp_path, "t", sleep_once)], log)
    assert log.events == ["started t", "lost t", "started t", "ended t"]
    assert log.errors == {"t": None}
    assert not is_alive(log.pids[0])


def test_a_task_that_ends_by_the_status_of_a_dead_server_has_failed(tmp_path):
    log = Log()
    LocalEngine(jobs=1, retries=3).run([task(tmp_path, "t", end_by_255)], log)
    assert log.events == ["started t", "ended t"]
    assert log.errors == {"t": "exit status 255"}


@pytest.mark.parametrize("retries", [0, 2])
def test_a_task_that_is_killed_each_time_fails(retries, tmp_path):
    log = Log()
    LocalEngine(jobs=1, retries=retries).run([task(tmp_path, "t", die)], log)
    assert log.events.count("lost t") == retries
    assert str(log.errors["t"]).endswith("exit status -9")


def test_nothing_to_do_is_done_at_once():
    LocalEngine(jobs=1).run([], Log())


def test_tasks_end_with_their_driver_however_it_ends(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        "from pathlib import Path; from support.sweeping import *\n"
        "from oprl_gym.engines import LocalEngine\n"
        "if __name__ == '__main__':\n"
        f"    there = [task(Path({str(tmp_path)!r}), n, sleep) for n in 'ab']\n"
        "    LocalEngine(jobs=2).run(there, Log())\n"
    )
    script = tmp_path / "driver.py"
    script.write_text(code)
    driver = subprocess.Popen([sys.executable, str(script)])
    files = [tmp_path / name for name in "ab"]
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    pids = [int(file.read_text()) for file in files]
    assert all(map(is_alive, pids))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not any(map(is_alive, pids)))


@pytest.mark.parametrize(
    ("name", "jobs", "address", "words"),
    [
        ("dask", 1, None, "must be local or ray, got 'dask'"),
        ("local", 0, None, "at least 1, got 0"),
        ("local", 1, "auto", "needs --engine ray"),
    ],
)
def test_what_makes_no_engine(name, jobs, address, words):
    with pytest.raises(RunError, match=words):
        make_engine(name, jobs, address)
