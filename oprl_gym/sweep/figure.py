"""The figure of a sweep: its arms side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oprl_gym.figures.estimates import HOLLOW, Dot, log_steps, plot_estimates, thousands
from oprl_gym.figures.plotting import FAINT, INDIGO, SERIES, new_figure
from oprl_gym.figures.saving import save_figure
from oprl_gym.runs.measures import Estimate
from oprl_gym.sweep.outcomes import ArmResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ARMS = 40
"""More would make a picture that nobody can look at; the best are drawn."""

LOG_FROM = 5
"""Ratio of steps from which on they are drawn on a log scale."""

FAST, WELL = "How fast it learns", "How well it ends"
INTERVALS = "interquartile mean over seeds, 95 % bootstrap interval"


def draw_sweep(results: Sequence[ArmResult], path: Path) -> None:
    """Draw a dot with interval for every arm: how fast it learned, how well it ended.

    Args:
        results: One or more. Where success tells nothing, returns are drawn.
        path: Where to.

    Raises:
        RunError: It cannot be written.
    """
    known = all(result.steps_to_90 is not None for result in results)
    shown = list(results)
    if len(shown) > MAX_ARMS:
        shown = sorted(shown, key=_rank if known else _negative_return)[:MAX_ARMS]
    names = [f"{result.arm.name} ({result.seeds})" for result in shown]
    width = 1.4 + 0.06 * max(map(len, names)) + 7.8
    figure, axes = new_figure(1, 2, (width, 1.5 + 0.36 * len(shown)))
    panels = _of_success(shown) if known else _of_returns(shown)
    for ax, panel in zip(axes[0], panels, strict=True):
        plot_estimates(ax, panel.title, names, panel.rows, panel.unit)
    axes[0, 1].tick_params(labelleft=False)
    if known:
        _scale(axes[0, 0], [dot.estimate for row in panels[0].rows for dot in row])
        axes[0, 1].set_xlim(-0.03, 1.03)
        axes[0, 1].xaxis.set_major_formatter("{x:.0%}")
    else:
        for ax in axes[0]:
            ax.xaxis.set_major_formatter("{x:,g}")
    figure.suptitle(
        _words(shown, len(results), known), x=0.01, ha="left", color=FAINT, fontsize=8.5
    )
    save_figure(figure, path)


class _Panel(NamedTuple):
    title: str
    unit: str
    rows: list[list[Dot]]


def _of_success(shown: Sequence[ArmResult]) -> tuple[_Panel, _Panel]:
    steps, ends = [], []
    for result, color in zip(shown, _colors(len(shown)), strict=True):
        assert result.steps_to_90 is not None
        assert result.success is not None
        failures = result.failures or 0
        steps.append([Dot(result.steps_to_90, color, failures, result.seeds)])
        ends.append([Dot(result.success, color)])
    return (
        _Panel(FAST, "env steps to 90 % success", steps),
        _Panel(WELL, "success rate after training", ends),
    )


def _of_returns(shown: Sequence[ArmResult]) -> tuple[_Panel, _Panel]:
    colors = _colors(len(shown))
    learning = [
        [Dot(result.learning, color)] if result.learning is not None else []
        for result, color in zip(shown, colors, strict=True)
    ]
    ends = [[Dot(r.returns, color)] for r, color in zip(shown, colors, strict=True)]
    return (
        _Panel(FAST, "return, mean over all of the training", learning),
        _Panel(WELL, "return after training", ends),
    )


def _scale(ax: Axes, estimates: Sequence[Estimate]) -> None:
    """Let an axis begin at 0, unless the arms are far apart."""
    values = [value for e in estimates for value in (e.value, e.low, e.high)]
    largest, smallest = np.nanmax(values), np.nanmin(values)
    if largest > LOG_FROM * smallest > 0:
        log_steps(ax)
        return
    ax.set_xlim(0, 1.25 * largest)  # room for the words beside the dots
    ax.xaxis.set_major_formatter(lambda x, _: thousands(x))


def _colors(count: int) -> Sequence[str]:
    """Return a colour for each of few arms; many share one."""
    return SERIES[:count] if count <= len(SERIES) else (INDIGO,) * count


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
