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

    Args:
        capacity: Latest pictures kept.
        every: Steps from one picture to the next, where not each is taken. Steps in
            between are shown by the picture before.
    """

    def __init__(self, capacity: int = CAPACITY, every: int = 1) -> None:
        self.capacity = capacity
        self.every = every
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
        stride = max(self.every, stride_of(steps))
        at = sorted({*range(0, steps, stride), steps})
        images = [self._near(segment, step) for step in at]
        found = [image for image in images if image is not None]
        if len(found) < len(at):
            return None
        return to_bytes(FrameClip(steps, tuple(at), tuple(found)))

    def _near(self, segment: Trajectory, step: int) -> bytes | None:
        """Return the picture of a step, or the nearest one before it, or after."""
        near = sorted(
            range(max(0, step - self.every + 1), min(len(segment), step + self.every)),
            key=lambda other: (other > step, abs(other - step)),
        )
        keys = (segment.observations[other].tobytes() for other in (step, *near))
        return next((self._images[key] for key in keys if key in self._images), None)


class Photographer(gym.Wrapper[Any, Any, Any, Any]):
    """Takes a picture after every reset and step of an env, or every few steps.

    Args:
        env: An env made with ``render_mode="rgb_array"``.
        album: Where the pictures go.
    """

    def __init__(self, env: gym.Env[Any, Any], album: Album) -> None:
        super().__init__(env)
        self._album = album
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the env and take a picture."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._steps = 0
        self._take(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env and take a picture."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        if terminated or truncated or self._steps % self._album.every == 0:
            self._take(observation)
        return observation, reward, terminated, truncated, info

    def _take(self, observation: Any) -> None:
        frame: Any = self.env.render()
        space = self.env.observation_space
        array = to_array(space, observation)
        if space.dtype is not None:  # what a VecEnv's buffers make of it
            array = array.astype(space.dtype)
        self._album.add(array, np.asarray(frame))


def stride_of(steps: int) -> int:
    """Return how many steps lie between the pictures of a clip of so many steps."""
    return -(-(steps + 1) // MAX_FRAMES)


def jpeg(frame: Array) -> bytes:
    """Return (height, width, 3) uint8 as JPEG of at most ``MAX_PIXELS`` a side."""
    from PIL import Image

    image = Image.fromarray(frame)
    # A gap of 1 lets it halve large ones first: twice as fast.
    image.thumbnail((MAX_PIXELS, MAX_PIXELS), reducing_gap=1.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
