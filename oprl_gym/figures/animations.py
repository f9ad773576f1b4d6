"""An agent in motion: as a GIF, and as a video."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from oprl_gym.figures.saving import save_bytes
from oprl_gym.types import Array

FPS = 8
LAST_FRAME_MS = 1500
MAX_GIF_FRAMES = 150
MAX_GIF_PIXELS = 400
MAX_VIDEO_FPS = 30


def save_gif(path: Path, frames: Sequence[Array], fps: int = FPS) -> None:
    """Write frames as an endless GIF that holds its last frame a while.

    Args:
        path: Where to.
        frames: As of :func:`gif_of`.
        fps: Frames a second.

    Raises:
        RunError: It cannot be written.
    """
    save_bytes(path, gif_of(frames, fps))


def gif_of(frames: Sequence[Array], fps: int = FPS) -> bytes:
    """Return frames as an endless GIF.

    Args:
        frames: (height, width, 3) uint8 each. Of a long episode only every second,
            third, ... and the last are kept.
        fps: Frames a second.
    """
    from PIL import Image

    stride = -(-len(frames) // MAX_GIF_FRAMES)
    kept = [*frames[:-1:stride], frames[-1]]
    images = [Image.fromarray(frame) for frame in kept]
    for image in images:
        image.thumbnail((MAX_GIF_PIXELS, MAX_GIF_PIXELS))
    # One palette for all frames, of all their colours: else colours flicker.
    sample = Image.fromarray(np.concatenate([kept[0], kept[len(kept) // 2], kept[-1]]))
    palette = sample.quantize(128)
    first, *rest = [
        image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images
    ]
    durations = [1000 // fps] * len(rest) + [LAST_FRAME_MS]
    file = io.BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0
    )
    return file.getvalue()


def save_mp4(path: Path, frames: Sequence[Array]) -> None:
    """Write frames as an MP4 video: H.264, which browsers and phones play.

    Args:
        path: Where to.
        frames: (height, width, 3) uint8 each, all kept; a long episode goes faster.

    Raises:
        RunError: It cannot be written.
        ImportError: imageio-ffmpeg is not installed.
    """
    from imageio_ffmpeg import write_frames  # type: ignore[import-untyped]

    height, width = frames[0].shape[:2]
    seconds = MAX_GIF_FRAMES / FPS  # as long as the GIF at most
    fps = min(MAX_VIDEO_FPS, max(FPS, len(frames) / seconds))
    held = [frames[-1]] * round(fps * LAST_FRAME_MS / 1000)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        writer = write_frames(str(video), (width, height), fps=fps, macro_block_size=2)
        writer.send(None)
        for frame in [*frames, *held]:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        save_bytes(path, video.read_bytes())
