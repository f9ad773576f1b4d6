"""What ``--vec-normalize`` does: numbers measured by those that came so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from oprl_gym.rewards.images import image_shape
from oprl_gym.runs.config import TrainConfig


def normalise(venv: VecEnv, config: TrainConfig) -> VecEnv:
    """Return the envs as the agent of a run sees them.

    Observations that are no vectors of numbers stay as they are, as pictures do.

    Args:
        venv: The envs, the reward wrapper included.
        config: Of the run.
    """
    if not config.vec_normalize:
        return venv
    space = venv.observation_space
    if not isinstance(space, spaces.Dict):
        return VecNormalize(venv, norm_obs=_is_vector(space), gamma=config.gamma)
    keys = [key for key, part in space.items() if _is_vector(part)]
    return VecNormalize(
        venv, norm_obs=bool(keys), gamma=config.gamma, norm_obs_keys=keys or None
    )


def statistics_of(normaliser: VecNormalize) -> dict[str, Any]:
    """Return means and variances of observations by part, as a file holds them."""
    return {
        key: {"mean": np.array(rms.mean), "var": np.array(rms.var)}
        for key, rms in _parts(normaliser).items()
    }


def load_statistics(normaliser: VecNormalize, state: Any) -> None:
    """Let a fresh normaliser do as the one of :func:`statistics_of` did.

    Raises:
        ValueError: They are those of other observations, or no numbers.
        KeyError, TypeError: They are no statistics.
    """
    parts = _parts(normaliser)
    if state.keys() != parts.keys():
        raise ValueError(f"it normalises {sorted(state)}, not {sorted(parts)}")
    for key, rms in parts.items():
        mean, var = np.array(state[key]["mean"]), np.array(state[key]["var"])
        finite = np.isfinite(mean).all() and np.isfinite(var).all()
        if mean.shape != rms.mean.shape or var.shape != rms.var.shape or not finite:
            raise ValueError(f"its statistics have not the shape {rms.mean.shape}")
        if (var < 0).any():
            raise ValueError("it holds a negative variance")
        rms.mean, rms.var = mean, var


def _is_vector(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and image_shape(space) is None


def _parts(normaliser: VecNormalize) -> dict[str, RunningMeanStd]:
    if not normaliser.norm_obs:
        return {}
    found: Any = normaliser.obs_rms
    return dict(found) if isinstance(found, dict) else {"": found}
