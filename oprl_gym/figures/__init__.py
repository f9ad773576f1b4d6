"""Figures: arrays in, pictures out."""

from oprl_gym.figures.plotting import plot_learned_returns

__all__ = ["plot_learned_returns"]
