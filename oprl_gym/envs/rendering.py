"""Pictures of a maze: text, and an image drawn by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oprl_gym.envs.layouts import Layout

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Cell = tuple[int, int]
Color = tuple[int, int, int]

CELL_PIXELS = 48
PICTURE_PIXELS = 640
"""Larger mazes get smaller cells, so that a picture is about this wide at most."""

_OVERSAMPLING = 4
"""Pillow draws hard edges: shapes are drawn so many times larger, then shrunk."""

_FLOOR: Color = (250, 249, 246)
_GRID: Color = (232, 230, 224)
_WALL: Color = (51, 60, 78)
_START: Color = (112, 118, 134)
_GOAL: Color = (22, 145, 106)
_AGENT: Color = (79, 70, 229)
_FADED: Color = (190, 186, 244)
_WHITE: Color = (255, 255, 255)
_COLD: Color = (92, 151, 203)
_WARM: Color = (240, 150, 70)

_TRAIL_LENGTH = 60
"""Moves until a piece of the trail has faded as far as it does."""


def render_ansi(layout: Layout, agent: Cell, trail: Sequence[Cell]) -> str:
    """Return the maze as text.

    Args:
        layout: the maze.
        agent: (row, col), drawn as ``@``.
        trail: cells visited in this episode, drawn as ``*``.

    Returns:
        H lines of W characters: those of the map where nobody has been.
    """
    lines = [list(row) for row in layout.rows]
    for row, col in trail:
        if lines[row][col] == ".":
            lines[row][col] = "*"
    lines[agent[0]][agent[1]] = "@"
    return "\n".join("".join(line) for line in lines)


def render_rgb(
    layout: Layout,
    agent: Cell,
    trail: Sequence[Cell],
    heat: NDArray[np.float64] | None = None,
    cell: int = CELL_PIXELS,
) -> NDArray[np.uint8]:
    """Return the maze as an image.

    Args:
        layout: the maze.
        agent: (row, col) of the disc.
        trail: cells visited in this episode, oldest first; the line fades with age.
        heat: (H, W) numbers drawn as colours under everything: blue below zero, orange
            above, strongest at the largest absolute value; NaN draws nothing.
        cell: width of a cell in pixels.

    Returns:
        (H * cell, W * cell, 3) uint8.
    """
    from PIL import ImageDraw

    scale = cell * _OVERSAMPLING
    heat_bytes = None if heat is None else heat.tobytes()
    image = _background(layout, scale, heat_bytes).copy()
    draw = ImageDraw.Draw(image, "RGBA")
    _draw_trail(draw, trail, scale)
    _draw_agent(draw, agent, scale)
    return np.array(image.reduce(_OVERSAMPLING))


def cell_size(layout: Layout) -> int:
    """Return the width of a cell, in pixels, at which a maze makes a handy picture."""
    return max(8, min(CELL_PIXELS, PICTURE_PIXELS // max(layout.shape)))


def as_heat(
    values: ArrayLike | None, shape: tuple[int, int]
) -> NDArray[np.float64] | None:
    """Return the values of a heat layer as a new array.

    Args:
        values: (H, W) numbers, or None for no heat layer.
        shape: (H, W) of the maze.

    Raises:
        ValueError: the values have another shape.
    """
    if values is None:
        return None
    heat = np.array(values, dtype=np.float64)
    if heat.shape != shape:
        raise ValueError(
            f"the heat layer has shape {heat.shape}; give one number for each of the "
            f"{shape[0]} x {shape[1]} cells, NaN where there is none"
        )
    return heat


@lru_cache(maxsize=4)
def _background(layout: Layout, scale: int, heat_bytes: bytes | None) -> Image.Image:
    """Return all that stays the same from frame to frame, of which most are made."""
    from PIL import Image, ImageDraw

    height, width = layout.shape
    image = Image.new("RGB", (width * scale, height * scale), _FLOOR)
    draw = ImageDraw.Draw(image, "RGBA")
    if heat_bytes is not None:
        heat = np.frombuffer(heat_bytes).reshape(layout.shape)
        _draw_heat(draw, heat, layout.walls, scale)
    _draw_grid(draw, layout.shape, scale)
    _draw_walls(draw, layout.walls, scale)
    _draw_start(draw, layout.start, scale)
    _draw_goal(draw, layout.goal, scale)
    return image


def _draw_heat(
    draw: ImageDraw.ImageDraw,
    heat: NDArray[np.float64],
    walls: NDArray[np.bool_],
    scale: int,
) -> None:
    shown = np.isfinite(heat) & ~walls
    largest = np.abs(heat[shown]).max(initial=0.0)
    for row, col in np.argwhere(shown):
        strength = heat[row, col] / largest if largest > 0 else 0.0
        color = _blend(_FLOOR, _WARM if strength > 0 else _COLD, abs(strength))
        draw.rectangle(_box((row, col), scale, inset=0.0), fill=color)


def _draw_grid(draw: ImageDraw.ImageDraw, shape: tuple[int, int], scale: int) -> None:
    height, width = shape[0] * scale, shape[1] * scale
    line = _OVERSAMPLING
    for row in range(shape[0] + 1):
        y = min(row * scale, height - 1)
        draw.line((0, y, width, y), fill=_GRID, width=line)
    for col in range(shape[1] + 1):
        x = min(col * scale, width - 1)
        draw.line((x, 0, x, height), fill=_GRID, width=line)


def _draw_walls(
    draw: ImageDraw.ImageDraw, walls: NDArray[np.bool_], scale: int
) -> None:
    """Draw rounded blocks, then fill the seams between neighbours."""
    for row, col in np.argwhere(walls):
        box = _box((row, col), scale, inset=0.06)
        left, top, right, bottom = box
        draw.rounded_rectangle(box, radius=0.2 * scale, fill=_WALL)
        x, y = left + scale // 2, top + scale // 2
        block = walls[row : row + 2, col : col + 2]
        if block[0].all() and block.shape[1] == 2:
            draw.rectangle((x, top, right + scale // 2, bottom), fill=_WALL)
        if block[:, 0].all() and block.shape[0] == 2:
            draw.rectangle((left, y, right, bottom + scale // 2), fill=_WALL)
        if block.all() and block.size == 4:
            draw.rectangle((x, y, right + scale // 2, bottom + scale // 2), fill=_WALL)


def _draw_start(draw: ImageDraw.ImageDraw, start: Cell, scale: int) -> None:
    box = _box(start, scale, inset=0.2)
    draw.ellipse(box, fill=_WHITE, outline=_START, width=round(0.06 * scale))


def _draw_goal(draw: ImageDraw.ImageDraw, goal: Cell, scale: int) -> None:
    draw.rounded_rectangle(_box(goal, scale, inset=0.1), radius=0.2 * scale, fill=_GOAL)
    draw.ellipse(
        _box(goal, scale, inset=0.26), outline=_WHITE, width=round(0.07 * scale)
    )
    draw.ellipse(_box(goal, scale, inset=0.43), fill=_WHITE)


def _draw_trail(draw: ImageDraw.ImageDraw, trail: Sequence[Cell], scale: int) -> None:
    pieces = _pieces_and_ages(trail)
    for a, b in pieces:
        _draw_piece(draw, a, b, 0.1 * scale, _WHITE, scale)
    for (a, b), age in pieces.items():
        freshness = max(0.0, 1.0 - age / _TRAIL_LENGTH)
        _draw_piece(draw, a, b, 0.06 * scale, _blend(_FADED, _AGENT, freshness), scale)


def _pieces_and_ages(trail: Sequence[Cell]) -> dict[tuple[Cell, Cell], int]:
    """Return each piece between two cells once: its age in moves, oldest first."""
    ages: dict[tuple[Cell, Cell], int] = {}
    for step, (a, b) in enumerate(pairwise(trail)):
        if a != b:
            piece = (min(a, b), max(a, b))
            ages.pop(piece, None)
            ages[piece] = len(trail) - 2 - step
    return ages


def _draw_piece(
    draw: ImageDraw.ImageDraw,
    a: Cell,
    b: Cell,
    radius: float,
    color: Color,
    scale: int,
) -> None:
    (left, top), (right, bottom) = _center(a, scale), _center(b, scale)
    box = (left - radius, top - radius, right + radius, bottom + radius)
    draw.rounded_rectangle(box, radius=radius, fill=color)


def _draw_agent(draw: ImageDraw.ImageDraw, agent: Cell, scale: int) -> None:
    draw.ellipse(_box(agent, scale, inset=0.17), fill=_WHITE)
    draw.ellipse(_box(agent, scale, inset=0.22), fill=_AGENT)


def _box(cell: Cell, scale: int, inset: float) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a cell shrunk by a share of its width."""
    row, col = cell
    margin = round(inset * scale)
    left, top = col * scale + margin, row * scale + margin
    right, bottom = (col + 1) * scale - margin - 1, (row + 1) * scale - margin - 1
    return left, top, right, bottom


def _center(cell: Cell, scale: int) -> tuple[float, float]:
    row, col = cell
    return (col + 0.5) * scale, (row + 0.5) * scale


def _blend(color: Color, other: Color, share: float) -> Color:
    """Return ``color`` with a share, 0 to 1, of ``other`` mixed in."""
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(color, other, strict=True)
    )
    return red, green, blue
