"""From what `throughput.py` and `fit.py` wrote to `results/speed.md`.

python benchmarks/speed.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # started as a script: `benchmarks` is one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import fit, throughput
from benchmarks.rates import Measurement, read

RESULTS = Path(__file__).resolve().parent / "results"
REPORT = "speed.md"
FILES = (throughput.FILE, fit.FILE)
Measurements = Mapping[str, Measurement]

MISSED, UNKNOWN, REACHED = "**missed**", "not measured", "reached"
STATES = (MISSED, UNKNOWN, REACHED)
"""In the order in which they are reported: what speaks against us first."""


@dataclass(frozen=True)
class Goal:
    """A ratio to reach.

    Attributes:
        words: What is compared.
        at_least: The ratio.
        file: Which measurement tells, like the three that follow.
        group: Group of contestants that took turns.
        ours: Name of ours.
        theirs: Name of the rival.
    """

    words: str
    at_least: float
    file: str
    group: str
    ours: str
    theirs: str


def _vector(num_envs: int, at_least: float) -> Goal:
    return Goal(
        f"`make_vec` of {num_envs}, NEXT_STEP, against CartPole's `vector_entry_point`",
        at_least,
        throughput.FILE,
        f"vector {num_envs}",
        f"{throughput.MAZE}, {throughput.NEXT_STEP}",
        throughput.CARTPOLE,
    )


GOALS = (
    Goal(
        "one env of `gym.make` against CliffWalking",
        8.0,
        throughput.FILE,
        "scalar",
        throughput.MAZE,
        "CliffWalking-v1",
    ),
    _vector(8, 8.0),
    _vector(64, 8.0),
    _vector(1024, 4.5),
    _vector(8192, 1.8),
    Goal(
        "`make_vec` of 1024, NEXT_STEP, against the limit, one `take`",
        0.25,
        throughput.FILE,
        "vector 1024",
        f"{throughput.MAZE}, {throughput.NEXT_STEP}",
        throughput.LIMIT,
    ),
    Goal(
        "`OPRLMazeVecEnv` of 8 against `DummyVecEnv` + `Monitor`",
        6.0,
        throughput.FILE,
        f"SB3 {throughput.SB3_SIZE}",
        throughput.NATIVE,
        throughput.DUMMY,
    ),
    Goal(
        "update of the reward model on the maze against imitation's",
        20.0,
        fit.FILE,
        fit.GROUP,
        fit.MAZE,
        fit.IMITATION,
    ),
    Goal(
        "update of the reward model on dense observations against imitation's",
        6.0,
        fit.FILE,
        fit.GROUP,
        fit.DENSE,
        fit.IMITATION,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured: the ratio of each round, if it was.

    Attributes:
        goal: The goal.
        ratios: Ours to theirs.
    """

    goal: Goal
    ratios: list[float] | None

    @property
    def state(self) -> str:
        """Return one of ``STATES``."""
        if self.ratios is None:
            return UNKNOWN
        return REACHED if self._figure >= self.goal.at_least else MISSED

    @property
    def words(self) -> str:
        """Return the median ratio, with the lowest and the highest."""
        if self.ratios is None:
            return ""
        low, high = min(self.ratios), max(self.ratios)
        return f"{self._figure:.3g}x ({low:.3g} to {high:.3g})"

    @property
    def _figure(self) -> float:
        assert self.ratios is not None
        return statistics.median(self.ratios)


def verdicts(measurements: Measurements) -> list[Verdict]:
    """Return every goal with its ratios, those missed first."""
    found = []
    for goal in GOALS:
        measured = measurements.get(goal.file)
        sides = (goal.group, goal.ours, goal.theirs)
        found.append(Verdict(goal, measured.ratios(*sides) if measured else None))
    return sorted(found, key=lambda verdict: STATES.index(verdict.state))


def report(measurements: Measurements) -> str:
    """Return the page."""
    return "\n".join(_lines(measurements)) + "\n"


def _lines(measurements: Measurements) -> Iterator[str]:
    yield "# Speed"
    yield ""
    yield "Written by `make bench`. A ratio is the median over rounds (lowest to"
    yield "highest) in which both sides took turns, one thread, CPU time. Goals missed"
    yield "come first."
    yield ""
    yield "| state | what | goal | figure | command | machine |"
    yield "|---|---|---|---|---|---|"
    for verdict in verdicts(measurements):
        yield _row(verdict, measurements.get(verdict.goal.file))
    for measurement in measurements.values():
        yield ""
        yield from _rates(measurement)


def _row(verdict: Verdict, measured: Measurement | None) -> str:
    origin = (f"`{measured.command}`", measured.machine) if measured else ("", "")
    goal = f"at least {verdict.goal.at_least:g}x"
    cells = (verdict.state, verdict.goal.words, goal, verdict.words, *origin)
    return f"| {' | '.join(cells)} |"


def _rates(measurement: Measurement) -> Iterator[str]:
    versions = ", ".join(f"{k} {v}" for k, v in measurement.versions.items())
    yield f"## {measurement.unit.capitalize()} in a second of CPU time"
    yield ""
    yield f"`{measurement.command}` at commit {measurement.commit}, on"
    yield f"{measurement.machine}; {versions}."
    yield ""
    yield "| group | who | median | lowest | highest | rounds |"
    yield "|---|---|---:|---:|---:|---:|"
    for group, contestants in measurement.rates.items():
        for name, rates in contestants.items():
            median, low, high = statistics.median(rates), min(rates), max(rates)
            figures = f"{median:,.0f} | {low:,.0f} | {high:,.0f} | {len(rates)}"
            yield f"| {group} | {name} | {figures} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, write, and say what was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    results = parser.parse_args(arguments).results
    found = {name: read(results / name) for name in FILES}
    measurements = {name: m for name, m in found.items() if m is not None}
    (results / REPORT).write_text(report(measurements), encoding="utf-8")
    for verdict in verdicts(measurements):
        print(f"{verdict.state:<12}  {verdict.goal.words}  {verdict.words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
