"""Callbacks for Stable-Baselines3."""

from oprl_gym.callbacks.oprl import OPRLCallback

__all__ = ["OPRLCallback"]
