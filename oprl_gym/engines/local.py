"""Tasks in processes of their own, so that one that fails takes no other with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from oprl_gym.engines.tasks import Outcome, Task, Watcher

NICE = 10
ORPHANED = 255
"""What multiprocessing gives as the exit status where its fork server is gone."""

TICK_S = 0.5
"""Seconds from one call of ``Watcher.waiting`` to the next."""


@dataclass(frozen=True)
class LocalEngine:
    """Does tasks in processes of this machine.

    Where the system allows, processes are forked off one that has imported everything
    before: that saves seconds a task, and all tasks see the same code even if a file is
    edited meanwhile.

    Attributes:
        jobs: Tasks at a time; None: as many as there are processors.
        retries: How often a task is begun again whose process was killed, say as the
            memory was full. One that raised an error is not: it would again.
        preload: Modules that every task needs.
        paths: Folders that tasks import from, beside the installed packages.

    Example:
        >>> from oprl_gym.engines import LocalEngine
        >>> LocalEngine(jobs=2, retries=3).retries
        3
    """

    jobs: int | None = None
    retries: int = 0
    preload: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Do tasks, ``jobs`` at a time, as :class:`oprl_gym.engines.Engine` says."""
        jobs = self.jobs or _processors()
        context = _context(self.preload, self.paths)
        waiting = deque((task, self.retries) for task in tasks)
        active: dict[Any, _Attempt] = {}
        try:
            while waiting or active:
                while waiting and len(active) < jobs:
                    attempt = _Attempt.start(context, *waiting.popleft())
                    active[attempt.process.sentinel] = attempt
                    watcher.started(attempt.task)
                for sentinel in connection.wait(list(active), timeout=TICK_S):
                    attempt = active.pop(sentinel)
                    if attempt.was_lost() and attempt.retries:
                        watcher.lost(attempt.task)
                        waiting.appendleft((attempt.task, attempt.retries - 1))
                    else:
                        watcher.ended(attempt.outcome())
                watcher.waiting()
        finally:
            for attempt in active.values():
                attempt.end()


@dataclass(frozen=True)
class _Attempt:
    """A task at work in a process."""

    task: Task
    process: Any
    started_at: float
    retries: int  # left after this one

    @classmethod
    def start(cls, context: Any, task: Task, retries: int) -> _Attempt:
        # Here, as only this process removes the folder once it is empty.
        task.log.parent.mkdir(parents=True, exist_ok=True)
        # Made anew: a link that stands there would have another file written.
        task.log.unlink(missing_ok=True)
        task.log.touch()
        try:
            process = context.Process(target=_work, args=(task,))
            process.start()
        except BaseException:  # a signal, while everything is imported
            _forget_log(task)
            raise
        return cls(task, process, time.perf_counter(), retries)

    def was_lost(self) -> bool:
        """Whether the process was killed, or the one that it was forked off.

        In the latter case nobody hears of it any more, and it is ended here: it would
        go on beside the one that takes its place.
        """
        self.process.join()
        if self.process.exitcode != ORPHANED:
            return int(self.process.exitcode) < 0
        try:
            os.kill(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended, by that very status
            return False
        time.sleep(TICK_S)  # a server is begun anew only once it is wholly gone
        return True

    def outcome(self) -> Outcome:
        seconds = time.perf_counter() - self.started_at
        if self.process.exitcode == 0:
            _forget_log(self.task)
            return Outcome(self.task, seconds, None)
        log = self.task.log
        words = log.read_text(encoding="utf-8") if log.exists() else ""
        status = f"exit status {self.process.exitcode}"
        return Outcome(self.task, seconds, f"{words}{status}")

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        _forget_log(self.task)


def _processors() -> int:
    """Return how many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _context(preload: Sequence[str], paths: Sequence[str]) -> Any:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # The fork server finds modules only by this variable, not by our sys.path.
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    new = [path for path in paths if path not in known]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*new, *known]))
    context = multiprocessing.get_context("forkserver")
    if preload:
        context.set_forkserver_preload(list(preload))
    return context


def _work(task: Task) -> None:
    """Do one task in this process; its standard error goes to a file."""
    _end_with_parent()
    if hasattr(os, "nice"):
        os.nice(NICE)
    with task.log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        try:
            task.call()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


def _end_with_parent() -> None:
    """End this process once the one that asked for the task is gone, however it went.

    Else the tasks of a killed driver would go on, beside those of the next one.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _forget_log(task: Task) -> None:
    task.log.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # other tasks are at work, or have failed
        task.log.parent.rmdir()
