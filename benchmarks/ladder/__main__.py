"""The ladder benchmark: arms x rungs x algorithms x seeds.

    python -m benchmarks.ladder --suite core --jobs 2
    python -m benchmarks.ladder --arms plain,oprl --rungs TwoWalls --seeds 100:106
    python -m benchmarks.ladder --suite core --engine ray --address auto  # on a cluster

A run that is finished is not done again, so a broken-off ladder goes on where it was.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks import provenance
from benchmarks.ladder.commands import note_command
from benchmarks.ladder.results import RunId, read_run, state_of
from benchmarks.ladder.settings import (
    ALGOS,
    ARMS,
    RUNGS,
    SUITES,
    fits,
)
from benchmarks.ladder.worker import PRELOAD, execute_all
from benchmarks.paths import PUBLIC_RESULTS, RESULTS, ROOT
from benchmarks.public.rungs import PUBLIC
from oprl_gym.engines import Engine, Outcome, Task, make_engine
from oprl_gym.runs.folder import RunError


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is missing, then write tables and figures; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        suite = "smoke" if options.smoke else options.suite
        runs = chosen_runs(
            suite, options.arms, options.rungs, options.algos, options.seeds
        )
        if options.smoke:
            with tempfile.TemporaryDirectory() as folder:
                return _ladder(
                    runs, options, options.results or Path(folder), arguments
                )
        public = all(run.rung in PUBLIC for run in runs)
        results = options.results or (PUBLIC_RESULTS if public else RESULTS)
        return _ladder(runs, options, results, arguments)
    except RunError as error:
        print(f"ladder: {error}", file=sys.stderr)
        return 2


def chosen_runs(
    suite: str,
    arms: Sequence[str] | None = None,
    rungs: Sequence[str] | None = None,
    algos: Sequence[str] | None = None,
    seeds: range | None = None,
) -> list[RunId]:
    """Return the runs asked for; what is None is as the suite says.

    All runs of a seed come before those of the next, so that a part of the ladder is
    the whole ladder with fewer seeds.
    """
    chosen = SUITES[suite]
    return [
        RunId(seed, rung, algo, arm)
        for seed in (range(chosen.seeds) if seeds is None else seeds)
        for rung in rungs or chosen.rungs
        for algo in algos or chosen.algos
        for arm in arms or chosen.arms
        if fits(arm, rung, algo)
    ]


def _ladder(
    runs: Sequence[RunId],
    options: argparse.Namespace,
    results: Path,
    arguments: Sequence[str] | None,
) -> int:
    engine = _engine(options)
    states = {run: state_of(run, results) for run in runs}
    todo = [run for run in runs if states[run] != "finished"]
    stale = sum(state == "stale" for state in states.values())
    again = f", {stale} of them again as their settings have changed" if stale else ""
    print(f"{len(runs)} runs, {len(todo)} to do{again}; results in {results}")
    commit = provenance.commit()
    if todo:
        note_command(results, provenance.command(arguments), commit)
    reporter = _Reporter(todo, results)
    execute_all(todo, engine, results, commit, reporter)
    failed = reporter.failed
    if len(failed) < len(runs):
        _report(results)
    if failed:
        print(f"{len(failed)} of {len(todo)} runs failed:", file=sys.stderr)
        for run in failed:
            print(f"  {run}: {run.failure_path(results)}", file=sys.stderr)
    return 1 if failed else 0


def _report(results: Path) -> None:
    # Here, as they need scipy and matplotlib, which the runs do not.
    from benchmarks.ladder.analyse import write_tables
    from benchmarks.ladder.plots import draw_all

    write_tables(results)
    draw_all(results)
    print(f"tables and figures: {results / 'README.md'}")


class _Reporter:
    """Prints a line as a run ends, and the words of one that failed."""

    def __init__(self, runs: Sequence[RunId], results: Path) -> None:
        self.failed: list[RunId] = []
        self._runs = {str(run): run for run in runs}
        self._results = results
        self._ended = 0

    def started(self, task: Task) -> None:
        pass

    def lost(self, task: Task) -> None:
        print(f"{task.name}: its process was lost; once more", flush=True)

    def waiting(self) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self._ended += 1
        run = self._runs[outcome.task.name]
        line = _line(run, outcome, self._results)
        print(f"[{self._ended}/{len(self._runs)}] {line}", flush=True)
        if outcome.error is not None:
            self.failed.append(run)
            print(outcome.error, file=sys.stderr, flush=True)


def _engine(options: argparse.Namespace) -> Engine:
    """Return what does the runs.

    A run that is killed fails, as it says something about the machine; on a cluster,
    which loses nodes, it is done again.
    """
    on_ray = options.engine == "ray"
    # On a cluster, unless a number is given, as many at a time as it has processors.
    jobs = options.jobs or (None if on_ray else 1)
    retries = 3 if on_ray else 0
    return make_engine(
        options.engine, jobs, options.address, retries, PRELOAD, (str(ROOT),)
    )


def _line(run: RunId, outcome: Outcome, results: Path) -> str:
    if outcome.error is not None:
        return f"{run}: FAILED"
    values = read_run(run.path(results))
    assert values is not None
    reached = values["steps_to_90"]
    target = f"{RUNGS[run.rung].target:.0%}"
    when = f"{target} never" if reached is None else f"{target} at {reached:,}"
    return f"{run}: {when} ({outcome.seconds:.1f} s)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", choices=SUITES, default="core", help="(core)")
    for name, known in (("arms", ARMS), ("rungs", RUNGS), ("algos", ALGOS)):
        parser.add_argument(
            f"--{name}",
            type=_names(known),
            metavar="A,B,...",
            help=f"instead of the suite's: {', '.join(known)}",
        )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N or A:B",
        help="seeds 0 to N-1, or A to B-1, instead of the suite's",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        help="runs at a time (1; with --engine ray one a processor)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine, or Ray Tune (local)",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="Ray cluster, of which this machine is a node, or: auto (Ray on this "
        "machine)",
    )
    parser.add_argument("--results", type=Path, help="folder (benchmarks/results)")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="two small runs of everything, or of what the flags above say, into a "
        "folder that is then removed unless --results names one",
    )
    return parser


def _names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(filter(None, text.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown) or 'nothing'} is not among {', '.join(known)}"
            )
        return names

    return parse


def _seeds(text: str) -> range:
    try:
        bounds = [int(part) for part in text.split(":")]
    except ValueError:
        bounds = []
    if len(bounds) == 1:
        bounds = [0, *bounds]
    if len(bounds) != 2 or not 0 <= bounds[0] < bounds[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is neither N nor A:B with A < B")
    return range(*bounds)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    # So that a ladder that is killed takes its runs with it, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
