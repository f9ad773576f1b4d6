"""Looks at the learned reward of a maze while it is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.envs.layouts import Layout
from oprl_gym.files.fields import check_values
from oprl_gym.runs.evaluation import cell_rewards
from oprl_gym.runs.reward_maps import NEVER, RewardMaps
from oprl_gym.types import FloatArray

MOST = 20
"""Looks that are kept; beyond them every second is dropped, and half as many come."""


class RewardMapRecorder(BaseCallback):
    """Keeps maps of the process reward, and which cells training has come to.

    It draws no random number and gives none of its scores to anybody: what is learned
    is the same without it.

    Args:
        layout: The maze.
        oprl: Learns the reward.
        every: Env steps from one map to the next.
    """

    def __init__(self, layout: Layout, oprl: OPRLCallback, every: int) -> None:
        super().__init__()
        self._layout = layout
        self._oprl = oprl
        self._every = every
        self._looks: list[tuple[int, Any]] = []
        self._entered: dict[tuple[int, int], int] = {layout.start: 0}

    def maps(self) -> RewardMaps:
        """Return those so far."""
        entered = np.full(self._layout.shape, NEVER, dtype=np.int64)
        for cell, env_steps in self._entered.items():
            entered[cell] = env_steps
        rewards = [cells for _, cells in self._looks]
        return RewardMaps(
            np.array([env_steps for env_steps, _ in self._looks], dtype=np.int64),
            np.array(rewards, dtype=np.float64).reshape(-1, *self._layout.shape),
            entered,
        )

    def state(self) -> dict[str, Any]:
        """Return all so far, for a checkpoint."""
        return {"maps": self.maps().state(), "every": self._every}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from the maps of a checkpoint.

        Raises:
            ValueError: They are of another maze, or none.
        """
        check_values(state, {"maps": dict, "every": int}, "reward maps ")
        maps = RewardMaps.of_state(state["maps"])
        if maps.entered.shape != self._layout.shape:
            raise ValueError("its reward maps are of another maze")
        self._every = state["every"]
        self._looks = list(zip(maps.env_steps.tolist(), maps.rewards, strict=True))
        cells = np.argwhere(maps.visited()).tolist()
        self._entered = {(r, c): int(maps.entered[r, c]) for r, c in cells}

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            self._entered.setdefault(info["position"], self.num_timesteps)
        return True

    def _on_rollout_end(self) -> None:
        learner = self._oprl.learner
        if learner is not None and self._due(self.num_timesteps):
            cells = cell_rewards(learner.process_reward, self._layout)
            self.add(self.num_timesteps, cells)

    def _due(self, env_steps: int) -> bool:
        last = self._looks[-1][0] if self._looks else 0
        return env_steps - last >= self._every

    def add(self, env_steps: int, cells: FloatArray) -> None:
        """Keep a look if one is due; (H, W) scores of the cells."""
        if not self._due(env_steps):
            return
        self._looks.append((env_steps, cells))
        if len(self._looks) > MOST:
            self._looks = self._looks[::-2][::-1]  # the latest stays
            self._every *= 2
