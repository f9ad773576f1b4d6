"""Mazes as text: the ladder of difficulty, a parser and a random generator.

A map is one line of text per row: ``#`` wall, ``.`` free, ``S`` start, ``G`` goal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oprl_gym.envs.checks import checked_int
from oprl_gym.envs.dynamics import steps_from, transition_table

DEFAULT_SIZE = 8
MIN_SIZE = 2
MAX_CELLS = 64 * 64
"""Observations are one-hot: a 64 x 64 maze has a 64 MiB table of them."""

RANDOM_WALL_SHARE = 0.3
"""Share of cells tried as walls: well under the 0.41 at which corners disconnect."""

_MAP_CHARS = "#.SG"
_MAPS = {
    "OneWall": """
        S...#...
        ....#...
        ....#...
        ....#...
        ....#...
        ....#...
        ....#...
        .......G
        """,
    "TwoWalls": """
        S.#.....
        ..#.....
        ..#.....
        ..#..#..
        ..#..#..
        .....#..
        .....#..
        .....#.G
        """,
    "TwoWallsLong": """
        S.#.....
        ..#.....
        ..#..#..
        ..#..#..
        ..#..#..
        ..#..#..
        .....#..
        .....#.G
        """,
    "ThreeWalls": """
        S.#...#.
        ..#...#.
        ..#.#.#.
        ..#.#.#.
        ..#.#.#.
        ..#.#.#.
        ....#...
        ....#..G
        """,
    "Serpentine": """
        S.......
        #######.
        ........
        .#######
        ........
        #######.
        ........
        .......G
        """,
}

LAYOUT_NAMES = ("Default", *_MAPS, "random")
"""Every name that `make_layout` knows. ``Default`` and ``random`` take a size."""


@dataclass(frozen=True)
class Layout:
    """One maze. Hashable; two layouts are equal when their maps are.

    Example:
        >>> layout = Layout(("S.", "#G"))
        >>> layout.shape, layout.start, layout.goal
        ((2, 2), (0, 0), (1, 1))

    Raises:
        ValueError: the map is empty, ragged or too large, holds an unknown character,
            has not exactly one start and one goal, or no path joins them.
    """

    rows: tuple[str, ...]
    """H strings of W characters each: ``#``, ``.``, one ``S`` and one ``G``."""

    name: str = field(default="custom", compare=False)
    """What to call the maze in titles and messages."""

    def __post_init__(self) -> None:
        _check_shape(self.rows)
        _check_characters(self.rows)
        if np.isinf(self._steps_to_goal_from_start()):
            raise ValueError(
                f"no path leads from the start {self.start} to the goal {self.goal}:"
                f"\n{self}\nopen a wall (#) between them"
            )

    @cached_property
    def walls(self) -> NDArray[np.bool_]:
        """(H, W) bool, True at walls; read-only."""
        walls = np.array([[char == "#" for char in row] for row in self.rows])
        walls.flags.writeable = False
        return walls

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in cells."""
        return len(self.rows), len(self.rows[0])

    @property
    def num_states(self) -> int:
        """S = H * W, walls included."""
        height, width = self.shape
        return height * width

    @cached_property
    def start(self) -> tuple[int, int]:
        """(row, col) where every episode begins."""
        return self._find("S")

    @cached_property
    def goal(self) -> tuple[int, int]:
        """(row, col) where an episode is won."""
        return self._find("G")

    def state(self, cell: tuple[int, int]) -> int:
        """Return the state number of a (row, col) cell."""
        return cell[0] * self.shape[1] + cell[1]

    def cells(self) -> list[tuple[int, int]]:
        """Return the (row, col) of every state, in order of the state's number."""
        height, width = self.shape
        return [(row, col) for row in range(height) for col in range(width)]

    def __str__(self) -> str:
        """Return the map, one line per row; `parse_layout` reads it back."""
        return "\n".join(self.rows)

    def _find(self, char: str) -> tuple[int, int]:
        (found,) = (
            (row, line.index(char))
            for row, line in enumerate(self.rows)
            if char in line
        )
        return found

    def _steps_to_goal_from_start(self) -> float:
        steps = steps_from(transition_table(self.walls), self.state(self.goal))
        return float(steps[self.state(self.start)])


def parse_layout(text: str, name: str = "custom") -> Layout:
    """Read a maze from a map.

    Args:
        text: the map. Indentation, and empty lines before and after, do not count.
        name: what to call the maze.

    Raises:
        ValueError: as `Layout`.
    """
    return Layout(tuple(line.strip() for line in text.strip().splitlines()), name)


def default_layout(size: int = DEFAULT_SIZE) -> Layout:
    """Return the maze of the tutorial, or the same rule at another size.

    Start in the top left corner, goal in the bottom right one, and a wall in column
    ``size // 2`` from row 1 to row ``size - 3``.

    Args:
        size: n, the rows and columns, 2 to 64.
    """
    size = _checked_size(size)
    walls = np.zeros((size, size), dtype=np.bool_)
    walls[1 : max(size - 2, 1), size // 2] = True
    return _corner_to_corner(walls, f"Default-{size}x{size}")


def random_layout(size: int, seed: int) -> Layout:
    """Return a solvable maze with walls scattered at random.

    Start and goal stand in opposite corners; the other cells are walls with
    probability 0.3, drawn again until a path exists.

    Args:
        size: rows and columns, 2 to 64.
        seed: 0 or more; the same size and seed give the same maze.
    """
    size, seed = _checked_size(size), checked_int("layout_seed", seed, minimum=0)
    rng = np.random.default_rng(seed)
    while True:
        walls = rng.random((size, size)) < RANDOM_WALL_SHARE
        walls[0, 0] = walls[-1, -1] = False
        if np.isfinite(steps_from(transition_table(walls), 0)[-1]):
            return _corner_to_corner(walls, f"random-{size}x{size}-seed{seed}")


def make_layout(
    layout: str | Layout | None = None,
    size: int | None = None,
    layout_seed: int | None = None,
) -> Layout:
    """Return the maze that the arguments of an env describe.

    Args:
        layout: a name out of `LAYOUT_NAMES`, a map (lines of text) or a
            `Layout`. None: ``"Default"``.
        size: rows and columns, 2 to 64, of ``"Default"`` and ``"random"``; the other
            layouts fix their own. None: 8.
        layout_seed: which maze, 0 or more; needed by ``"random"`` and only by it.

    Raises:
        ValueError: the layout is unknown or no maze, or two arguments contradict.
    """
    if layout_seed is not None and layout != "random":
        raise ValueError(
            f"layout_seed={layout_seed!r} has no effect on this layout; leave it out, "
            'or use layout="random"'
        )
    if layout is None or layout == "Default":
        return default_layout(DEFAULT_SIZE if size is None else size)
    if layout == "random":
        return _seeded_random_layout(
            DEFAULT_SIZE if size is None else size, layout_seed
        )
    if size is not None:
        raise ValueError(
            f"size={size!r} was given with a layout that fixes its own size; leave "
            'size out, or use layout="Default" or layout="random"'
        )
    if isinstance(layout, Layout):
        return layout
    return _layout_from_text(layout)


def _seeded_random_layout(size: int, layout_seed: int | None) -> Layout:
    if layout_seed is None:
        raise ValueError(
            'layout="random" was given without layout_seed; pass layout_seed=0 or any '
            "other whole number, so that every env of a run gets the same maze"
        )
    return random_layout(size, layout_seed)


def _layout_from_text(layout: Any) -> Layout:
    if isinstance(layout, str) and layout in _MAPS:
        return parse_layout(_MAPS[layout], name=layout)
    if isinstance(layout, str) and ("\n" in layout or set(layout) <= set(_MAP_CHARS)):
        return parse_layout(layout)
    raise ValueError(
        f"layout={layout!r} is neither a known name nor a map; the names are "
        f"{', '.join(LAYOUT_NAMES)}; a map holds '#', '.', one 'S' and one 'G'"
    )


def _corner_to_corner(walls: NDArray[np.bool_], name: str) -> Layout:
    chars = np.where(walls, "#", ".")
    chars[0, 0], chars[-1, -1] = "S", "G"
    return Layout(tuple("".join(row) for row in chars), name)


def _check_shape(rows: tuple[str, ...]) -> None:
    if not rows or not rows[0]:
        raise ValueError(f"the map {rows!r} is empty; give at least one start and goal")
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"row {number} of the map, {row!r}, has {len(row)} cells but row 0, "
                f"{rows[0]!r}, has {len(rows[0])}; give every row the same length"
            )
    if len(rows) * len(rows[0]) > MAX_CELLS:
        raise ValueError(
            f"the map has {len(rows)} x {len(rows[0])} cells; use at most {MAX_CELLS}"
        )


def _check_characters(rows: tuple[str, ...]) -> None:
    text = "".join(rows)
    unknown = sorted(set(text) - set(_MAP_CHARS))
    if unknown:
        raise ValueError(
            f"the map holds the unknown character {unknown[0]!r}; use '#' for a wall, "
            "'.' for a free cell, 'S' for the start and 'G' for the goal"
        )
    for char, meaning in (("S", "start"), ("G", "goal")):
        if text.count(char) != 1:
            raise ValueError(
                f"the map has {text.count(char)} {meaning} cells ({char!r}); "
                "mark exactly one start and one goal, in different cells"
            )


def _checked_size(size: Any) -> int:
    return checked_int("size", size, minimum=MIN_SIZE, maximum=int(MAX_CELLS**0.5))
