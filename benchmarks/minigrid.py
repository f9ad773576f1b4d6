"""MiniGrid's envs with flat one-hot observations.

Importing this module registers `OneHot-ID` for each MiniGrid env that the benchmarks
train in.
"""

from __future__ import annotations

import functools
import warnings
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
    places = image.reshape(-1, len(CHANNELS)) + _OFFSETS
    code = np.zeros((len(places), sum(CHANNELS)), dtype=np.float32)
    code[np.arange(len(places))[:, None], places] = 1.0
    return code.ravel()


_OFFSETS = np.cumsum([0, *CHANNELS[:-1]])

ENVS = {
    name: f"MiniGrid-{name}"
    for name in (
        "DoorKey-5x5-v0",
        "DoorKey-6x6-v0",
        "DoorKey-8x8-v0",
        "MultiRoom-N2-S4-v0",
        "MultiRoom-N4-S5-v1",
        "KeyCorridorS3R1-v0",
        "FourRooms-v0",
        "Empty-16x16-v0",
        "Unlock-v0",
        "UnlockPickup-v0",
        "SimpleCrossingS9N1-v0",
        "LavaCrossingS9N1-v0",
        "LavaGapS7-v0",
        "Dynamic-Obstacles-6x6-v0",
    )
}
# Version 0 has six rooms, whatever its name says; published numbers are of it.
ENVS["MultiRoom-N6-S5-v0"] = "MiniGrid-MultiRoom-N4-S5-v0"


def make(minigrid_id: str, **kwargs: Any) -> FlatOneHot:
    """Return one of MiniGrid's envs with flat observations; each episode differs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the version 0 above
        env = gym.make(minigrid_id, disable_env_checker=True, **kwargs)
    return FlatOneHot(env.unwrapped)


for _name, _id in ENVS.items():
    if f"OneHot{_name}" not in registry:
        register(id=f"OneHot{_name}", entry_point=functools.partial(make, _id))
