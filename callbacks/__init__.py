"""Callbacks and replay buffers for Stable-Baselines3."""

from oprl_gym.callbacks.oprl import OPRLCallback
from oprl_gym.callbacks.replay import (
    ProcessRewardDictReplayBuffer,
    ProcessRewardReplayBuffer,
)
from oprl_gym.callbacks.saver import CheckpointSaver

__all__ = [
    "CheckpointSaver",
    "OPRLCallback",
    "ProcessRewardDictReplayBuffer",
    "ProcessRewardReplayBuffer",
]
