"""One process at a time in a run folder, and a folder that goes away meanwhile."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oprl_gym.cli import main
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.lock import at_work
from oprl_gym.training import resume, train
from oprl_gym.training import run as training

HOST = platform.node()
TINY = TrainConfig(algo="a2c", oprl=False, total_timesteps=200, env_kwargs={"size": 3})
HOLD = """
import sys
from pathlib import Path
from oprl_gym.runs.lock import at_work

with at_work(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return train(TINY, tmp_path / "run")


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that is at work in a run folder."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_of_the_first_and_not_of_a_killed_one(run, capsys):
    more = ["--total-timesteps", "240"]
    commands = (
        ["train", "--resume", str(run.path), *more],
        ["train", "--run-dir", str(run.path), "--overwrite", *more],
    )
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with another_process(run.path) as process:
        for command in commands:
            capsys.readouterr()
            assert main(command) == 2
            (line,) = capsys.readouterr().err.splitlines()
            who = f"another process (pid {process.pid} on {HOST})"
            assert f"{who} is at work in {run.path}" in line
        assert {path: path.read_bytes() for path in files} == files
        process.kill()
        process.wait()
        assert run.file("run.lock").exists()  # it had no time to tidy up
        assert main(commands[0]) == 0
    assert run.summary().total_timesteps == 240
    assert not run.file("run.lock").exists()


@pytest.mark.parametrize("begun", [False, True], ids=["train", "resume"])
def test_training_keeps_others_out_until_it_ends(begun, tmp_path, monkeypatch):
    path, said = tmp_path / "run", []

    def come_in() -> None:
        with pytest.raises(RunError) as refusal:
            resume(path)
        said.append(str(refusal.value))

    def step(*_: Any) -> bool:
        if not said:
            thread = threading.Thread(target=come_in)
            thread.start()
            thread.join()
        return True

    def finish(_: RunFolder) -> None:
        said.clear()
        step()

    if begun:
        train(TINY, path)
    monkeypatch.setattr(training.ProgressBar, "_on_step", step)
    monkeypatch.setattr(training, "draw_run", finish)
    resume(path, 240) if begun else train(TINY, path)
    assert (
        f"another process (pid {os.getpid()} on {HOST}) is at work in {path}" in said[0]
    )
    assert not (path / "run.lock").exists()


def test_a_lock_that_was_left_keeps_no_new_run_out(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.lock").write_text("1 on earth\n")
    assert train(TINY, tmp_path / "run").is_finished()


def test_who_is_in_may_come_in_again(tmp_path):
    with at_work(tmp_path), at_work(tmp_path):
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()} on {HOST}\n"
    assert not list(tmp_path.iterdir())


# --- a folder that goes away --------------------------------------------------------


def delete(path: Path) -> None:
    shutil.rmtree(path)


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def empty(path: Path) -> None:
    for entry in path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.mark.parametrize("oprl", [True, False])
@pytest.mark.parametrize("go", [delete, move, empty])
@pytest.mark.parametrize("at", [40, 200, None], ids=["early", "late", "drawing"])
def test_a_folder_that_goes_away_is_one_line(
    go: Callable[[Path], None],
    at: int | None,
    oprl: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, steps = tmp_path / "run", [0]

    def step(bar: training.ProgressBar) -> bool:
        steps.append(bar.num_timesteps)
        if bar.num_timesteps == at:
            go(path)
        return True

    monkeypatch.setattr("oprl_gym.training.pace.SAVE_EVERY", 80)
    monkeypatch.setattr(training.ProgressBar, "_on_step", step)
    monkeypatch.setattr(training, "draw_run", lambda _: at or go(path))
    words = ["train", "--algo", "a2c", "--run-dir", str(path)]
    words += ["--total-timesteps", "200", *([] if oprl else ["--no-oprl"])]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the run folder {path} was deleted or moved" in line
    assert steps[-1] == (at or 200)  # not trained on for nothing
    assert not RunFolder(path).is_finished()


def test_a_disk_that_is_full_at_the_end_is_one_line(tmp_path, monkeypatch, capsys):
    write = training.replace_file

    def full(path: Path, content: bytes) -> None:
        if path.name == "policy.zip":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(training, "replace_file", full)
    words = ["train", "--algo", "a2c", "--no-oprl", "--run-dir", str(tmp_path / "run")]
    assert main([*words, "--total-timesteps", "80"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "run cannot be written: No space left on device" in line
    assert f"--resume {tmp_path / 'run'}" in line
    monkeypatch.undo()
    assert resume(tmp_path / "run").is_finished()


@pytest.mark.parametrize("place", ["/proc/none/run", "FILE/run"])
def test_a_place_that_cannot_be_written(place, tmp_path, monkeypatch, capsys):
    (tmp_path / "FILE").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--run-dir", place, "--total-timesteps", "80"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(RunError, match="cannot be written"):
        train(replace(TINY), place)


def test_looking_at_a_run_that_cannot_be_written(run, tmp_path, monkeypatch, capsys):
    """Evaluating takes no writing, and pictures may go elsewhere."""
    from oprl_gym.files import atomic

    def read_only(source: Path, target: Path) -> None:
        if run.path in Path(target).parents:
            raise OSError(errno.EROFS, "Read-only file system")
        Path(source).rename(target)

    monkeypatch.setattr(atomic.os, "replace", read_only)
    assert main(["evaluate", str(run.path), "--episodes", "2"]) == 0
    assert main(["watch", str(run.path), "--gif", str(tmp_path / "out.gif")]) == 0
    capsys.readouterr()
    assert main(["plot", str(run.path)]) == 2
    assert "Read-only file system" in capsys.readouterr().err
    assert main(["train", "--resume", str(run.path), "--total-timesteps", "240"]) == 2
    assert "cannot be written: Read-only file" in capsys.readouterr().err
    out = str(tmp_path / "none" / "out")
    assert main(["watch", str(run.path), "--gif", f"{out}.gif"]) == 2
    assert main(["plot", str(run.path), "--out", f"{out}.png"]) == 2
