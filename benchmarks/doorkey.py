"""MiniGrid's DoorKey with flat one-hot observations: the rung that is not ours.

Importing this module registers `OneHotDoorKey-5x5-v0`.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import register, registry
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

from oprl_gym.types import Array

CHANNELS = (len(OBJECT_TO_IDX), len(COLOR_TO_IDX), len(STATE_TO_IDX))
"""What MiniGrid tells of a cell: which object, of which colour, in which state."""


class FlatOneHot(gym.Wrapper[Array, Any, Any, Any]):
    """Turns the agent's view of a MiniGrid env into one flat vector of zeros and ones.

    The view is the usual one, the 7 x 7 cells before the agent, which includes what it
    carries. The infos gain `is_success`: the episode ended with a reward.

    Args:
        env: A MiniGrid env.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        view = env.observation_space
        assert isinstance(view, spaces.Dict)
        height, width, _ = view["image"].shape or ()
        length = height * width * sum(CHANNELS)
        self.observation_space = spaces.Box(0.0, 1.0, (length,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return one_hot(observation["image"]), {**info, "is_success": False}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Take a step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = {**info, "is_success": bool(terminated and float(reward) > 0)}
        return (
            one_hot(observation["image"]),
            float(reward),
            terminated,
            truncated,
            info,
        )


def one_hot(image: Array) -> Array:
    """Return the (H * W * C,) float32 one-hot code of an (H, W, 3) view."""
    codes = [
        np.eye(size, dtype=np.float32)[image[..., channel]]
        for channel, size in enumerate(CHANNELS)
    ]
    return np.concatenate(codes, axis=-1).ravel()


def make_doorkey(**kwargs: Any) -> FlatOneHot:
    """Return the 5 x 5 env; every episode has its own wall, door and key."""
    from minigrid.envs import DoorKeyEnv

    return FlatOneHot(DoorKeyEnv(size=5, **kwargs))


if "OneHotDoorKey-5x5-v0" not in registry:
    register(id="OneHotDoorKey-5x5-v0", entry_point=make_doorkey, max_episode_steps=250)
