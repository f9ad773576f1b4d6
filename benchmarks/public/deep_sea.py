"""DeepSea, the exploration chain of bsuite: go right at every step, or never find out.

Rules of Osband et al. (2020), "Behaviour Suite for Reinforcement Learning",
arXiv:1908.03568 (deterministic version), written anew: bsuite itself brings dm_env and
more. Importing this module registers `DeepSea-v0`.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import register, registry

from oprl_gym.types import Array

MOVE_COST = 0.01
"""What all moves to the right cost together, on the way to the treasure."""

MAPPING_SEED = 42
"""Of which action means "right" where; bsuite has one mapping for all its runs too."""


class DeepSeaEnv(gym.Env[Array, np.int64]):
    """A diver sinks one row a step and moves left or right meanwhile.

    The treasure, worth 1, lies below the last cell of the last row: only an episode
    that moves right at every step gets it. Each move to the right costs 0.01 / N. Which
    of the two actions means "right" was drawn for each cell. The last observation of
    every episode is all zeros. The infos have `is_success`.

    Args:
        size: N, rows, columns and steps of an episode.
        mapping_seed: Of what the actions mean.

    Example:
        >>> env = DeepSeaEnv(size=2)
        >>> env.reset()[0]
        array([1., 0., 0., 0.], dtype=float32)
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (as gymnasium.Env has it)

    def __init__(self, size: int = 10, mapping_seed: int = MAPPING_SEED) -> None:
        self.size = size
        self.observation_space = spaces.Box(0.0, 1.0, (size * size,), np.float32)
        self.action_space = spaces.Discrete(2)
        rng = np.random.default_rng(mapping_seed)
        self.right = rng.integers(2, size=(size, size))
        self._row = self._column = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin at the top left."""
        super().reset(seed=seed)
        self._row = self._column = 0
        return self._observation(), {"is_success": False}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Sink one row."""
        right = int(action) == self.right[self._row, self._column]
        found = bool(right and self._column == self.size - 1)
        reward = float(found) - MOVE_COST / self.size * right
        column = self._column + (1 if right else -1)
        self._column = min(max(column, 0), self.size - 1)
        self._row += 1
        ended = self._row == self.size
        return self._observation(), reward, ended, False, {"is_success": found}

    def _observation(self) -> Array:
        cells = np.zeros((self.size, self.size), dtype=np.float32)
        if self._row < self.size:
            cells[self._row, self._column] = 1.0
        return cells.ravel()


if "DeepSea-v0" not in registry:
    register(id="DeepSea-v0", entry_point=f"{__name__}:DeepSeaEnv")
