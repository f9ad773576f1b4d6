"""From what the benchmarks of `make bench` wrote to `results/speed.md`.

python -m benchmarks.speed.report
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.paths import RESULTS
from benchmarks.speed import fit, overhead, scale, startup, throughput, wrapping
from benchmarks.speed.rates import Measurement, read

REPORT = "speed.md"
FILES = (
    throughput.FILE,
    fit.FILE,
    overhead.FILE,
    wrapping.FILE,
    scale.FILE,
    startup.FILE,
)
FIGURES = (overhead.FIGURE, scale.FIGURE, "memory.png")
Measurements = Mapping[str, Measurement]

MISSED, UNKNOWN, REACHED = "**missed**", "not measured", "reached"
STATES = (MISSED, UNKNOWN, REACHED)
"""In the order in which they are reported: what speaks against us first."""


Direction = Literal["at least", "at most"]


@dataclass(frozen=True)
class Figure:
    """What is made of the rates of ours and theirs in one round.

    Attributes:
        of: Makes it.
        unit: Of what comes out.
    """

    of: Callable[[float, float], float]
    unit: str


TIMES_AS_FAST = Figure(lambda ours, theirs: ours / theirs, "x")
TIMES_AS_LONG = Figure(lambda ours, theirs: theirs / ours, "x")
SECONDS_MORE = Figure(lambda ours, theirs: 1 / ours - 1 / theirs, " s")
SECONDS = Figure(lambda ours, _: 1 / ours, " s")


@dataclass(frozen=True)
class Goal:
    """A figure to reach.

    Attributes:
        words: What is compared.
        limit: The figure to reach, or to stay below.
        file: Which measurement tells, like the three that follow.
        group: Group of contestants that took turns.
        ours: Name of ours.
        theirs: Name of the rival.
        direction: On which side of the limit to be.
        figure: What is made of both rates.
    """

    words: str
    limit: float
    file: str
    group: str
    ours: str
    theirs: str
    direction: Direction = "at least"
    figure: Figure = TIMES_AS_FAST

    def reached(self, figure: float) -> bool:
        """Return whether a figure is on the right side."""
        if self.direction == "at least":
            return figure >= self.limit
        return figure <= self.limit


def _vector(num_envs: int, limit: float) -> Goal:
    return Goal(
        f"`make_vec` of {num_envs}, NEXT_STEP, against CartPole's `vector_entry_point`",
        limit,
        throughput.FILE,
        f"vector {num_envs}",
        f"{throughput.MAZE}, {throughput.NEXT_STEP}",
        throughput.CARTPOLE,
    )


def _flat(words: str, group: str) -> Goal:
    return Goal(
        words,
        1.25,
        scale.FILE,
        group,
        scale.decade_name(scale.LAST - 1),
        scale.decade_name(scale.FIRST),
        "at most",
        TIMES_AS_LONG,
    )


def _overhead(training: str, limit: float, against: str = overhead.PLAIN) -> Goal:
    return Goal(
        f"a whole training, {training}, with OPRL against {against}",
        limit,
        overhead.FILE,
        training,
        overhead.OPRL,
        against,
        "at most",
        TIMES_AS_LONG,
    )


TRAININGS = {
    "PPO OPRLMaze-v0": 1.12,
    "A2C OPRLMaze-v0": 1.25,
    "PPO CartPole-v1": 1.25,
    "A2C CartPole-v1": 1.45,
    "PPO DoorKey": 1.08,
    "A2C DoorKey": 1.12,
}
"""What OPRL may cost each, as a multiple of the plain agent."""

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
        25.0,
        fit.FILE,
        fit.GROUP,
        fit.MAZE,
        fit.IMITATION,
    ),
    Goal(
        "update of the reward model on dense observations against imitation's",
        15.0,
        fit.FILE,
        fit.GROUP,
        fit.DENSE,
        fit.IMITATION,
    ),
    *(_overhead(training, limit) for training, limit in TRAININGS.items()),
    *(_overhead(training, 1.0, overhead.RND) for training in TRAININGS),
    *(
        _overhead(f"{algo} {overhead.IN_IMITATION}", 1.0, overhead.IMITATION)
        for algo in ("PPO", "A2C")
    ),
    Goal(
        "a step of 1024 mazes with the process reward, recorded, against without",
        4.0,
        wrapping.FILE,
        wrapping.group_name(1024),
        wrapping.WRAPPED,
        wrapping.BARE,
        "at most",
        TIMES_AS_LONG,
    ),
    _flat("a step after a million of them against after ten thousand", scale.STEPPING),
    _flat("an update after a million steps against after 10,000", scale.UPDATING),
    Goal(
        "`import oprl_gym` after `import gymnasium`",
        0.3,
        startup.FILE,
        startup.GROUP,
        startup.LIBRARY,
        startup.GYMNASIUM,
        "at most",
        SECONDS_MORE,
    ),
    Goal(
        "`oprl-gym --help`",
        0.5,
        startup.FILE,
        startup.GROUP,
        startup.HELP,
        startup.NOTHING,
        "at most",
        SECONDS,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured: the figure of each round, if it was.

    Attributes:
        goal: The goal.
        figures: Of the rounds.
    """

    goal: Goal
    figures: list[float] | None

    @property
    def state(self) -> str:
        """Return one of ``STATES``."""
        if self.figures is None:
            return UNKNOWN
        return REACHED if self.goal.reached(self._median) else MISSED

    @property
    def words(self) -> str:
        """Return the median, with the lowest and the highest."""
        if self.figures is None:
            return ""
        low, high = min(self.figures), max(self.figures)
        return f"{self._median:.3g}{self.goal.figure.unit} ({low:.3g} to {high:.3g})"

    @property
    def _median(self) -> float:
        assert self.figures is not None
        return statistics.median(self.figures)


def verdicts(measurements: Measurements) -> list[Verdict]:
    """Return every goal with its figures, those missed first."""
    found = []
    for goal in GOALS:
        measured = measurements.get(goal.file)
        rounds = (
            measured.rounds(goal.group, goal.ours, goal.theirs) if measured else None
        )
        figures = None if rounds is None else [goal.figure.of(*pair) for pair in rounds]
        found.append(Verdict(goal, figures))
    return sorted(found, key=lambda verdict: STATES.index(verdict.state))


def report(measurements: Measurements) -> str:
    """Return the page."""
    return "\n".join(_lines(measurements)) + "\n"


def _lines(measurements: Measurements) -> Iterator[str]:
    yield "# Speed"
    yield ""
    yield "Written by `make bench`. A figure is the median over rounds (lowest to"
    yield "highest) in which both sides took turns, one thread, CPU time. Goals missed"
    yield "come first."
    yield ""
    yield "| state | what | goal | figure | command | machine |"
    yield "|---|---|---|---|---|---|"
    for verdict in verdicts(measurements):
        yield _row(verdict, measurements.get(verdict.goal.file))
    for figure in FIGURES:
        yield ""
        yield f"![{Path(figure).stem}]({figure})"
    for measurement in measurements.values():
        yield ""
        yield from _rates(measurement)


def _row(verdict: Verdict, measured: Measurement | None) -> str:
    origin = (f"`{measured.command}`", measured.machine) if measured else ("", "")
    goal = verdict.goal
    wanted = f"{goal.direction} {goal.limit:g}{goal.figure.unit}"
    cells = (verdict.state, goal.words, wanted, verdict.words, *origin)
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
