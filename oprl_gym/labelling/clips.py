"""What a person is shown of a segment: a way through a maze, or pictures.

A clip is kept in the store as JSON, so that whoever labels needs nothing but the store.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oprl_gym.envs import Layout
from oprl_gym.types import Trajectory

Cell = tuple[int, int]

JPEG = b"\xff\xd8\xff"
"""How the bytes of a picture begin."""


@dataclass(frozen=True)
class MazeClip:
    """An agent's way through a maze.

    Attributes:
        rows: The map, as in :class:`oprl_gym.envs.Layout`.
        cells: T+1 (row, col) cells, one before each step and one after the last.

    Raises:
        ValueError: The map is none, or a cell lies outside it.
    """

    rows: tuple[str, ...]
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        """Check the cells: a store may have come from anywhere."""
        height, width = Layout(self.rows).shape
        if not self.cells:
            raise ValueError("a clip needs at least one cell")
        for row, col in self.cells:
            if not (0 <= row < height and 0 <= col < width):
                raise ValueError(f"the cell {(row, col)} lies outside the map")

    @property
    def steps(self) -> int:
        """Steps T."""
        return len(self.cells) - 1

    def values(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        return {"kind": "maze", "steps": self.steps, "rows": self.rows} | {
            "cells": self.cells
        }


@dataclass(frozen=True)
class FrameClip:
    """Pictures of an env.

    Attributes:
        steps: Steps T.
        at: F steps, increasing, at which the pictures were taken; 0 is before any.
        images: F pictures, JPEG.

    Raises:
        ValueError: There is no picture, or one is no JPEG or belongs to no step.
    """

    steps: int
    at: tuple[int, ...]
    images: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Check the pictures: a store may have come from anywhere."""
        if not self.at or len(self.at) != len(self.images):
            raise ValueError(f"{len(self.images)} pictures for {len(self.at)} steps")
        if list(self.at) != sorted(set(self.at)) or self.at[0] != 0:
            raise ValueError(f"pictures at the steps {self.at}")
        if self.at[-1] > self.steps:
            raise ValueError(f"a picture at step {self.at[-1]} of {self.steps}")
        if not all(image.startswith(JPEG) for image in self.images):
            raise ValueError("a picture that is no JPEG")

    def values(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        images = [base64.b64encode(image).decode() for image in self.images]
        return {"kind": "frames", "steps": self.steps, "at": self.at, "images": images}


Clip = MazeClip | FrameClip


def to_bytes(clip: Clip) -> bytes:
    """Return the clip as it is kept in a store."""
    return json.dumps(clip.values()).encode()


def from_bytes(data: bytes) -> Clip:
    """Return the clip that :func:`to_bytes` made ``data`` of.

    Raises:
        ValueError: They are something else.
    """
    try:
        values = json.loads(data)
        if values["kind"] == "maze":
            cells = tuple((int(row), int(col)) for row, col in values["cells"])
            return MazeClip(tuple(str(row) for row in values["rows"]), cells)
        if values["kind"] == "frames":
            images = [base64.b64decode(one, validate=True) for one in values["images"]]
            at = tuple(int(step) for step in values["at"])
            return FrameClip(int(values["steps"]), at, tuple(images))
        raise ValueError(f"of the kind {values['kind']!r}")
    except RecursionError as error:
        raise ValueError("a clip that cannot be shown: nested too deeply") from error
    except (LookupError, TypeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"a clip that cannot be shown: {what}") from error
    except ValueError as error:
        raise ValueError(f"a clip that cannot be shown: {error}") from error


def maze_picture(layout: Layout) -> Callable[[Trajectory], bytes | None]:
    """Return the function that makes clips of segments in a maze.

    It returns None for observations that are not one-hot over the maze's cells.
    """
    cells = layout.cells()

    def picture(segment: Trajectory) -> bytes | None:
        if segment.observations.shape[1:] != (layout.num_states,):
            return None
        states = segment.observations.argmax(axis=1)
        return to_bytes(MazeClip(layout.rows, tuple(cells[state] for state in states)))

    return picture


def moves(cells: Sequence[Cell]) -> str:
    """Return a way in words: "down 5, right 1, stay 2".

    Example:
        >>> moves([(0, 0), (1, 0), (2, 0), (2, 0), (2, 1)])
        'down 2, stay 1, right 1'
    """
    names = {(-1, 0): "up", (0, 1): "right", (1, 0): "down", (0, -1): "left"}
    steps = np.diff(np.array(cells, dtype=np.int64), axis=0)
    words: list[tuple[str, int]] = []
    for row, col in steps.tolist():
        name = names.get((row, col), "stay")
        if words and words[-1][0] == name:
            words[-1] = (name, words[-1][1] + 1)
        else:
            words.append((name, 1))
    return ", ".join(f"{name} {times}" for name, times in words)
