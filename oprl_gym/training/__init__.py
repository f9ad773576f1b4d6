"""Doing a training run: env, agent, teacher, callbacks, and the folder it leaves."""

from oprl_gym.training.run import Interrupted, resume, train

__all__ = ["Interrupted", "resume", "train"]
