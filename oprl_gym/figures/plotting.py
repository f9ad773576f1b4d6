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
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

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


@dataclass(frozen=True)
class Curve:
    """One group of runs in a comparison: one colour, one line in the legend."""

    label: str
    runs: Sequence[tuple[IntArray, FloatArray]]  # (M,) env steps, (M,) values each
    color: str | None = None  # None: the next of SERIES
    seeds: int | None = None  # different ones among them; None: as many as runs


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (6, 4)
) -> Any:
    """Return a figure and its (rows, columns) array of axes; ``size`` in inches."""
    figure = bare_figure(size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def bare_figure(size: tuple[float, float]) -> Figure:
    """Return a figure without axes; ``size`` in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    return Figure(figsize=size, dpi=150, layout=layout, facecolor="white")


def pale(color: str) -> tuple[float, float, float]:
    """Return a pale shade of a colour, as solid as the colour itself."""
    from matplotlib.colors import to_rgb

    red, green, blue = (1 - 0.35 * (1 - part) for part in to_rgb(color))
    return red, green, blue


def shades(color: str) -> Colormap:
    """Return a palette from the pale to the full shade of a colour."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    ends = np.array([pale(color), to_rgb(color)])
    return LinearSegmentedColormap.from_list("shades", ends)


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
    env_steps: IntArray,
    returns: Array,
    window: int = 100,
    ax: Axes | None = None,
    words: tuple[str, str] = ("Return", "return of an episode"),
    color: str = INDIGO,
) -> Axes:
    """Draw the return of each training episode and its trailing mean.

    Args:
        env_steps: (M,) env steps at which the episodes ended.
        returns: (M,) returns, or another number that each has.
        window: Episodes that the mean is over.
        ax: Where to draw.
        words: Title of the panel, and what the numbers are.
        color: Of both.
    """
    ax = _prepared(ax, *words)
    if not len(env_steps):
        return _empty(ax, "no episode ended")
    _explain(ax, f"pale: each episode; strong: mean of last {window}")
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.plot(env_steps, returns, ".", color=pale(color), ms=4, mew=0)
    _plot_mean(ax, env_steps, returns, window, color)
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
    _explain(ax, f"mean of last {window}; pale: of last {short}")
    ax.plot(*_smooth(steps, values, short, short), color=pale(GREEN), lw=1)
    _plot_mean(ax, steps, values, window, GREEN)
    if reached is not None:
        ax.plot([reached], [rate], "o", color=GREEN, mec="white", mew=1.2, ms=7)
        _note(ax, f"{rate:.0%} at {reached:,}", (reached, rate))
    ax.set_ylim(-0.03, 1.05)
    ax.yaxis.set_major_formatter(_percent())
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
        color = curve.color or SERIES[number % len(SERIES)]
        _plot_group(ax, curve, window, color)
    ax.yaxis.set_major_formatter("{x:,g}")
    if percent:
        ax.axhline(0.9, color=FAINT, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.set_ylim(-0.03, 1.05)
        ax.yaxis.set_major_formatter(_percent())
    if ax.get_legend_handles_labels()[0]:  # else all runs are shorter than the window
        ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    return ax


def plot_accuracy(
    env_steps: Array, accuracy: FloatArray, ax: Axes | None = None
) -> Axes:
    """Draw how many new answers a reward model foretold, over training.

    Args:
        env_steps: (U,) env steps at which it was logged.
        accuracy: (U,) shares, 0 to 1.
        ax: Where to draw.
    """
    ax = _prepared(ax, "Accuracy", "pairs foretold")
    if not len(env_steps):
        return _empty(ax, "no answer was foretold in this run")
    _explain(ax, "new pairs, before the fit to them")
    _refer_to(ax, 0.5, "chance")
    ax.plot(env_steps, accuracy, ".-", color=ORANGE, lw=2, ms=6)
    ax.set_ylim(min(0.4, float(accuracy.min()) - 0.03), 1.03)
    ax.yaxis.set_major_formatter(_percent())
    return ax


def plot_step_rewards(rewards: FloatArray, name: str, color: str, ax: Axes) -> Axes:
    """Draw the rewards of the T steps of one episode as a line with steps.

    Args:
        rewards: (T,) rewards.
        name: What kind they are; labels the axis.
        color: Of the line.
        ax: Where to draw.
    """
    _prepared(ax, "", name, "step of the episode")
    edges = np.arange(len(rewards) + 1)
    ax.axhline(0.0, color=FAINT, lw=0.9)
    ax.stairs(rewards, edges, color=color, lw=1.6, baseline=None)
    ax.set_xlim(0, len(rewards))
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
    env_returns: FloatArray,
    learned: FloatArray,
    ax: Axes | None = None,
    order: Array | None = None,
    dark: str = "",
    title: str = "Learned reward",
) -> Axes:
    """Draw what the learned reward makes of episodes against what the env paid.

    A reward that is right rises from the worst episodes to the best. It need not be a
    line: novelty counts as well.

    Args:
        env_returns: (M,) returns of the env.
        learned: (M,) sums of the learned scores of the same episodes.
        ax: Where to draw.
        order: (M,) numbers; the higher, the darker the dot.
        dark: What a dark dot is, in a word.
        title: Of the panel.

    Example:
        >>> ax = plot_learned_returns(np.array([0.0, 10.0]), np.array([-1.0, 2.0]))
        >>> ax.get_title(loc="right")
        'rank correlation 1.00'
    """
    from oprl_gym.runs.ranks import rank_correlation

    xlabel = f"env return (dark: {dark})" if dark else "env return"
    ax = _prepared(ax, title, "learned return", xlabel)
    if not len(env_returns):
        return _empty(ax, "no episode ended")
    rho = rank_correlation(env_returns, learned)
    alike = "all alike: nothing to compare"
    _explain(ax, alike if rho is None else f"rank correlation {rho:.2f}")
    if order is None:
        ax.scatter(env_returns, learned, s=18, c=INDIGO, lw=0)
    else:
        ax.scatter(env_returns, learned, s=18, c=order, cmap=shades(INDIGO), lw=0)
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.yaxis.set_major_formatter("{x:,g}")
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


def _refer_to(ax: Axes, value: float, name: str) -> None:
    """Draw a dashed line that others are seen against, and say what it is."""
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
    mean = _smooth(env_steps, values, window)
    ax.plot(*mean, color=color, lw=2, label=f"mean of last {window}")


def _smooth(
    env_steps: IntArray, values: FloatArray, window: int, fewest: int = MIN_WINDOW
) -> tuple[IntArray, FloatArray]:
    """Return a trailing mean, once for all episodes that ended at the same step."""
    last = np.append(np.diff(env_steps) > 0, True)
    last[: fewest - 1] = False
    return env_steps[last], trailing_mean(values, window)[last]


def _plot_group(ax: Axes, curve: Curve, window: int, color: str) -> None:
    runs = [
        _smooth(steps, values, window)
        for steps, values in curve.runs
        if len(steps) >= MIN_WINDOW
    ]
    if not runs:
        return
    if len(runs) == 1:
        ax.plot(*runs[0], color=color, lw=2, label=curve.label)
        return
    for steps, mean in runs:
        ax.plot(steps, mean, color=pale(color), lw=0.9)
    # The mean is drawn only where every run has a value.
    first, last = max(s[0] for s, _ in runs), min(s[-1] for s, _ in runs)
    grid = np.linspace(first, last, 400 if first <= last else 0)
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
