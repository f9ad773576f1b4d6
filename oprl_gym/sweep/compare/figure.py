"""The one figure of a comparison: how each arm learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oprl_gym.figures import plotting
from oprl_gym.figures.saving import save_figure
from oprl_gym.runs.episode_log import WINDOW
from oprl_gym.sweep.compare.arms import BESIDE, FIRST_VISITS, OPRL, PLAIN, STEP_COST
from oprl_gym.sweep.compare.scores import Scores, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    PLAIN.name: "#5C6470",
    STEP_COST.name: plotting.ORANGE,
    FIRST_VISITS.name: plotting.GREEN,
    OPRL.name: plotting.INDIGO,
    BESIDE.name: "#8E44AD",
}
APART = 0.065
"""Height of a label's line, as a share of the panel's."""


def draw_compare(scores: Scores, title: str, path: Path) -> None:
    """Draw the curves of all arms, each with its name at its end.

    Args:
        scores: One or more arms.
        title: The answer in one line.
        path: Where to.

    Raises:
        RunError: It cannot be written.
    """
    curves = [
        plotting.Curve(
            arm.name,
            [(log.env_steps, values_of(log, scores.by_success)) for log in arm.logs],
            color=COLORS[arm.name],
        )
        for arm in scores.arms
    ]
    figure, axes = plotting.new_figure(size=(8, 4.4))
    ax = plotting.plot_curves(curves, WINDOW, scores.by_success, axes[0, 0])
    ax.set_xlim(0, scores.budget)
    if max(len(arm.logs) for arm in scores.arms) > 1:
        ax.set_xlabel("env steps (thin: each seed)", color=plotting.INK, fontsize=9)
    _name_at_the_ends(ax, [arm.name for arm in scores.arms])
    ax.set_title(title, loc="left", color=plotting.INK, fontsize=12, fontweight="bold")
    save_figure(figure, path)


def _name_at_the_ends(ax: Axes, names: Sequence[str]) -> None:
    """Write each arm's name to the right of its curve, none over another."""
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()
    curves = {
        str(line.get_label()): np.asarray(line.get_ydata(), dtype=np.float64)
        for line in ax.lines
    }
    ends = {name: float(ys[-1]) for name, ys in curves.items() if len(ys)}
    low, high = ax.get_ylim()
    heights = {
        name: (next((y for at, y in ends.items() if _is(at, name)), low) - low)
        / (high - low)
        for name in names
    }
    for name, height in spread(heights, APART).items():
        ax.annotate(
            name,
            (1.01, height),
            xycoords="axes fraction",
            va="center",
            color=COLORS[name],
            fontsize=10,
            fontweight="bold" if name == OPRL.name else "normal",
        )


def spread(heights: dict[str, float], apart: float) -> dict[str, float]:
    """Return heights in the same order, moved so that none is nearer than ``apart``.

    Args:
        heights: By name, 0 to 1.
        apart: Least distance.

    Example:
        >>> spread({"a": 0.5, "b": 0.5}, 0.1)
        {'a': 0.45, 'b': 0.55}
    """
    placed: dict[str, float] = {}
    groups: list[list[str]] = []
    for name in sorted(heights, key=lambda name: heights[name]):
        groups.append([name])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], heights, apart):
            above = groups.pop()
            groups[-1] += above
    for group in groups:
        bottom = _middle(group, heights) - (len(group) - 1) / 2 * apart
        placed |= {name: bottom + i * apart for i, name in enumerate(group)}
    return placed


def _overlap(
    below: list[str], above: list[str], heights: dict[str, float], apart: float
) -> bool:
    room = (len(below) + len(above)) / 2 * apart
    return _middle(above, heights) - _middle(below, heights) < room


def _middle(group: list[str], heights: dict[str, float]) -> float:
    return sum(heights[name] for name in group) / len(group)


def _is(label: str, name: str) -> bool:
    return label == name or label.startswith(f"{name} (")
