"""How a sweep looks while it goes on: one line a run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from oprl_gym.engines import Outcome, Task


class Display:
    """Prints a line as a run ends; on a terminal, runs at work have a bar each.

    Args:
        total: Runs that are to be done.
        steps_of: Returns the env steps that a run has taken, and those it will take.
        line_of: Returns what came out of a run that succeeded.
        console: Where to.

    Attributes:
        failed: The runs that failed.
    """

    def __init__(
        self,
        total: int,
        steps_of: Callable[[Task], tuple[int, int]],
        line_of: Callable[[Task], str],
        console: Console | None = None,
    ) -> None:
        self.failed: list[Outcome] = []
        # Unlimited where it is no terminal: a log wants whole lines.
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._total, self._done = total, 0
        self._steps_of, self._line_of = steps_of, line_of
        self._bars: dict[str, tuple[TaskID, Task]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("env steps"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, task: Task) -> None:
        """Show a bar for the run."""
        self._remove(task)
        done, total = self._steps_of(task)
        words = escape(task.name)
        bar = self._progress.add_task(words, total=total, completed=done)
        self._bars[task.name] = (bar, task)

    def lost(self, task: Task) -> None:
        """Say that the run goes on elsewhere."""
        self._remove(task)
        self._print(f"{task.name}: its process was lost; it goes on in another")

    def waiting(self) -> None:
        """Let the bars grow."""
        if self._progress.disable:
            return
        for bar, task in self._bars.values():
            self._progress.update(bar, completed=self._steps_of(task)[0])

    def ended(self, outcome: Outcome) -> None:
        """Print the run's line."""
        self._remove(outcome.task)
        self._done += 1
        if outcome.error is None:
            words = self._line_of(outcome.task)
        else:
            self.failed.append(outcome)
            words = f"FAILED: {reason(outcome.error)}"
        name, seconds = outcome.task.name, f"({outcome.seconds:.1f} s)"
        self._print(f"[{self._done}/{self._total}] {name}: {words} {seconds}")

    def _remove(self, task: Task) -> None:
        bar = self._bars.pop(task.name, None)
        if bar is not None:
            self._progress.remove_task(bar[0])

    def _print(self, line: str) -> None:
        self._console.print(escape(line), soft_wrap=True)


def reason(error: str) -> str:
    """Return the line of a traceback that says what went wrong."""
    lines = [line for line in error.splitlines() if line.strip()]
    if len(lines) > 1 and lines[-1].startswith("exit status"):
        lines.pop()
    words = lines[-1] if lines else "it said nothing"
    return words.removeprefix("oprl_gym.runs.folder.RunError: ")


def steps_taken(progress_csv: Path) -> int:
    """Return the env steps that a run has written of; 0 if it has not begun."""
    try:
        with progress_csv.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return int(float(rows[-1]["time/total_timesteps"]))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return 0  # not there yet, or its last row is half-written
