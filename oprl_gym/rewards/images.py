"""Pictures as observations: read by the convolutional network of Stable-Baselines3."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from oprl_gym.types import Array

SMALLEST = 36
"""Pixels a side that NatureCNN needs; smaller pictures are read value by value."""


def image_shape(space: spaces.Space[Any]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of a space of uint8 pictures, CxHxW or HxWxC; else None."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8:
        return None
    if len(space.shape) != 3 or np.any(space.low != 0) or np.any(space.high != 255):
        return None
    height, width, channels = space.shape
    if _channels_first(space.shape):
        channels, height, width = space.shape
    return (channels, height, width) if min(height, width) >= SMALLEST else None


def as_channels_first(images: Array) -> Array:
    """Return (n, C, H, W) pictures of (n, ...) in either order."""
    return images if _channels_first(images.shape[1:]) else np.moveaxis(images, -1, 1)


def _channels_first(shape: tuple[int, ...]) -> bool:
    # The same guess as Stable-Baselines3 makes: there are fewer channels than pixels.
    return int(np.argmin(shape)) == 0


class ImageFront(nn.Module):
    """Replaces the picture at the front of a row by features of it.

    Args:
        shape: (C, H, W) of the picture, values 0 to 255.
        features: Number of features.
        generator: Source of the initial weights.
    """

    def __init__(
        self, shape: tuple[int, int, int], features: int, generator: torch.Generator
    ) -> None:
        # Only here, so that learning from anything else needs no Stable-Baselines3.
        from stable_baselines3.common.torch_layers import NatureCNN

        super().__init__()
        self.shape = shape
        self.size = math.prod(shape)
        self.features = features
        seed = int(torch.randint(2**62, (1,), generator=generator))
        with torch.random.fork_rng(devices=[]):  # it draws from the global state
            torch.manual_seed(seed)
            self.network = NatureCNN(spaces.Box(0, 255, shape, np.uint8), features)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n, features + d - C * H * W) of (n, d) rows."""
        images = rows[:, : self.size].reshape(-1, *self.shape) / 255.0
        return torch.cat([self.network(images), rows[:, self.size :]], dim=1)
