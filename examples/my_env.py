"""Two envs in a file of your own, as `oprl-gym compare --env-id my_env:...` takes them.

cd examples
oprl-gym compare --env-id my_env:Corridor-v0 --total-timesteps 30000
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from oprl_gym.wrappers import DelayedReward


class Corridor(gym.Env[Any, Any]):
    """A corridor with a key at its left end and a door at its right one.

    An episode begins in the middle and pays 1 at the door, for whoever has the key. It
    says nothing of success.
    """

    LENGTH = 23

    def __init__(self) -> None:
        self.observation_space = gym.spaces.MultiBinary(self.LENGTH + 1)
        self.action_space = gym.spaces.Discrete(2)  # left, right

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin in the middle, without the key."""
        super().reset(seed=seed)
        self.place, self.has_key = self.LENGTH // 2, False
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Go left or right."""
        self.place = int(np.clip(self.place + 2 * action - 1, 0, self.LENGTH - 1))
        self.has_key = self.has_key or self.place == 0
        opened = self.has_key and self.place == self.LENGTH - 1
        return self._observation(), float(opened), opened, False, {}

    def _observation(self) -> Any:
        observation = np.zeros(self.LENGTH + 1, dtype=np.int8)
        observation[self.place] = 1
        observation[-1] = self.has_key
        return observation


def late_cart_pole() -> gym.Env[Any, Any]:
    """Return CartPole whose whole reward comes with the last step of an episode."""
    return DelayedReward(gym.make("CartPole-v1"))


gym.register("Corridor-v0", entry_point=Corridor, max_episode_steps=100)
gym.register("LateCartPole-v0", entry_point=late_cart_pole)
