"""Numbers with their intervals as dots on lines: how arms compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oprl_gym.figures.plotting import GRID, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from oprl_gym.runs.measures import Estimate

HOLLOW = "hollow: seeds that failed count as the budget"


@dataclass(frozen=True)
class Dot:
    """A number to be drawn.

    Attributes:
        estimate: The number and its interval.
        color: Of both.
        failures: Runs that failed; with one or more the dot is hollow.
        runs: Runs in all.
    """

    estimate: Estimate
    color: str
    failures: int = 0
    runs: int = 0


def plot_estimates(
    ax: Axes,
    title: str,
    names: Sequence[str],
    rows: Sequence[Sequence[Dot]],
    xlabel: str,
) -> Axes:
    """Draw one line a row, on it a dot with interval for each number.

    Args:
        ax: Where to draw.
        title: Of the panel.
        names: (R,) of the rows.
        rows: (R,) numbers of each row, drawn slightly above each other.
        xlabel: What the numbers are.
    """
    style(ax, title)
    for y, row in enumerate(rows):
        offsets = (np.arange(len(row)) - (len(row) - 1) / 2) * 0.24
        for dot, offset in zip(row, offsets, strict=True):
            _plot_dot(ax, dot, y + float(offset))
        if y % 2 == 0 and len(rows) > 1:
            ax.axhspan(y - 0.5, y + 0.5, color=GRID, alpha=0.35, lw=0, zorder=0)
    ax.set_xlabel(xlabel, color=INK, fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    return ax


def log_steps(ax: Axes) -> None:
    """Let the x axis of a panel count env steps, on a log scale."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    # Leave room on the right for the words beside the dots.
    left, right = ax.get_xlim()
    ax.set_xlim(left, right * (right / left) ** 0.22)


def style(ax: Axes, title: str) -> None:
    """Give a panel its title and take away what distracts."""
    ax.set_title(title, loc="left", color=INK, fontsize=10, fontweight="bold")
    ax.grid(color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", colors=INK, labelsize=8.5, length=0)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#C9C7C1")


def thousands(steps: float) -> str:
    """Return a number of steps as a tick says it: 20k, 1M."""
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1000:g}k" if steps else "0"


def _plot_dot(ax: Axes, dot: Dot, y: float) -> None:
    estimate, color = dot.estimate, dot.color
    if not math.isnan(estimate.low):
        ax.plot([estimate.low, estimate.high], [y, y], color=color, lw=2, alpha=0.55)
    whole = dot.failures == 0
    ax.plot(
        [estimate.value],
        [y],
        "o",
        ms=6.5,
        color=color if whole else "white",
        mec=color,
        mew=1.4,
        zorder=3,
    )
    if not whole:
        ax.annotate(
            f"{dot.failures}/{dot.runs} failed",
            (0.99, y),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            color=color,
            fontsize=7,
        )
