"""How the learned reward of a maze moved during training, in a file of the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oprl_gym.envs.layouts import Layout
from oprl_gym.files.fields import check_values
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.runs.folder import REWARD_MAPS, RunError, RunFolder
from oprl_gym.types import BoolArray, FloatArray, IntArray

NEVER = -1

_STATE = {"env_steps": np.ndarray, "rewards": np.ndarray, "entered": np.ndarray}


@dataclass(frozen=True)
class RewardMaps:
    """S looks at the process reward of every cell of a maze.

    Attributes:
        env_steps: (S,) int64, when.
        rewards: (S, H, W) float64, NaN at walls.
        entered: (H, W) int64, the env step at which training first came to a cell;
            ``NEVER`` where it did not.

    Raises:
        ValueError: They do not fit together.
    """

    env_steps: IntArray
    rewards: FloatArray
    entered: IntArray

    def __post_init__(self) -> None:
        """Check kinds and shapes: they may come out of anybody's file."""
        shape = (len(self.env_steps), *self.entered.shape)
        whole = self.env_steps.dtype == self.entered.dtype == np.int64
        if not (whole and self.rewards.dtype == np.float64):
            raise ValueError("it holds other kinds of numbers")
        if self.entered.ndim != 2 or self.rewards.shape != shape:
            raise ValueError(f"its maps are {self.rewards.shape}, not {shape}")
        if np.isinf(self.rewards).any():
            raise ValueError("its maps hold infinite numbers")

    def visited(self, env_steps: int | None = None) -> BoolArray:
        """Return the (H, W) cells that training came to, in all or until then."""
        known = self.entered != NEVER
        return known if env_steps is None else known & (self.entered <= env_steps)

    def state(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return dict(vars(self))

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> RewardMaps:
        """Return what :meth:`state` was taken of.

        Raises:
            ValueError: It is something else.
        """
        check_values(state, _STATE, "reward maps ")
        return cls(**state)

    def write(self, path: Path) -> None:
        """Write them, replacing ``path`` only once the new file is whole."""
        write_state(path, self.state())

    @classmethod
    def read(cls, path: Path, layout: Layout) -> RewardMaps:
        """Read what :meth:`write` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is none, or of another maze.
        """
        maps = cls.of_state(read_state(path))
        if maps.entered.shape != layout.shape:
            raise ValueError(f"{path} is of another maze, {maps.entered.shape}")
        return maps


def reward_maps(folder: RunFolder, layout: Layout) -> RewardMaps | None:
    """Return the maps that a run kept, None if there are none.

    Raises:
        RunError: The file is damaged, or of another maze.
    """
    path = folder.file(REWARD_MAPS)
    if not path.exists():
        return None
    try:
        return RewardMaps.read(path, layout)
    except (OSError, ValueError) as error:
        raise RunError(str(error)) from error
