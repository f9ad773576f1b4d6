"""The figure of a sweep: its arms side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oprl_gym.figures.estimates import HOLLOW, Dot, log_steps, plot_estimates, thousands
from oprl_gym.figures.plotting import FAINT, INDIGO, SERIES, new_figure
from oprl_gym.runs.measures import Estimate
from oprl_gym.sweep.outcomes import ArmResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ARMS = 40
"""More would make a picture that nobody can look at; the best are drawn."""

LOG_FROM = 5
"""Ratio of steps from which on they are drawn on a log scale."""

INTERVALS = "interquartile mean over seeds, 95 % bootstrap interval"


def draw_sweep(results: Sequence[ArmResult], path: Path) -> None:
    """Draw a dot with interval for every arm: how fast it learned, how well it ended.

    Args:
        results: One or more. Where success is unknown in some, returns are drawn.
        path: Where to.

    Raises:
        OSError: It cannot be written.
    """
    known = all(result.steps_to_90 is not None for result in results)
    shown = list(results)
    if len(shown) > MAX_ARMS:
        shown = sorted(shown, key=_rank if known else _negative_return)[:MAX_ARMS]
    names = [f"{result.arm.name} ({result.seeds})" for result in shown]
    panels = 2 if known else 1
    width = 1.4 + 0.06 * max(map(len, names)) + 3.9 * panels
    figure, axes = new_figure(1, panels, (width, 1.5 + 0.36 * len(shown)))
    colors = [_color(number, len(shown)) for number in range(len(shown))]
    if known:
        steps = [
            [Dot(r.steps_to_90, color, r.failures or 0, r.seeds)]
            for r, color in zip(shown, colors, strict=True)
            if r.steps_to_90 is not None
        ]
        title = "How fast it learns"
        plot_estimates(axes[0, 0], title, names, steps, "env steps to 90 % success")
        _scale(axes[0, 0], [dot.estimate for row in steps for dot in row])
    last = axes[0, -1]
    ends = [
        [Dot(r.success if known and r.success is not None else r.returns, color)]
        for r, color in zip(shown, colors, strict=True)
    ]
    what = "success rate" if known else "return"
    plot_estimates(last, "How well it ends", names, ends, f"{what} after training")
    if known:
        last.set_xlim(-0.03, 1.03)
        last.xaxis.set_major_formatter("{x:.0%}")
        last.tick_params(labelleft=False)
    figure.suptitle(
        _words(shown, len(results), known), x=0.01, ha="left", color=FAINT, fontsize=8.5
    )
    figure.savefig(path)


def _scale(ax: Axes, estimates: Sequence[Estimate]) -> None:
    """Let an axis begin at 0, unless the arms are far apart."""
    values = [value for e in estimates for value in (e.value, e.low, e.high)]
    largest, smallest = np.nanmax(values), np.nanmin(values)
    if largest > LOG_FROM * smallest > 0:
        log_steps(ax)
        return
    ax.set_xlim(0, 1.25 * largest)  # room for the words beside the dots
    ax.xaxis.set_major_formatter(lambda x, _: thousands(x))


def _color(number: int, count: int) -> str:
    """Return a colour for each of few arms; many share one."""
    return SERIES[number] if count <= len(SERIES) else INDIGO


def _words(shown: Sequence[ArmResult], count: int, known: bool) -> str:
    words = [INTERVALS, "in brackets: seeds"]
    if len(shown) < count:
        words.insert(0, f"best {len(shown)} of {count} arms")
    if known and any(result.failures for result in shown):
        words.append(HOLLOW)
    return "; ".join(words)


def _rank(result: ArmResult) -> float:
    assert result.steps_to_90 is not None
    return result.steps_to_90.value


def _negative_return(result: ArmResult) -> float:
    return -result.returns.value
