"""Rewards of a rollout that was scored anew, as VecNormalize makes them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from stable_baselines3.common.vec_env import VecNormalize

from oprl_gym.types import FloatArray
from oprl_gym.wrappers.mixing import Rescored


def normalised_change(
    rescored: Rescored, episode_starts: FloatArray, normalisers: Sequence[VecNormalize]
) -> FloatArray:
    """Return (T, N) by how much the rewards that the agent is given change.

    Each normaliser is taken to know the new rewards already, as it would, had the steps
    been scored so at once: while an env has paid nothing its deviation is next to 0,
    and the first learned rewards would come out a thousand times as large as any later.

    Args:
        rescored: The rollout, before and after.
        episode_starts: (T, N) 1 where a step is the first of its episode.
        normalisers: Those outside of the wrapper that scores, the innermost first.
    """
    given, newest = rescored.given, rescored.newest
    for normaliser in normalisers:
        deviation = _deviation(normaliser, newest, episode_starts)
        most = normaliser.clip_reward
        given = np.clip(given / deviation, -most, most)
        newest = np.clip(newest / deviation, -most, most)
    return newest - given


def _deviation(
    normaliser: VecNormalize, rewards: FloatArray, episode_starts: FloatArray
) -> float:
    """Return what rewards are divided by once these (T, N) are known."""
    known = normaliser.ret_rms
    if normaliser.training:
        known = deepcopy(known)
        known.update(_returns(rewards, episode_starts, normaliser.gamma).ravel())
    return float(np.sqrt(known.var + normaliser.epsilon))


def _returns(
    rewards: FloatArray, episode_starts: FloatArray, gamma: float
) -> FloatArray:
    """Return (T, N) what each episode has been paid so far, the latest most."""
    returns = np.array(rewards, dtype=np.float64)
    for t in range(1, len(returns)):
        returns[t] += gamma * (1.0 - episode_starts[t]) * returns[t - 1]
    return returns
