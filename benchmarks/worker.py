"""Runs in processes of their own, so that one that fails takes no other with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from benchmarks.results import RunId, write_json

ROOT = Path(__file__).resolve().parent.parent
NICE = 10


@dataclass(frozen=True)
class Outcome:
    """How a run went: `error` holds its standard error if it failed."""

    run: RunId
    seconds: float
    error: str | None


def execute_all(
    runs: Iterable[RunId], jobs: int, results: Path, commit: str
) -> Iterator[Outcome]:
    """Do runs, `jobs` at a time, and yield each as it ends.

    Where the system allows, processes are forked off one that has imported everything
    before: that saves seconds a run, and all runs see the same code even if a file is
    edited meanwhile.
    """
    context = _context()
    waiting = iter(runs)
    active: dict[Any, tuple[RunId, Any, float]] = {}
    try:
        while True:
            while len(active) < jobs and (run := next(waiting, None)) is not None:
                process = context.Process(target=_work, args=(run, results, commit))
                process.start()
                active[process.sentinel] = (run, process, time.perf_counter())
            if not active:
                return
            for sentinel in connection.wait(list(active)):
                run, process, start = active.pop(sentinel)
                process.join()
                seconds = time.perf_counter() - start
                yield _outcome(run, process.exitcode, seconds, results)
    finally:
        for run, process, _ in active.values():
            process.terminate()
            process.join()
            _forget_log(run, results)


def _context() -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # The fork server finds modules only by this variable, not by our sys.path.
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.run"])
    return context


def _work(run: RunId, results: Path, commit: str) -> None:
    """Do one run in this process; its standard error goes to a file."""
    log = run.failure_path(results)
    log.parent.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "nice"):
        os.nice(NICE)
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        try:
            from benchmarks.run import execute

            write_json(run.path(results), execute(run, commit))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


def _forget_log(run: RunId, results: Path) -> None:
    log = run.failure_path(results)
    log.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other runs are at work, or have failed
        log.parent.rmdir()


def _outcome(run: RunId, exitcode: int, seconds: float, results: Path) -> Outcome:
    log = run.failure_path(results)
    if exitcode == 0:
        _forget_log(run, results)
        return Outcome(run, seconds, None)
    words = log.read_text(encoding="utf-8") if log.exists() else ""
    return Outcome(run, seconds, f"{words}exit status {exitcode}")
