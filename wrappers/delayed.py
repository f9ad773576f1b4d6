"""A dense reward made late: all of an episode's is paid with its last step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from oprl_gym.wrappers.checks import as_reward


class DelayedReward(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Pays 0 on every step but an episode's last, and there the sum of them all.

    What is asked for stays the same, and what is best; which step earned it is no
    longer said. That is the setting of return decomposition (Arjona-Medina et al. 2019,
    arXiv:1806.07857), and how a reward looks that is known only when all is over: the
    score of a game, the yield of a batch. It has to stand outside whatever ends
    episodes (``TimeLimit``): an episode that is cut off outside it is never paid for.

    Args:
        env: The env whose reward is to come late.

    Example:
        >>> import gymnasium as gym
        >>> from oprl_gym.wrappers import DelayedReward
        >>> env = DelayedReward(gym.make("CartPole-v1"))
        >>> observation, info = env.reset(seed=0)
        >>> rewards, ended = [], False
        >>> while not ended:
        ...     observation, reward, terminated, truncated, info = env.step(0)
        ...     rewards.append(reward)
        ...     ended = terminated or truncated
        >>> rewards[-3:]
        [0.0, 0.0, 11.0]
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._earned = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, of which nothing is earned yet."""
        self._earned = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step; the reward is 0 unless it is the last."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._earned += as_reward(reward)
        ended = terminated or truncated
        return observation, self._earned if ended else 0.0, terminated, truncated, info
