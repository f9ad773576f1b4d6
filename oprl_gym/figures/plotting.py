"""How the figures look: arrays in, Axes out.

Nothing here touches matplotlib's global state (pyplot), so it can be used beside a
notebook's own figures and in threads. Every function draws on ``ax``, or makes a
figure of its own, to be saved with ``ax.figure.savefig(...)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oprl_gym.types import Array, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#333C4E"
FAINT = "#8A909C"
GRID = "#E8E6E0"
INDIGO = "#4F46E5"
GREEN = "#16916A"
ORANGE = "#E07B26"
RED = "#C2405A"
SERIES = (INDIGO, ORANGE, GREEN, RED, "#2E86AB", "#7A5C3E", "#8E44AD", "#5C6470")

MIN_WINDOW = 10
"""Fewest episodes that a smoothed curve averages: fewer make it look like news."""

CHANCE_LOSS = float(np.log(2.0))
"""Bradley-Terry loss in nats of a model that knows nothing."""


@dataclass(frozen=True)
class Curve:
    """One group of runs in a comparison: one colour, one line in the legend."""

    label: str
    runs: Sequence[tuple[IntArray, FloatArray]]  # (M,) env steps, (M,) values each
    seeds: int | None = None  # different ones among them; None: as many as runs


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (6, 4)
) -> Any:
    """Return a figure and its (rows, columns) array of axes; ``size`` in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=size, dpi=150, layout=layout, facecolor="white")
    return figure, figure.subplots(rows, columns, squeeze=False)


def trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """Return (M,) means over the latest ``window`` values, or over all if fewer.

    Args:
        values: (M,) numbers.
        window: 1 or more.
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    means: FloatArray = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def plot_returns(
    env_steps: IntArray, returns: FloatArray, window: int = 100, ax: Axes | None = None
) -> Axes:
    """Draw the return of each training episode and its trailing mean.

    Args:
        env_steps: (M,) env steps at which the episodes ended.
        returns: (M,) returns.
        window: Episodes that the mean is over.
        ax: Where to draw.
    """
    ax = _prepared(ax, "Return", "return of an episode")
    if not len(env_steps):
        return _empty(ax, "no episode ended")
    _explain(ax, f"each episode, mean of last {window}")
    ax.plot(env_steps, returns, ".", color=INDIGO, alpha=0.18, ms=5, mew=0)
    _plot_mean(ax, env_steps, returns, window, INDIGO)
    return ax


def plot_success(
    env_steps: IntArray,
    success: FloatArray,
    window: int = 100,
    target: tuple[float, int | None] = (0.9, None),
    ax: Axes | None = None,
) -> Axes:
    """Draw the success rate over training.

    Args:
        env_steps: (M,) env steps at which the episodes ended.
        success: (M,) 1 or 0; NaN where it is unknown.
        window: Episodes that the rate is over; the pale line is over a fifth of them.
        target: A rate worth a dashed line, and the env step at which it was reached.
        ax: Where to draw.
    """
    ax = _prepared(ax, "Success rate", "episodes that succeed")
    known = np.isfinite(success)
    if not known.any():
        unknown = "this env reports no success" if len(success) else "no episode ended"
        return _empty(ax, unknown)
    steps, values = env_steps[known], success[known]
    rate, reached = target
    ax.axhline(rate, color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=1)
    short = max(window // 5, MIN_WINDOW)
    _explain(ax, f"mean of last {short}, of last {window}")
    pale = trailing_mean(values, short)[short - 1 :]
    ax.plot(steps[short - 1 :], pale, color=GREEN, alpha=0.3, lw=1)
    _plot_mean(ax, steps, values, window, GREEN)
    if reached is not None:
        ax.plot([reached], [rate], "o", color=GREEN, mec="white", mew=1.2, ms=7)
        _note(ax, f"{rate:.0%} at {reached:,}", (reached, rate))
    ax.set_ylim(-0.03, 1.05)
    ax.yaxis.set_major_formatter(_percent())
    return ax


def plot_loss(
    env_steps: Array,
    losses: FloatArray,
    title: str = "Loss",
    unit: str = "loss",
    color: str = ORANGE,
    reference: tuple[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a loss, raw and smoothed over a tenth of its points.

    Args:
        env_steps: (U,) env steps at which it was logged.
        losses: (U,) values.
        title: Of the panel.
        unit: What the values are.
        color: Of the line.
        reference: A value worth a dashed line, and its name.
        ax: Where to draw.
    """
    ax = _prepared(ax, title, unit)
    if not len(env_steps):
        return _empty(ax, "not logged in this run")
    if reference is not None:
        value, name = reference
        ax.axhline(value, color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.annotate(
            name,
            (1.0, value),
            xycoords=("axes fraction", "data"),
            xytext=(-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color=FAINT,
            fontsize=8,
        )
    ax.plot(env_steps, losses, ".-", color=color, alpha=0.35, lw=1, ms=4, mew=0)
    window = max(3, len(losses) // 10)
    _explain(ax, f"as logged, mean of last {window}")
    if len(losses) >= 2 * window:
        smooth = trailing_mean(losses, window)[window - 1 :]
        ax.plot(env_steps[window - 1 :], smooth, color=color, lw=2)
    return ax


def plot_curves(
    curves: Sequence[Curve],
    window: int = 100,
    percent: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw trailing means of groups of runs: each run pale, their mean strong.

    Args:
        curves: The groups. The runs of one should differ in nothing but the seed.
        window: Episodes that a mean is over.
        percent: Whether the values are successes (0 or 1); else they are returns.
        ax: Where to draw.
    """
    title = "Success rate" if percent else "Return"
    unit = "episodes that succeed" if percent else "return of an episode"
    ax = _prepared(ax, f"{title} in training", f"{unit}, last {window}")
    for number, curve in enumerate(curves):
        _plot_group(ax, curve, window, SERIES[number % len(SERIES)])
    if percent:
        ax.axhline(0.9, color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.set_ylim(-0.03, 1.05)
        ax.yaxis.set_major_formatter(_percent())
    if curves:
        ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    return ax


def plot_episode_rewards(
    rewards: FloatArray, name: str, title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw the rewards of the steps of one episode.

    Args:
        rewards: (T,) rewards.
        name: What kind they are; labels the axis.
        title: Of the figure.
        ax: Where to draw.
    """
    ax = _prepared(ax, title, name, "step of the episode")
    steps = np.arange(1, len(rewards) + 1)
    ax.axhline(0.0, color=FAINT, lw=0.9)
    style = "." if len(rewards) <= 60 else ""
    ax.plot(steps, rewards, color=INDIGO, lw=1.6, marker=style, ms=6)
    return ax


def plot_learned_returns(
    env_returns: FloatArray, learned: FloatArray, ax: Axes | None = None
) -> Axes:
    """Draw what the learned reward makes of episodes against what the env paid.

    A reward that is right rises from the worst episodes to the best. It need not be a
    line: novelty counts as well.

    Args:
        env_returns: (M,) returns of the env.
        learned: (M,) sums of the learned scores of the same episodes.
        ax: Where to draw.

    Example:
        >>> ax = plot_learned_returns(np.array([0.0, 10.0]), np.array([-1.0, 2.0]))
        >>> ax.get_title(loc="right")
        'correlation 1.00'
    """
    ax = _prepared(
        ax, "Learned reward", "learned, summed over the episode", "return of an episode"
    )
    if not len(env_returns):
        return _empty(ax, "no episode ended")
    if np.ptp(env_returns) and np.ptp(learned):
        _explain(ax, f"correlation {np.corrcoef(env_returns, learned)[0, 1]:.2f}")
    else:
        _explain(ax, "all alike: nothing to compare")
    ax.plot(env_returns, learned, "o", color=INDIGO, alpha=0.45, ms=5, mew=0)
    ax.xaxis.set_major_formatter("{x:,g}")
    return ax


def _prepared(
    ax: Axes | None, title: str, ylabel: str, xlabel: str = "env steps"
) -> Axes:
    from matplotlib.ticker import MaxNLocator

    if ax is None:
        ax = new_figure()[1][0, 0]
    ax.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    ax.set_xlabel(xlabel, color=INK, fontsize=9)
    ax.set_ylabel(ylabel, color=INK, fontsize=9)
    ax.grid(color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, labelsize=8.5, length=0)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#C9C7C1")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    return ax


def _explain(ax: Axes, words: str) -> None:
    """Say what the pale and the strong line are, opposite the title."""
    ax.set_title(words, loc="right", color=FAINT, fontsize=8)


def _empty(ax: Axes, words: str) -> Axes:
    ax.text(
        0.5, 0.5, words, transform=ax.transAxes, ha="center", color=FAINT, fontsize=10
    )
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _note(ax: Axes, text: str, point: tuple[float, float]) -> None:
    """Write beside a point, on the side where there is room."""
    left, right = ax.get_xlim()
    late = point[0] > left + 0.6 * (right - left)
    ax.annotate(
        text,
        point,
        xytext=(-9 if late else 9, -13),
        textcoords="offset points",
        ha="right" if late else "left",
        color=INK,
        fontsize=8.5,
    )


def _plot_mean(
    ax: Axes, env_steps: IntArray, values: FloatArray, window: int, color: str
) -> None:
    first = MIN_WINDOW - 1
    mean = trailing_mean(values, window)[first:]
    ax.plot(env_steps[first:], mean, color=color, lw=2, label=f"mean of last {window}")


def _plot_group(ax: Axes, curve: Curve, window: int, color: str) -> None:
    runs = [
        (steps[MIN_WINDOW - 1 :], trailing_mean(values, window)[MIN_WINDOW - 1 :])
        for steps, values in curve.runs
        if len(steps) >= MIN_WINDOW
    ]
    if not runs:
        return
    if len(runs) == 1:
        ax.plot(*runs[0], color=color, lw=2, label=curve.label)
        return
    for steps, mean in runs:
        ax.plot(steps, mean, color=color, alpha=0.28, lw=0.9)
    # The mean is drawn only where every run has a value.
    grid = np.linspace(max(s[0] for s, _ in runs), min(s[-1] for s, _ in runs), 400)
    held = [mean[np.searchsorted(s, grid, side="right") - 1] for s, mean in runs]
    label = f"{curve.label} ({_count(len(runs), curve.seeds)})"
    ax.plot(grid, np.mean(held, axis=0), color=color, lw=2.2, label=label)


def _count(runs: int, seeds: int | None) -> str:
    if seeds in (None, runs):
        return f"{runs} seeds"
    return f"{runs} runs, {seeds} seed{'s' if seeds != 1 else ''}"


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(xmax=1.0, decimals=0)
