"""Rewards that change after a rollout, and the advantages that follow from them."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer

from oprl_gym.types import FloatArray


def advantage_change(
    reward_change: FloatArray, episode_starts: FloatArray, decay: float
) -> FloatArray:
    """Return by how much generalised advantage estimates change.

    They are linear in the rewards (Schulman et al. 2016, arXiv:1506.02438, eq. 16), so
    the change is a discounted sum of the rewards' changes up to the episode's end; the
    values, and with them the bootstrap at the rollout's end, drop out.

    Args:
        reward_change: (T, N) new rewards minus old.
        episode_starts: (T, N) 1 where a step is the first of its episode.
        decay: gamma * lambda.

    Returns (T, N).
    """
    change = np.array(reward_change, dtype=np.float32)
    for t in reversed(range(len(change) - 1)):
        change[t] += decay * (1.0 - episode_starts[t + 1]) * change[t + 1]
    return change


def add_rewards(buffer: RolloutBuffer, reward_change: FloatArray) -> None:
    """Add (T, N) to the rewards of a full buffer whose advantages are computed.

    Rewards, advantages and returns are then what they would have been, had the rewards
    been so from the start. Rewards are added to, never overwritten: those of truncated
    steps hold the bootstrap that Stable-Baselines3 put there.
    """
    decay = buffer.gamma * buffer.gae_lambda
    change = advantage_change(reward_change, buffer.episode_starts, decay)
    buffer.rewards += reward_change.astype(np.float32)
    buffer.advantages += change
    buffer.returns += change
