"""What an engine itself costs: many tasks that do nothing.

    python -m benchmarks.speed.engines --engine local --tasks 1000
    python -m benchmarks.speed.engines --engine ray --tasks 1000

Prints the seconds, the driver's memory and the files, for docs/scaling.md.
"""

from __future__ import annotations

import argparse
import functools
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.paths import ROOT
from oprl_gym.engines import Outcome, Task, make_engine


def work(path: Path) -> None:
    """Leave an empty result."""
    path.touch()


class Clock:
    """Notes when the first and the last task ended."""

    def __init__(self, tasks: int) -> None:
        self.left = tasks
        self.begin = time.perf_counter()
        self.first: float | None = None
        self.last = 0.0
        self.failed = 0
        self.own_files = 0

    def started(self, task: Task) -> None:
        """Nothing to note."""

    def lost(self, task: Task) -> None:
        """Nothing to note."""

    def waiting(self) -> None:
        """Nothing to note."""

    def ended(self, outcome: Outcome) -> None:
        """Note the time."""
        self.last = time.perf_counter() - self.begin
        self.first = self.first or self.last
        self.failed += outcome.error is not None
        self.left -= 1
        if not self.left:
            self.own_files = len(_tune_files())


def _tune_files() -> list[Path]:
    folder = Path(tempfile.gettempdir())
    found = folder.glob("oprl-gym-ray-*/**/*")
    return [path for path in found if path.is_file()]


def main() -> None:
    """Do the tasks and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--address", help="of a Ray cluster")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    before = _mib()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = [
            Task(
                f"task {number}",
                functools.partial(work, folder / str(number)),
                folder / "failures" / str(number),
            )
            for number in range(options.tasks)
        ]
        clock = Clock(options.tasks)
        engine = make_engine(
            options.engine, options.jobs, options.address, paths=(str(ROOT),)
        )
        engine.run(tasks, clock)
        total = time.perf_counter() - clock.begin
        results = sum(1 for path in folder.iterdir())
    assert clock.first is not None
    rate = (options.tasks - 1) / max(clock.last - clock.first, 1e-9)
    print(
        f"{options.engine}: {options.tasks} tasks, {options.jobs} at a time, "
        f"{clock.failed} failed, {results} results\n"
        f"seconds: {total:.1f} in all, the first after {clock.first:.1f}, then "
        f"{rate:.0f} tasks a second\n"
        f"driver: {_mib():.0f} MiB at most, {before:.0f} before\n"
        f"Tune's own files: {clock.own_files}"
    )


def _mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
