"""What tests of engines and sweeps share: tasks, and sweeps that get killed."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from oprl_gym.engines import Outcome, Task
from oprl_gym.runs.folder import CHECKPOINT, RunFolder
from oprl_gym.sweep.display import steps_taken

PATIENCE_S = 600.0
GATED = Path(__file__).with_name("gated.py")


class Log:
    """A watcher that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.outcomes: list[Outcome] = []

    def started(self, task: Task) -> None:
        self.events.append(f"started {task.name}")

    def lost(self, task: Task) -> None:
        self.events.append(f"lost {task.name}")

    def waiting(self) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self.events.append(f"ended {outcome.task.name}")
        self.outcomes.append(outcome)

    @property
    def errors(self) -> dict[str, str | None]:
        return {outcome.task.name: outcome.error for outcome in self.outcomes}


def task(folder: Path, name: str, what: Callable[[Path], None]) -> Task:
    call = functools.partial(what, folder / name)
    return Task(name, call, folder / "failures" / f"{name}.txt")


def write(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail(path: Path) -> None:
    raise ValueError(f"{path.name} cannot be done")


def die(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_by_255(path: Path) -> None:
    """End as native code may, past whatever Python would say."""
    os._exit(255)


def die_once(path: Path) -> None:
    """Be killed the first time, succeed the second."""
    sign = path.with_suffix(".killed")
    if sign.exists():
        return write(path)
    sign.touch()
    return die(path)


def sleep_once(path: Path) -> None:
    """Sleep the first time, succeed the second."""
    if path.exists():
        return write(path)
    return sleep(path)


def sleep(path: Path) -> None:
    write(path)
    time.sleep(600)


def wait_for(
    condition: Callable[[], object], sweep: subprocess.Popen[bytes] | None = None
) -> None:
    """Wait until it is so, or a sweep that was to bring it about has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        assert sweep is None or sweep.poll() is None
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


SWEEP = """
seeds: 3
base:
  {env_id: "gated:Gated-v0", algo: a2c, n_envs: 4, oprl: false, total_timesteps: 12000}
arms:
  low: {gamma: 0.9}
"""
"""Three runs that stop half-way at a gate (``gated.py``), past a checkpoint."""


@contextlib.contextmanager
def started_sweep(
    folder: Path, *options: str, text: str = SWEEP
) -> Iterator[subprocess.Popen[bytes]]:
    """``oprl-gym sweep`` in a process of its own, which does not outlive the block."""
    (folder / "sweep.yaml").write_text(text)
    shutil.copy(GATED, folder)
    command = [sys.executable, "-m", "oprl_gym", "sweep", "sweep.yaml"]
    with (
        (folder / "printed").open("w") as file,
        subprocess.Popen(
            [*command, "--out", "out", *options],
            cwd=folder,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def open_gate(folder: Path, to: str = "open") -> None:
    """Let all runs go on, or ``one``."""
    (folder / to).touch()


def end_sweep(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Open the gate and wait until all went well; returns what was printed."""
    open_gate(folder)
    status = process.wait(timeout=PATIENCE_S)
    printed = (folder / "printed").read_text()
    assert status == 0, printed
    return printed


def run_folders(folder: Path) -> list[RunFolder]:
    return [
        RunFolder(p.parent) for p in sorted(folder.glob("out/runs/*/*/config.json"))
    ]


def half_run(folder: Path) -> list[RunFolder]:
    """Return the runs that have a checkpoint and stand at the gate, or before it."""
    return [
        run
        for run in run_folders(folder)
        if run.file(CHECKPOINT).exists()
        and steps_taken(run.file("progress.csv")) <= 6_000
    ]


def process_of(run: RunFolder) -> int:
    """Return the id of the process that has a run."""
    files = sorted(run.path.glob("events.out.tfevents.*"), key=os.path.getmtime)
    return int(files[-1].name.split(".")[-2])  # TensorBoard puts it there


def finished(folder: Path) -> dict[Path, int]:
    """Return the summaries there are, with the time each was written."""
    found = folder.glob("out/runs/*/*/summary.json")
    return {path: path.stat().st_mtime_ns for path in found}


def began_at(run: RunFolder) -> list[int]:
    """Return for each process that had a run the first env step it wrote of."""
    files = sorted(run.path.glob("events.out.tfevents.*"), key=os.path.getmtime)
    steps = [
        [event.step for event in EventFileLoader(str(file)).Load() if event.step]
        for file in files
    ]
    return [min(found) for found in steps if found]


def assert_went_on(runs: Sequence[RunFolder]) -> None:
    """Half-runs were continued from their checkpoint, at step 5,000 or later."""
    for run in runs:
        assert run.is_finished()
        first, *others = began_at(run)
        assert first <= 1_024
        assert others
        assert min(others) > 5_000
