"""How the learned reward of a maze looks: cells in colours, and a path through them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from oprl_gym.envs.layouts import Layout
from oprl_gym.figures.plotting import FAINT, GREEN, INDIGO, INK, new_figure
from oprl_gym.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_reward_map(
    layout: Layout,
    rewards: FloatArray | None,
    path: Sequence[tuple[int, int]],
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the learned reward of every cell of a maze, and a path through it.

    Args:
        layout: The maze.
        rewards: (H, W) process rewards, NaN for no colour; None for a bare maze.
        path: (row, col) cells in the order in which they were visited.
        title: Of the figure.
        ax: Where to draw.
    """
    from matplotlib.patches import Rectangle

    if ax is None:
        ax = new_figure(size=(6, 5.3))[1][0, 0]
    height, width = layout.shape
    if rewards is not None:
        _draw_heat(ax, np.where(layout.walls, np.nan, rewards))
    for row, col in np.argwhere(layout.walls):
        corner = (col - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, color=INK, lw=0.5, zorder=2.5))
    _draw_path(ax, path)
    size = 170 / max(layout.shape)
    _draw_mark(ax, layout.start, "S", FAINT, size)
    _draw_mark(ax, layout.goal, "G", GREEN, size)
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_facecolor("#FAF9F6")
    for spine in ax.spines.values():
        spine.set_color(INK)
    ax.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return ax


def _draw_heat(ax: Axes, rewards: FloatArray) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colors = ["#5C97CB", "#FAF9F6", "#F09646"]  # those of the maze's own pictures
    diverging = LinearSegmentedColormap.from_list("oprl", colors)
    known = rewards[np.isfinite(rewards)]
    if known.size and known.min() < known.max():
        low, high = float(known.min()), float(known.max())
    else:
        low, high = -1.0, 1.0
    image = ax.imshow(rewards, cmap=diverging, vmin=low, vmax=high)
    height, width = rewards.shape
    ax.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, color="white", lw=0.8)
    ax.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, color="white", lw=0.8)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.82, aspect=24, pad=0.02)
    bar.set_label("process reward", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8.5, length=0)
    bar.outline.set_visible(False)


def _draw_path(ax: Axes, path: Sequence[tuple[int, int]]) -> None:
    """Draw each move once, however often it was made, with a head in its middle."""
    moves = dict.fromkeys((a, b) for a, b in pairwise(path) if a != b)
    head = {"arrowstyle": "-|>,head_length=0.5,head_width=0.3", "lw": 0}
    head["mutation_scale"] = 120 / max(max(cell) + 1 for cell in path)
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
