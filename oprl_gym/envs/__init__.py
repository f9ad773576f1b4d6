"""The maze environments and what is exactly known about them.

The Stable-Baselines3 env is in `oprl_gym.envs.sb3`: this package loads
without it.
"""

from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.maze import OPRLMazeEnv
from oprl_gym.envs.vector import OPRLMazeVectorEnv

__all__ = ["Layout", "OPRLMazeEnv", "OPRLMazeVectorEnv", "make_layout"]
