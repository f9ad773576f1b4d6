"""What is asked of an env before anything is trained in it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from oprl_gym.preferences.pay import EPISODES, EnvPay
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import import_env, make_env
from oprl_gym.runs.folder import RunError

MOST_STEPS = 50_000
"""Random steps to look at: ten episodes tell who pays late, one who does not."""


def pays_late(config: TrainConfig) -> bool:
    """Return whether the env pays with the end of each episode, and never before.

    That is asked of ten random episodes, by the rule that a learned reward goes by in
    training. The same config gives the same answer.

    Raises:
        RunError: There is no such env, or it breaks.
    """
    import_env(config)
    env = make_env(config)
    try:
        return _pays_late(env, config.seed)
    except Exception as error:  # whatever the user's own code raises
        raise RunError(
            f"{config.env_id} breaks in a random episode: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        env.close()


def _pays_late(env: gym.Env[Any, Any], seed: int) -> bool:
    pay, steps = EnvPay(), 0
    env.reset(seed=seed)
    env.action_space.seed(seed)
    for _ in range(EPISODES):
        rewards: list[float] = []
        over = False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            rewards.append(float(reward))
            over, steps = terminated or truncated, steps + 1
            paid_before_the_end = reward != 0 and not over
            if paid_before_the_end or steps >= MOST_STEPS:
                return False
        if not rewards[-1]:
            return False
        pay.observe_rewards([np.array(rewards)])
        env.reset()
    return bool(pay.late)
