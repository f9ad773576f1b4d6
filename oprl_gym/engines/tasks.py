"""What engines are given, and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Task:
    """A call to be made in some other process.

    Attributes:
        name: What it is called in messages.
        call: Takes and returns nothing; can be pickled. What it finds out it writes to
            a file. It may be called again after its process has died half-way.
        log: File, on a path that is the same wherever tasks run, for the words of a
            task that fails. There is none after one that succeeds.
    """

    name: str
    call: Callable[[], None]
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a task went.

    Attributes:
        task: The task.
        seconds: From its latest start to its end.
        error: What it said as it failed, its last line last; None if it succeeded.
    """

    task: Task
    seconds: float
    error: str | None


class Watcher(Protocol):
    """Who is told how tasks go, in the process that called the engine."""

    def started(self, task: Task) -> None:
        """A task begins, perhaps once more."""

    def lost(self, task: Task) -> None:
        """A task's process has died; it will begin once more."""

    def waiting(self) -> None:
        """Nothing has happened; called every second or so."""

    def ended(self, outcome: Outcome) -> None:
        """A task has succeeded, or failed for good."""


class Engine(Protocol):
    """Does tasks."""

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Do tasks, in about their order; returns when all have ended.

        A task that fails is reported, and the others go on. Whatever ends this call
        or this process, also ``kill -9``, ends the tasks at work.

        Raises:
            RunError: Nothing can be started; the message says why.
        """
        ...
