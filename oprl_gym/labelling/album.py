"""Pictures of envs that are no mazes, found again by the observation they belong to."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np

from oprl_gym.labelling.clips import FrameClip, to_bytes
from oprl_gym.rewards.encoding import to_array
from oprl_gym.types import Array, Trajectory

MAX_PIXELS = 240
"""Larger pictures are shrunk: two stand side by side."""
MAX_FRAMES = 120
"""Pictures in a clip; of longer ones every second, third, ... is shown."""
CAPACITY = 20_000
"""Latest pictures kept, some 5 kB each."""


class Album:
    """Keeps a picture of each observation seen.

    Episodes are recorded without pictures, far from the env; by the observations in a
    segment its pictures are found again, wherever it was cut. Observations that are
    equal to the last bit share a picture, the latest.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._images: OrderedDict[bytes, bytes] = OrderedDict()

    def add(self, observation: Array, frame: Array) -> None:
        """Keep a picture.

        Args:
            observation: As trajectories hold it.
            frame: (height, width, 3) uint8.
        """
        key = observation.tobytes()
        self._images[key] = jpeg(frame)
        self._images.move_to_end(key)
        if len(self._images) > self.capacity:
            self._images.popitem(last=False)

    def picture(self, segment: Trajectory) -> bytes | None:
        """Return the clip of a segment; None if a picture of it is gone."""
        steps = len(segment)
        stride = -(-(steps + 1) // MAX_FRAMES)
        at = sorted({*range(0, steps, stride), steps})
        images = [self._images.get(segment.observations[step].tobytes()) for step in at]
        found = [image for image in images if image is not None]
        if len(found) < len(at):
            return None
        return to_bytes(FrameClip(steps, tuple(at), tuple(found)))


class Photographer(gym.Wrapper[Any, Any, Any, Any]):
    """Takes a picture after every reset and step of an env.

    Args:
        env: An env made with ``render_mode="rgb_array"``.
        album: Where the pictures go.
    """

    def __init__(self, env: gym.Env[Any, Any], album: Album) -> None:
        super().__init__(env)
        self._album = album

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the env and take a picture."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._take(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env and take a picture."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._take(observation)
        return observation, reward, terminated, truncated, info

    def _take(self, observation: Any) -> None:
        frame: Any = self.env.render()
        space = self.env.observation_space
        array = to_array(space, observation)
        if space.dtype is not None:  # what a VecEnv's buffers make of it
            array = array.astype(space.dtype)
        self._album.add(array, np.asarray(frame))


def jpeg(frame: Array) -> bytes:
    """Return (height, width, 3) uint8 as JPEG of at most ``MAX_PIXELS`` a side."""
    from PIL import Image

    image = Image.fromarray(frame)
    image.thumbnail((MAX_PIXELS, MAX_PIXELS))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
