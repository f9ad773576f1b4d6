"""Clips as pictures: pixels for a window, coloured characters for a terminal."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray

from oprl_gym.envs import Layout
from oprl_gym.envs.rendering import cell_size, render_rgb
from oprl_gym.labelling.clips import Clip, FrameClip, MazeClip, from_bytes

Pixels = NDArray[np.uint8]

MAX_SIDE = 4096
"""Pixels; the pictures taken here have 240."""

_RESET = "\x1b[0m"
_CHARS = {"#": "\x1b[48;5;238m", "G": "\x1b[42;97m", "S": "\x1b[48;5;250;30m"}
_DAMAGED = np.full((64, 64, 3), 128, np.uint8)
_FLOOR, _TRAIL, _AGENT = "\x1b[48;5;255m", "\x1b[48;5;147m", "\x1b[48;5;62;97m"


def pixels(clip: Clip, step: int) -> Pixels:
    """Return (height, width, 3) uint8 of a clip at a step, or at its end."""
    if isinstance(clip, MazeClip):
        layout = Layout(clip.rows)
        trail = clip.cells[: step + 1]
        return render_rgb(layout, trail[-1], trail, cell=cell_size(layout))
    return _decoded(clip, step)


def lines(clip: Clip, step: int, width: int) -> list[str]:
    """Return a clip at a step as coloured lines of ``width`` columns or fewer."""
    if isinstance(clip, MazeClip):
        return _maze_lines(clip, step, width)
    return _pixel_lines(_decoded(clip, step), width)


def check_clip(data: bytes) -> None:
    """Raise ValueError unless a clip, as a store keeps it, can be shown everywhere."""
    clip = from_bytes(data)
    if isinstance(clip, FrameClip):
        for number, image in enumerate(clip.images, start=1):
            try:
                _picture(image, size=8)
            except ValueError as error:
                what = f"picture {number} of {len(clip.images)}: {error}"
                raise ValueError(f"a clip that cannot be shown: {what}") from error


def _maze_lines(clip: MazeClip, step: int, width: int) -> list[str]:
    wide = 2 if 2 * len(clip.rows[0]) <= width else 1
    trail = clip.cells[: step + 1]
    visited, agent = set(trail), trail[-1]
    result = []
    for row, text in enumerate(clip.rows):
        line = ""
        for col, char in enumerate(text):
            color = _CHARS.get(char, _FLOOR)
            if (row, col) in visited and char == ".":
                color = _TRAIL
            if (row, col) == agent:
                color, char = _AGENT, "@"
            line += color + (char if char in "@GS" else " ").ljust(wide)
        result.append(line + _RESET)
    return result


def _pixel_lines(picture: Pixels, width: int) -> list[str]:
    """Return two rows of pixels in each line, by half blocks."""
    from PIL import Image

    height = max(2, 2 * round(picture.shape[0] * width / picture.shape[1] / 2))
    small = np.asarray(Image.fromarray(picture).resize((width, height)))
    result = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        line = "".join(
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        result.append(line + _RESET)
    return result


def _decoded(clip: FrameClip, step: int) -> Pixels:
    frame = int(np.searchsorted(clip.at, step, side="right")) - 1
    try:
        return _picture(clip.images[frame])
    except ValueError:
        return _DAMAGED


def _picture(image: bytes, size: int = MAX_SIDE) -> Pixels:
    """Return (height, width, 3) uint8 of a JPEG.

    Args:
        image: Its bytes.
        size: Pixels a side that will do; fewer are read sooner.

    Raises:
        ValueError: It is damaged, or larger than any picture that was taken here.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(image), formats=["JPEG"])
        if max(opened.size) > MAX_SIDE:
            raise ValueError(f"a picture of {opened.size} pixels")
        opened.draft(None, (size, size))
        return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError("a picture that is damaged") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError("a picture of too many pixels") from error
