"""The speed benchmarks run, and what they report is what they measured."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import provenance
from benchmarks.speed import (
    fit,
    overhead,
    scale,
    startup,
    throughput,
    wrapping,
)
from benchmarks.speed import report as speed
from benchmarks.speed.imitation_rival import TRAINING, ImitationRival
from benchmarks.speed.rates import Contestant, Measurement, in_turns, read

SOME = Measurement("steps", "python some.py", "Abacus, 2 cores", "abc", {}, {})

CHILD = """
import json, sys
print(json.dumps({"imitation": "9.9"}), flush=True)
for line in sys.stdin:
    print(1 + float(line), flush=True)
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """Return a script that answers as `imitation_update.py` does."""
    script = tmp_path / "stand_in.py"
    script.write_text(CHILD)
    return script


def made_up(factors: dict[int, float]) -> dict[str, Measurement]:
    """Return measurements of three rounds.

    Args:
        factors: By number of a goal, how far it is reached; others are not measured.
    """
    rates: dict[str, dict] = {name: {} for name in speed.FILES}
    for number, factor in factors.items():
        goal = speed.GOALS[number]
        group = rates[goal.file].setdefault(goal.group, {})
        figure = figure_of(goal, factor)
        if goal.ours in group:  # by another goal, against another rival
            times = figure if goal.figure is speed.TIMES_AS_LONG else 1 / figure
            group[goal.theirs] = [rate * times for rate in group[goal.ours]]
        else:
            theirs = group.setdefault(goal.theirs, [10.0, 20.0, 30.0])
            group[goal.ours] = [rate_for(goal, figure, rate) for rate in theirs]
    return {name: replace(SOME, rates=rates[name]) for name in speed.FILES}


def figure_of(goal: speed.Goal, factor: float) -> float:
    """Return a figure that is as good as the limit times over; below 1, it is worse."""
    return goal.limit * factor if goal.direction == "at least" else goal.limit / factor


def rate_for(goal: speed.Goal, figure: float, theirs: float) -> float:
    """Return the rate of ours that gives the figure."""
    if goal.figure is speed.TIMES_AS_FAST:
        return theirs * figure
    if goal.figure is speed.TIMES_AS_LONG:
        return theirs / figure
    if goal.figure is speed.SECONDS_MORE:
        return 1 / (1 / theirs + figure)
    return 1 / figure


def table(text: str) -> list[list[str]]:
    """Return the cells of the goals' rows."""
    lines = text.split("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return rows[1:]


# Measuring


def test_contestants_take_turns_after_a_call_that_is_not_counted():
    calls: list[str] = []
    contestants = {
        name: Contestant(lambda name=name: calls.append(name), 5) for name in "ab"
    }
    rates = in_turns(contestants, repeats=3, seconds=0.0)
    without_repeats = [c for i, c in enumerate(calls) if i == 0 or calls[i - 1] != c]
    assert without_repeats == ["a", "b"] * 4
    assert [len(rates[name]) for name in "ab"] == [3, 3]


def test_a_rate_counts_units_over_cpu_time(monkeypatch):
    ticks = iter([100.0, 100.0, 100.5, 102.0])
    monkeypatch.setattr("time.process_time", lambda: next(ticks))
    assert Contestant(lambda: None, 4).rate(seconds=1.0) == 3 * 4 / 2.0


def test_a_stopwatch_adds_up_what_a_method_took_and_gives_the_method_back(monkeypatch):
    class Worker:
        def work(self, number: int) -> int:
            if number < 0:
                raise ValueError(number)
            return number + 1

    ticks = iter([1.0, 1.5, 7.0, 7.25])
    monkeypatch.setattr("time.process_time", lambda: next(ticks))
    plain = Worker.work
    with overhead.stopwatch([(Worker, "work")]) as total:
        assert Worker().work(1) == 2
        with pytest.raises(ValueError, match="-1"):
            Worker().work(-1)
    assert total == [0.75]
    assert Worker.work is plain


def test_the_time_of_a_step_is_split_into_parts(tmp_path, stand_in, monkeypatch):
    def imitation(python, script, arguments):
        assert (python, script, len(arguments)) == ("PYTHON", TRAINING, 3)
        return ImitationRival(sys.executable, stand_in)

    monkeypatch.setattr(overhead, "ImitationRival", imitation)
    options = ["--smoke", "--envs", "CartPole-v1", "--imitation", "PYTHON"]
    assert overhead.main([*options, "--results", str(tmp_path)]) == 0
    measured = read(tmp_path / overhead.FILE)
    (group,) = measured.rates
    (row,) = csv.DictReader((tmp_path / overhead.TABLE).read_text().splitlines())
    assert row.pop("training") == group == "PPO CartPole-v1"
    assert measured.rates[group][overhead.IMITATION] == [1.0]
    assert measured.versions["imitation (imitation's)"] == "9.9"
    microseconds = {part: float(value) for part, value in row.items()}
    rest = microseconds.pop(overhead.REST)
    assert all(value > 0 for value in microseconds.values())
    (rate,) = measured.rates[group][overhead.OPRL]
    # Less than nothing is not left, if the machine was slower in the plain run.
    left = max(0.0, 1e6 / rate - sum(microseconds.values()))
    assert rest == pytest.approx(left, abs=1.0)
    assert (tmp_path / overhead.FIGURE).exists()
    others = {"A2C CartPole-v1": measured.rates[group]}
    parts = {**microseconds, overhead.REST: rest}
    overhead.add(tmp_path, *others.popitem(), parts, "some command", {})
    again = read(tmp_path / overhead.FILE)
    assert list(again.rates) == [group, "A2C CartPole-v1"]
    assert again.versions == measured.versions
    rows = overhead.read_table(tmp_path / overhead.TABLE)
    assert [row["training"] for row in rows] == [group, "A2C CartPole-v1"]


def test_rates_are_compared_within_a_round():
    rates = {"g": {"a": [2.0, 9.0], "b": [1.0, 3.0]}}
    measured = replace(SOME, rates=rates)
    assert measured.rounds("g", "a", "b") == [(2.0, 1.0), (9.0, 3.0)]
    assert measured.rounds("g", "a", "c") is None


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (speed.TIMES_AS_FAST, 0.4),
        (speed.TIMES_AS_LONG, 2.5),
        (speed.SECONDS_MORE, 0.3),
        (speed.SECONDS, 0.5),
    ],
)
def test_figures_of_two_rates(figure: speed.Figure, expected: float):
    assert figure.of(2.0, 5.0) == pytest.approx(expected)


def test_throughput_runs_and_names_every_contestant_of_a_goal(tmp_path):
    assert throughput.main(["--smoke", "--results", str(tmp_path)]) == 0
    measured = read(tmp_path / throughput.FILE)
    assert measured.command.endswith("--smoke")
    assert measured.machine == provenance.machine()
    assert list(measured.rates) == ["scalar", "vector 8", "vector 64", "SB3 8"]
    missing = {goal.group for goal in unmeasured(measured, throughput.FILE)}
    assert missing == {"vector 1024", "vector 8192"}  # too large for a smoke test


def test_fit_runs_and_names_every_contestant_of_a_goal(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(
        fit, "ImitationRival", lambda python: ImitationRival(python, stand_in)
    )
    options = ["--smoke", "--imitation", sys.executable]
    assert fit.main([*options, "--results", str(tmp_path)]) == 0
    measured = read(tmp_path / fit.FILE)
    assert measured.command.endswith("--smoke --imitation PYTHON")
    assert measured.versions["imitation (imitation's)"] == "9.9"
    others = {f"{fit.MAZE}, {fit.LOOP}", f"{fit.DENSE}, {fit.LOOP}"}
    others.add(f"{fit.DENSE}, {fit.EVERY_STEP}")
    assert others < measured.rates[fit.GROUP].keys()
    assert unmeasured(measured, fit.FILE) == []


def test_wrapping_runs_and_names_every_contestant_of_a_goal(tmp_path):
    assert wrapping.main(["--smoke", "--results", str(tmp_path)]) == 0
    measured = read(tmp_path / wrapping.FILE)
    assert measured.command.endswith("--smoke")
    assert unmeasured(measured, wrapping.FILE) == []


def test_what_is_wrapped_there_is_scored_and_recorded():
    envs = wrapping.scored_mazes(4)
    envs.reset(seed=0)
    steps = [envs.step(np.ones(4, dtype=np.int64)) for _ in range(60)]
    assert (steps[0][4]["process_reward"] != 0).all()
    assert len(envs.pop_episodes()) == 4


def test_startup_runs_and_names_every_contestant_of_a_goal(tmp_path):
    assert startup.main(["--smoke", "--results", str(tmp_path)]) == 0
    measured = read(tmp_path / startup.FILE)
    assert measured.command.endswith("--smoke")
    assert unmeasured(measured, startup.FILE) == []


def test_a_process_that_fails_has_no_rate(capfd):
    with pytest.raises(subprocess.CalledProcessError):
        startup.Process(["-c", "raise SystemExit(3)"]).rate(0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_scale_runs_draws_and_writes_a_line_a_point(tmp_path):
    assert scale.main(["--smoke", "--results", str(tmp_path)]) == 0
    assert (tmp_path / scale.FIGURE).stat().st_size > 0
    lines = (tmp_path / scale.TABLE).read_text().splitlines()
    assert lines[0].split(",")[0] == "env_steps"
    done = [int(line.split(",")[0]) for line in lines[1:]]
    assert done == scale.targets(scale.SMOKE_LAST)
    measured = read(tmp_path / scale.FILE)
    decades = {scale.decade_name(scale.FIRST)}
    assert {name: of.keys() for name, of in measured.rates.items()} == {
        scale.STEPPING: decades,
        scale.UPDATING: decades,
    }


def test_scale_knows_the_decades_of_its_goals():
    points = [scale.Point(n, 0.5, 0.25, 40.0, 300.0) for n in scale.targets(scale.LAST)]
    measured = replace(SOME, rates=scale.rates(points))
    assert unmeasured(measured, scale.FILE) == []
    assert measured.rates[scale.STEPPING][scale.decade_name(6)] == [1e6 / 0.75] * 6
    assert measured.rates[scale.UPDATING][scale.decade_name(4)] == [25.0] * 6
    assert points[-1].env_steps == 10_000_384  # whole steps of all envs


def unmeasured(measured: Measurement, file: str) -> list[speed.Goal]:
    return [
        goal
        for goal in speed.GOALS
        if goal.file == file
        and measured.rounds(goal.group, goal.ours, goal.theirs) is None
    ]


def test_the_episodes_fitted_to_are_of_the_length_that_is_claimed():
    for episodes in (fit.maze_episodes(20), fit.dense_episodes(20)):
        assert [len(episode) for episode in episodes] == [60] * 20
        assert {e.observations.shape for e in episodes} == {(61, 64)}


def test_imitation_is_asked_in_its_own_process(stand_in):
    with ImitationRival(sys.executable, stand_in) as rival:
        assert [rival.rate(0.5), rival.rate(2.0)] == [1.5, 3.0]


def test_an_environment_without_imitation_is_said_to_have_failed(tmp_path, capfd):
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="status 3"):
        ImitationRival(sys.executable, script)


# Reporting


def test_the_report_names_every_goal_with_its_figure_command_and_machine():
    rows = table(speed.report(made_up(dict.fromkeys(range(len(speed.GOALS)), 1.5))))
    assert len(rows) == len(speed.GOALS)
    for goal, row in zip(speed.GOALS, rows, strict=True):
        figure, unit = f"{figure_of(goal, 1.5):.3g}", goal.figure.unit
        assert row == [
            "reached",
            goal.words,
            f"{goal.direction} {goal.limit:g}{unit}",
            f"{figure}{unit} ({figure} to {figure})",
            "`python some.py`",
            "Abacus, 2 cores",
        ]


def test_goals_missed_come_first_then_those_not_measured():
    last = len(speed.GOALS) - 1  # a figure that has to be low
    factors = dict.fromkeys((0, 1, 2, 4), 1.01) | dict.fromkeys((6, last), 0.99)
    rows = table(speed.report(made_up(factors)))
    assert [row[0] for row in rows] == [
        *["**missed**"] * 2,
        *["not measured"] * (len(speed.GOALS) - 6),
        *["reached"] * 4,
    ]
    assert [row[1] for row in rows[:2]] == [speed.GOALS[n].words for n in (6, last)]


def test_the_median_round_decides():
    goal = speed.GOALS[0]
    outlier = speed.Verdict(goal, [goal.limit, goal.limit + 1, 0.1])
    assert outlier.state == speed.REACHED
    assert outlier.words == f"{goal.limit:g}x (0.1 to {goal.limit + 1:g})"


def test_the_report_is_written_from_whatever_files_there_are(tmp_path, capsys):
    assert speed.main(["--results", str(tmp_path)]) == 0
    rows = table((tmp_path / speed.REPORT).read_text())
    assert [row[0] for row in rows] == ["not measured"] * len(speed.GOALS)
    measured = made_up({0: 0.5})[throughput.FILE]
    (tmp_path / throughput.FILE).write_text(json.dumps(vars(measured)))
    assert speed.main(["--results", str(tmp_path)]) == 0
    text = (tmp_path / speed.REPORT).read_text()
    assert table(text)[0][:2] == ["**missed**", speed.GOALS[0].words]
    assert "| scalar | CliffWalking-v1 | 20 | 10 | 30 | 3 |" in text
    assert capsys.readouterr().out.count("**missed**") == 1
