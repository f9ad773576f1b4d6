"""The MountainCars with position and velocity brought to -1 to 1.

As the envs give them, velocities are at most 0.07, which a network with the usual
weights does not see: even when it is paid for speed PPO does not learn to climb within
150,000 steps. Importing this module registers `RescaledMountainCar-v0` and
`RescaledMountainCarContinuous-v0`.
"""

from __future__ import annotations

import functools
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import register, registry
from gymnasium.wrappers import RescaleObservation

CARS = {"MountainCar-v0": 200, "MountainCarContinuous-v0": 999}
"""Ids, and steps until an episode is truncated."""


def make(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """Return one of Gymnasium's MountainCars with rescaled observations."""
    env = gym.make(env_id, **kwargs).unwrapped
    return RescaleObservation(env, np.float32(-1), np.float32(1))


for _id, _steps in CARS.items():
    if f"Rescaled{_id}" not in registry:
        register(
            id=f"Rescaled{_id}",
            entry_point=functools.partial(make, _id),
            max_episode_steps=_steps,
        )
