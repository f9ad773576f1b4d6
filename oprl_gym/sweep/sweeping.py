"""Do a sweep: what is missing, then the tables and the figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import filelock

from oprl_gym.engines import Engine, Task
from oprl_gym.runs.folder import RunError
from oprl_gym.sweep.display import Display, steps_taken
from oprl_gym.sweep.figure import draw_sweep
from oprl_gym.sweep.outcomes import table, write_tables
from oprl_gym.sweep.runs import State, SweepRun, sweep_runs
from oprl_gym.sweep.spec import Sweep

Report = Callable[[Sequence[SweepRun], Path], None]
"""Says what the runs came to, finished or not, in the sweep's folder."""


def report_arms(runs: Sequence[SweepRun], out: Path) -> None:
    """Write ``runs.csv``, ``summary.csv`` and ``summary.png``, and print the table."""
    results = write_tables(runs, out)
    if not results:
        return
    draw_sweep(results, out / "summary.png")
    print(
        f"\n{table(results)}\n\nresults     {out}: summary.csv, summary.png, runs.csv"
    )


def run_sweep(
    sweep: Sweep, out: Path, engine: Engine, report: Report = report_arms
) -> None:
    """Do the runs of a sweep that are missing, and go on with those broken off.

    Each has a run folder, ``runs/ARM/seed-N/``.

    Args:
        sweep: The sweep.
        out: Its folder; with an engine on several machines, one that all of them see.
        engine: Who does the runs.
        report: What is done at the end, also if some of them failed.

    Raises:
        RunError: The folder cannot be used, or holds runs with other settings, and
            nothing was changed; or runs failed, and the others are done.
    """
    out = out.resolve()
    runs = sweep_runs(sweep, out)
    states = [run.state() for run in runs]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(out / "sweep.lock", timeout=0) as lock:
            try:
                _do(runs, states, out, engine, report)
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise RunError(f"another sweep is at work in {out}; let it end") from error
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error}") from error


def _do(
    runs: Sequence[SweepRun],
    states: Sequence[State],
    out: Path,
    engine: Engine,
    report: Report,
) -> None:
    pairs = zip(runs, states, strict=True)
    todo = [run for run, state in pairs if state != "finished"]
    counts = Counter(states)
    print(
        f"{len(runs)} runs: {counts['finished']} finished, {counts['half-run']} "
        f"half-run, {counts['missing']} to begin; in {out}",
        flush=True,
    )
    by_name = {str(run): run for run in todo}

    def steps_of(task: Task) -> tuple[int, int]:
        run = by_name[task.name]
        done = steps_taken(run.folder.file("progress.csv"))
        return done, run.config.total_timesteps

    def line_of(task: Task) -> str:
        return _line(by_name[task.name])

    with Display(len(todo), steps_of, line_of) as display:
        engine.run([run.task() for run in todo], display)
    report(runs, out)
    if display.failed:
        logs = ", ".join(str(outcome.task.log) for outcome in display.failed[:5])
        more = ", ..." if len(display.failed) > 5 else ""
        raise RunError(
            f"{len(display.failed)} of {len(todo)} runs failed; what they said: {logs}"
            f"{more}. Once that is put right, the same command does them again"
        )


def _line(run: SweepRun) -> str:
    summary = run.folder.summary()
    if summary.success_means is None:
        return f"return {summary.eval_return_mean:g}"
    reached = summary.steps_to_90
    return "90 % never" if reached is None else f"90 % at {reached:,}"
