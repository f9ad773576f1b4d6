"""A run of the ladder as a task of an engine."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.ladder.results import RunId, write_json
from oprl_gym.engines import Engine, Task, Watcher

PRELOAD = ("benchmarks.ladder.run", "torch._dynamo")  # optimizers import the latter


def execute_all(
    runs: Sequence[RunId], engine: Engine, results: Path, commit: str, watcher: Watcher
) -> None:
    """Do runs, and tell of each as it ends.

    Args:
        runs: Which.
        engine: Who does them.
        results: Folder of the results; a cluster's nodes all have to see it.
        commit: What to note as the commit of the code.
        watcher: Who is told.
    """
    engine.run(tasks(runs, results, commit), watcher)


def tasks(runs: Iterable[RunId], results: Path, commit: str) -> list[Task]:
    """Return the calls that do runs."""
    results = results.resolve()  # they may be made in another folder
    return [
        Task(
            str(run),
            functools.partial(work, run, results, commit),
            run.failure_path(results),
        )
        for run in runs
    ]


def work(run: RunId, results: Path, commit: str) -> None:
    """Do one run, and write its result."""
    from benchmarks.ladder.run import execute

    write_json(run.path(results), execute(run, commit))
