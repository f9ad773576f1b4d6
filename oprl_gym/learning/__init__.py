"""The algorithm: episodes in, a fitted reward model out."""

from oprl_gym.learning.learner import OPRLLearner

__all__ = ["OPRLLearner"]
