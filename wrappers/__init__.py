"""Wrappers that add a learned process reward to the env's own.

One for each kind of env: ``ProcessRewardWrapper`` for a ``gymnasium.Env``,
``ProcessRewardVectorWrapper`` for a ``gymnasium.vector.VectorEnv`` and
``VecProcessReward`` for a Stable-Baselines3 ``VecEnv`` (loaded when first used, as it
brings Stable-Baselines3 with it). ``VecStepCost`` and ``VecFirstVisitBonus``, for a
``VecEnv`` too, are the cheap rivals of a learned reward.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from oprl_gym.wrappers.delayed import DelayedReward
from oprl_gym.wrappers.gym_env import ProcessRewardWrapper
from oprl_gym.wrappers.gym_vector import ProcessRewardVectorWrapper
from oprl_gym.wrappers.tape import EpisodeTape

if TYPE_CHECKING:
    from oprl_gym.wrappers.bonus import VecFirstVisitBonus, VecStepCost
    from oprl_gym.wrappers.sb3_vec import VecProcessReward

__all__ = [
    "DelayedReward",
    "EpisodeTape",
    "ProcessRewardVectorWrapper",
    "ProcessRewardWrapper",
    "VecFirstVisitBonus",
    "VecProcessReward",
    "VecStepCost",
]

_OF_SB3 = {
    "VecFirstVisitBonus": "bonus",
    "VecProcessReward": "sb3_vec",
    "VecStepCost": "bonus",
}


def __getattr__(name: str) -> Any:
    if name in _OF_SB3:
        module = importlib.import_module(f"oprl_gym.wrappers.{_OF_SB3[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'oprl_gym.wrappers' has no attribute {name!r}")
