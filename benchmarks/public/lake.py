"""FrozenLake8x8 with one-hot observations, which is what an agent makes of its numbers.

Rivals that read the observation need a vector. Importing this module registers
`OneHotFrozenLake8x8-v0`.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import register, registry
from gymnasium.wrappers import FlattenObservation

STEPS = 200
"""Until an episode is truncated."""


def make(**kwargs: Any) -> gym.Env[Any, Any]:
    """Return Gymnasium's slippery lake of 8 x 8 fields."""
    return FlattenObservation(gym.make("FrozenLake8x8-v1", **kwargs).unwrapped)


if "OneHotFrozenLake8x8-v0" not in registry:
    register(id="OneHotFrozenLake8x8-v0", entry_point=make, max_episode_steps=STEPS)
