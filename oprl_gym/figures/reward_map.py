"""How the learned reward of a maze looks: cells in colours, and a path through them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from oprl_gym.envs.layouts import Layout
from oprl_gym.figures.plotting import FAINT, GREEN, INDIGO, INK, new_figure
from oprl_gym.types import Array, BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from oprl_gym.runs.reward_maps import RewardMaps


PALETTE = ("#FDF6E7", "#FBD9A5", "#F3A654", "#DD6B26", "#A83A12")
"""From what the agent is least drawn to, to what it is most drawn to."""


def plot_reward_map(
    layout: Layout,
    rewards: FloatArray | None,
    path: Sequence[tuple[int, int]],
    title: str = "",
    ax: Axes | None = None,
    visited: BoolArray | None = None,
) -> Axes:
    """Draw the learned reward of every cell of a maze, and a path through it.

    Args:
        layout: The maze.
        rewards: (H, W) process rewards, NaN for no colour; None for a bare maze.
        path: (row, col) cells in the order in which they were visited.
        title: Of the figure.
        ax: Where to draw; no colour bar is drawn there.
        visited: (H, W) where training has been: the score of any other cell is a guess,
            so it is hatched. None: everywhere.
    """
    from matplotlib.patches import Rectangle

    own = ax is None
    if ax is None:
        ax = new_figure(size=(4.8, 4.4))[1][0, 0]
    height, width = layout.shape
    if rewards is not None:
        known = ~layout.walls if visited is None else visited & ~layout.walls
        _draw_heat(ax, np.where(known, rewards, np.nan), own)
        _hatch(ax, ~known & ~layout.walls)
    for row, col in np.argwhere(layout.walls):
        corner = (col - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, color=INK, lw=0.5, zorder=2.5))
    _draw_path(ax, path)
    size = 130 / max(layout.shape)
    _draw_mark(ax, layout.start, "S", INK, size)
    _draw_mark(ax, layout.goal, "G", GREEN, size)
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color(INK)
    ax.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    ax.xaxis.label.set(color=INK, fontsize=9, ha="left", x=0.0)
    return ax


def reward_frames(layout: Layout, maps: RewardMaps, title: str) -> list[Array]:
    """Return S pictures of a maze, (height, width, 3) uint8 each, for a GIF.

    Each has colours of its own, from the lowest score of that moment to the highest.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 4.0), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    frames = []
    for env_steps, cells in zip(maps.env_steps.tolist(), maps.rewards, strict=True):
        figure.clear()
        ax = figure.add_axes((0.03, 0.08, 0.94, 0.84))
        visited = maps.visited(env_steps)
        plot_reward_map(layout, cells, (), title, ax, visited)
        words = f"after {env_steps:,} steps; dark: drawn there"
        ax.set_xlabel(words, fontsize=10)
        canvas.draw()
        frames.append(np.array(canvas.buffer_rgba())[..., :3])
    return frames


def _draw_heat(ax: Axes, rewards: FloatArray, with_bar: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    known = rewards[np.isfinite(rewards)]
    if known.size and known.min() < known.max():
        low, high = float(known.min()), float(known.max())
    else:
        low, high = -1.0, 1.0
    palette = LinearSegmentedColormap.from_list("oprl", PALETTE)
    image = ax.imshow(rewards, cmap=palette, vmin=low, vmax=high)
    height, width = rewards.shape
    ax.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, color="white", lw=0.8)
    ax.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, color="white", lw=0.8)
    if not with_bar:
        return
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.82, aspect=24, pad=0.02)
    bar.set_label("learned reward (dark: the agent is drawn there)", color=INK)
    bar.ax.tick_params(colors=INK, labelsize=9, length=0)
    bar.outline.set_visible(False)


def _hatch(ax: Axes, unknown: BoolArray) -> None:
    """Hatch the cells whose score is a guess, and say so."""
    from matplotlib.patches import Rectangle

    for row, col in np.argwhere(unknown):
        corner = (col - 0.5, row - 0.5)
        cell = Rectangle(corner, 1, 1, lw=0, hatch="///", zorder=1.5)
        cell.set(facecolor="white", edgecolor=FAINT)
        ax.add_patch(cell)
    if unknown.any():
        ax.set_xlabel("hatched: training never came there")


def _draw_path(ax: Axes, path: Sequence[tuple[int, int]]) -> None:
    """Draw each move once, however often it was made, with a head in its middle."""
    moves = dict.fromkeys((a, b) for a, b in pairwise(path) if a != b)
    head = {"arrowstyle": "-|>,head_length=0.5,head_width=0.3", "lw": 0}
    head["mutation_scale"] = 100 / max((max(cell) + 1 for cell in path), default=1)
    for (row, col), (next_row, next_col) in moves:
        ends = ([col, next_col], [row, next_row])
        ax.plot(*ends, color="white", lw=5, solid_capstyle="round", zorder=3)
    for (row, col), (next_row, next_col) in moves:
        ends = ([col, next_col], [row, next_row])
        ax.plot(*ends, color=INDIGO, lw=2.2, solid_capstyle="round", zorder=4)
        ax.annotate(
            "",
            xy=(col + 0.66 * (next_col - col), row + 0.66 * (next_row - row)),
            xytext=(col + 0.5 * (next_col - col), row + 0.5 * (next_row - row)),
            arrowprops={**head, "color": INDIGO},
            zorder=5,
        )


def _draw_mark(
    ax: Axes, cell: tuple[int, int], letter: str, color: str, size: float
) -> None:
    row, col = cell
    ax.plot([col], [row], "o", color="white", ms=size, mec=color, mew=2, zorder=6)
    ax.text(
        col,
        row,
        letter,
        ha="center",
        va="center_baseline",
        color=color,
        fontsize=0.6 * size,
        fontweight="bold",
        zorder=7,
    )
