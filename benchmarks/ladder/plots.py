"""From runs to figures.

    python -m benchmarks.ladder.plots

Called by the ladder when it has finished.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.ladder.results import read_all
from benchmarks.ladder.settings import HARMLESS, LADDER, RUNGS, SUITES
from benchmarks.ladder.summary import Group, Key, Run, grouped, summarise
from benchmarks.paths import RESULTS
from benchmarks.public.rungs import EASY, LATE, PUBLIC, SEARCH, UNSEEN
from oprl_gym.figures.estimates import (
    HOLLOW,
    Dot,
    log_steps,
    plot_estimates,
    style,
    thousands,
)
from oprl_gym.figures.plotting import (
    FAINT,
    GREEN,
    INDIGO,
    INK,
    ORANGE,
    RED,
    SERIES,
    new_figure,
)
from oprl_gym.runs.episode_log import TARGET
from oprl_gym.runs.measures import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    "oprl": INDIGO,
    "plain": FAINT,
    "oracle": GREEN,
    "tutorial": ORANGE,
    "tutorial-agent": SERIES[5],
    "count": SERIES[4],
    "rnd": RED,
    "noveld": SERIES[5],
    "step-cost": ORANGE,
    "dense": GREEN,
    "velocity": GREEN,
    "ircr": SERIES[4],
    "rrd": RED,
    "best-rival": ORANGE,
}
"""One colour for an arm; no two of one panel share theirs. Other arms are `OTHER`."""

OTHER = SERIES[6]
NAMES = {
    "oprl": "OPRL",
    "oracle": "oracle (shortest paths known)",
    "tutorial": "tutorial's settings",
    "tutorial-agent": "tutorial's agent",
    "count": "first-visit bonus",
    "rnd": "RND",
    "noveld": "NovelD",
    "step-cost": "cost a step",
    "dense": "dense reward",
    "velocity": "paid for speed",
    "ircr": "IRCR",
    "rrd": "RRD",
    "constant-minus": "-0.1 a step, nothing else",
    "constant-plus": "+0.1 a step, nothing else",
    "best-rival": "best rival there",
}
TITLES = {
    "ppo": "PPO",
    "a2c": "A2C",
    "own": "its own agent",
    "dqn": "DQN",
    "sac": "SAC",
}
HEADLINE = SUITES["core"].arms
PUBLIC_HEADLINE = ("plain", "best-rival", "dense", "velocity", "oprl")
RIVALS = ("count", "rnd", "noveld", "step-cost", "ircr", "rrd")
"""Of which the figure of the public suite shows the best on each env."""

PARTS = {
    "": LADDER,
    "-search": SEARCH,
    "-late": LATE,
    "-easy": EASY,
    "-unseen": UNSEEN,
}
"""Envs whose curves stand in one figure."""

WITH_BAND = ("oprl", "plain")
"""Arms whose curves have their interval: those of all would hide each other."""

HEADED = ("ppo", "a2c")
"""Algorithms that have a panel in the headline."""

WIDTH = 3
"""Panels in a row."""

SOLVED = 0.97
"""A panel of curves ends a little after the slowest arm that gets there did."""


def draw_all(results: Path) -> list[Path]:
    """Write every figure that the runs in a folder allow; returns their paths."""
    runs = read_all(results)
    groups = summarise(runs)
    drawn = [_headline(groups, results)]
    for algo in TITLES:
        for part in PARTS:
            drawn += _curves(runs, algo, part, results)
        drawn += _ablations(runs, algo, results)
    return drawn


def _headline(groups: Mapping[Key, Group], results: Path) -> Path:
    """Steps to 90 % on every rung that anybody solves, one panel an algorithm.

    An algorithm that was run on a few of them has no panel.
    """
    solved = {key[1] for key, one in groups.items() if one.failures < one.seeds}
    groups = {key: one for key, one in groups.items() if key[1] in solved} or groups
    algos = _mostly_run(groups)
    rungs = [name for name in RUNGS if any(key[1] == name for key in groups)]
    aside = {*HARMLESS, *UNSEEN}
    rungs = [name for name in rungs if name not in aside] or rungs
    ours = {rung for _, rung, arm in groups if arm == "oprl"}
    rungs = [name for name in rungs if name in ours] or rungs
    arms = PUBLIC_HEADLINE if rungs[0] in PUBLIC else HEADLINE
    groups = {**groups, **_best_rivals(groups)}
    width = 6.4 if len(algos) == 1 else 4.6 * len(algos)
    size = (1.6 + width, 1.5 + (0.2 + 0.07 * len(arms)) * len(rungs))
    figure, axes = new_figure(1, len(algos), size)
    for ax, algo in zip(axes[0], algos, strict=True):
        rows = [
            [groups[algo, rung, arm] for arm in arms if (algo, rung, arm) in groups]
            for rung in rungs
        ]
        _dots(ax, TITLES[algo], rungs, rows)
    for ax in axes[0][1:]:
        ax.tick_params(labelleft=False)
    drawn = [arm for arm in arms if any(key[2] == arm for key in groups)]
    _legend(figure, drawn, "o", HOLLOW)
    return _save(figure, results / "headline.png")


def _best_rivals(groups: Mapping[Key, Group]) -> dict[Key, Group]:
    """Return for each algorithm and rung the rival that got there soonest."""
    best: dict[Key, Group] = {}
    for (algo, rung, arm), group in groups.items():
        key = algo, rung, "best-rival"
        known = best.get(key)
        sooner = known is None or group.steps.value < known.steps.value
        if arm in RIVALS and sooner:
            best[key] = replace(group, arm="best-rival")
    return best


def _mostly_run(groups: Mapping[Key, Group]) -> list[str]:
    """Return the algorithms run on half of the rungs at least."""
    ran = {algo: {key[1] for key in groups if key[0] == algo} for algo in HEADED}
    most = max(map(len, ran.values()))
    return [algo for algo, rungs in ran.items() if rungs and 2 * len(rungs) >= most]


def _ablations(runs: Sequence[Run], algo: str, results: Path) -> list[Path]:
    """Steps to 90 % of every change to the defaults, one panel a rung.

    All of a panel are of the same seeds: those that every arm in it was run with.
    """
    suite = SUITES["ablations"]
    arms = (*HEADLINE, *suite.arms)
    ran = [
        run
        for run in runs
        if run["algo"] == algo and run["rung"] in suite.rungs and run["arm"] in arms
    ]
    known = {run["arm"] for run in ran}
    if known.isdisjoint(suite.arms):
        return []
    arms = tuple(arm for arm in arms if arm in known)
    rungs = [rung for rung in suite.rungs if any(run["rung"] == rung for run in ran)]
    size = (1.6 + 4.6 * len(rungs), 1.5 + 0.27 * len(arms))
    figure, axes = new_figure(1, len(rungs), size)
    for ax, rung in zip(axes[0], rungs, strict=True):
        shared = _of_shared_seeds([run for run in ran if run["rung"] == rung])
        groups = summarise(shared)
        found = [groups.get((algo, rung, arm)) for arm in arms]
        rows = [[] if group is None else [group] for group in found]
        seeds = len({run["seed"] for run in shared})
        title = f"{TITLES[algo]}, {rung} (seeds: {seeds})"
        _dots(ax, title, [NAMES.get(a, a) for a in arms], rows)
        before = groups.get((algo, rung, "oprl"))
        if before is not None:  # what the arms below are changes of
            ax.axvline(before.steps.value, color=FAINT, lw=0.9, alpha=0.5, zorder=1)
    for ax in axes[0][1:]:
        ax.tick_params(labelleft=False)
    figure.suptitle(HOLLOW, x=0.01, ha="left", color=FAINT, fontsize=8.5)
    return [_save(figure, results / f"ablations-{algo}.png")]


def _of_shared_seeds(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of seeds that each of their arms was run with."""
    seeds: dict[str, set[int]] = {}
    for run in runs:
        seeds.setdefault(run["arm"], set()).add(run["seed"])
    shared = set.intersection(*seeds.values())
    return [run for run in runs if run["seed"] in shared]


def _dots(
    ax: Axes, title: str, names: Sequence[str], rows: Sequence[Sequence[Group]]
) -> None:
    """Draw one line a row, on it a dot with interval for each group."""
    dots = [
        [Dot(g.steps, COLORS.get(g.arm, OTHER), g.failures, g.seeds) for g in row]
        for row in rows
    ]
    plot_estimates(ax, title, names, dots, "env steps to 90 % success (log)")
    log_steps(ax)


def _curves(runs: Sequence[Run], algo: str, part: str, results: Path) -> list[Path]:
    """Success over env steps, one panel a rung."""
    groups = {
        key: found
        for key, found in grouped(runs).items()
        if key[0] == algo and key[1] in PARTS[part]
    }
    arms = [a for a in COLORS if any(key[2] == a for key in groups)]
    rungs = [name for name in RUNGS if any((algo, name, a) in groups for a in arms)]
    if not rungs or not arms:
        return []
    columns = min(WIDTH, len(rungs))
    lines = math.ceil(len(rungs) / columns)
    size = (0.6 + 3.3 * columns, 0.9 + 2.3 * lines)
    figure, axes = new_figure(lines, columns, size)
    panels = list(axes.flat)
    for ax, rung in zip(panels, rungs, strict=False):
        style(ax, rung)
        found = {a: groups[algo, rung, a] for a in arms if (algo, rung, a) in groups}
        ends = [_curve(ax, arm, found[arm]) for arm in reversed(found)]
        _share_axis(ax, max(ends), found)
    for ax in panels[len(rungs) :]:
        ax.set_visible(False)
    figure.supxlabel(f"env steps ({TITLES[algo]})", color=INK, fontsize=9)
    figure.supylabel("success (return), latest 100 episodes", color=INK, fontsize=9)
    _legend(figure, arms, "-")
    return [_save(figure, results / f"curves-{algo}{part}.png")]


def _curve(ax: Axes, arm: str, runs: Sequence[Run]) -> float:
    """Draw an arm's curve; returns the env step from which on nothing happens."""
    if _by_return(runs[0]["rung"]):
        return _return_curve(ax, arm, runs)
    curves = np.array([run["curve"] for run in runs]).T / 100  # (G, S)
    budget = runs[0]["settings"]["rung"]["budget"]
    steps = np.arange(len(curves) + 1) * budget / len(curves)
    zero = np.zeros((1, curves.shape[1]))
    middle, low, high = band(np.concatenate([zero, curves]))
    color = COLORS[arm]
    if arm in WITH_BAND:
        ax.fill_between(steps, low, high, color=color, alpha=0.16, lw=0)
    ax.plot(steps, middle, color=color, lw=2 if arm == "oprl" else 1.5)
    unsolved = np.flatnonzero(low < SOLVED)
    return float(steps[min(unsolved[-1] + 1, len(steps) - 1)])


def _by_return(rung: str) -> bool:
    """Whether a rung is told by its returns: where no success ends a run."""
    return RUNGS[rung].stop_after is None and RUNGS[rung].target == TARGET


def _return_curve(ax: Axes, arm: str, runs: Sequence[Run]) -> float:
    """Draw an arm's returns; returns the last env step."""
    returns = np.array([run["returns"] for run in runs], dtype=np.float64).T  # (G, S)
    budget = runs[0]["settings"]["rung"]["budget"]
    steps = np.arange(1, len(returns) + 1) * budget / len(returns)
    played = np.isfinite(returns).all(axis=1)
    middle, low, high = band(returns[played])
    color = COLORS[arm]
    if arm in WITH_BAND:
        ax.fill_between(steps[played], low, high, color=color, alpha=0.16, lw=0)
    ax.plot(steps[played], middle, color=color, lw=2 if arm == "oprl" else 1.5)
    return float(budget)


def _share_axis(ax: Axes, end: float, found: Mapping[str, Sequence[Run]]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    run = next(iter(found.values()))[0]
    rung = run["settings"]["rung"]
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x)))
    if _by_return(run["rung"]):
        return
    ax.axhline(rung["target"], color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    ax.set_ylim(-0.03, 1.05)
    ax.set_xlim(0, min(1.25 * end, rung["budget"]))
    ax.set_yticks(sorted({0, 0.5, rung["target"]}))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, 0))


def _legend(figure: Any, arms: Iterable[str], marker: str, note: str = "") -> None:
    legend(figure, {NAMES.get(arm, arm): COLORS[arm] for arm in arms}, marker, note)


def legend(figure: Any, shown: Mapping[str, str], marker: str, note: str = "") -> None:
    """Say above a figure what its colours are.

    Args:
        figure: Of Matplotlib.
        shown: Colours by what they stand for.
        marker: "o" for dots, else lines.
        note: What a hollow dot is; none is shown without.
    """
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=color, marker=marker, lw=0, ms=7)
        if marker == "o"
        else Line2D([], [], color=color, lw=2.2)
        for color in shown.values()
    ]
    names = list(shown)
    if note:
        handles.append(
            Line2D([], [], color="white", mec=FAINT, mew=1.4, marker="o", lw=0, ms=7)
        )
        names.append(note)
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=_columns(figure.get_figwidth(), names),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.5,
        columnspacing=1.6,
    )


def _columns(width: float, names: Sequence[str]) -> int:
    """Return how many entries of a legend stand beside each other in so many inches."""
    inches = [0.5 + 0.075 * len(name) for name in names]
    if sum(inches) <= width:
        return len(names)
    return max(1, int(width / max(inches)))


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def main() -> None:
    """Draw the figures of a results folder."""
    parser = argparse.ArgumentParser(description="From runs to figures.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    for path in draw_all(parser.parse_args().results):
        print(path)


if __name__ == "__main__":
    main()
