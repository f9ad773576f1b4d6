"""The README's first figure: three mazes and some envs of others, in one small panel.

Drawn by `python -m benchmarks.ladder.overview`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.ladder.plots import COLORS, legend
from benchmarks.ladder.results import read_all
from benchmarks.ladder.summary import Group, Key, summarise
from benchmarks.paths import RESULTS, ROOT
from oprl_gym.figures.estimates import Dot, log_steps, plot_estimates
from oprl_gym.figures.plotting import new_figure

FILE = ROOT / "docs/images/overview.png"
PUBLIC_RESULTS = ROOT / "benchmarks/public/results"
ROWS = {
    "OPRLMaze-v0": "our easiest maze",
    "ThreeWalls": "our maze ThreeWalls",
    "16x16": "our maze of 16 x 16",
    "DeepSea-20": "DeepSea-20",
    "DoorKey-8x8": "MiniGrid DoorKey-8x8",
    "KeyCorridorS3R1": "MiniGrid KeyCorridorS3R1",
    "MultiRoom-N4-S5": "MiniGrid MultiRoom-N4-S5",
    "CartPole-late": "CartPole, paid at its end",
}
"""Rungs, and what they are called: some where a rival is ahead are among them."""

COLUMNS = {
    "plain PPO": ("plain",),
    "a cost per step": ("step-cost", "constant-minus"),
    "first-visit bonus": ("count",),
    "OPRL": ("oprl",),
}
"""What is compared, and the arms that are it on one suite or the other."""


def draw(path: Path = FILE) -> Path:
    """Draw the figure from the reported runs; returns its path."""
    groups = {**summarise(read_all(RESULTS)), **summarise(read_all(PUBLIC_RESULTS))}
    figure, axes = new_figure(1, 1, (5.0, 5.6))
    ax = axes[0, 0]
    rows = [_dots(groups, rung) for rung in ROWS]
    label = "env steps to 90 % success (fewer is better)"
    plot_estimates(ax, "", list(ROWS.values()), rows, label)
    log_steps(ax)
    ax.set_xlim(right=1.9e6)
    shown = {words: COLORS[arms[0]] for words, arms in COLUMNS.items()}
    legend(figure, shown, "o", "some runs never got there")
    figure.savefig(path, metadata={"Software": None})
    return path


def _dots(groups: Mapping[Key, Group], rung: str) -> list[Dot]:
    """Return a dot for each column that was run on a rung."""
    dots = []
    for arms in COLUMNS.values():
        for arm in arms:
            group = groups.get(("ppo", rung, arm))
            if group is not None:
                color = COLORS[arms[0]]
                dots.append(Dot(group.steps, color, group.failures, group.seeds))
    return dots


if __name__ == "__main__":
    print(draw())
