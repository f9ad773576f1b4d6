"""What a checkpoint says of an agent is looked at before the agent takes it over."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from oprl_gym.config import is_finite, shown
from oprl_gym.files.fields import check_values


def check_counters(own: dict[str, Any], saved: Any) -> None:
    """Check the counters of a checkpoint against those an agent has.

    Raises:
        ValueError: They have other names, or one is no count.
    """
    kinds: dict[str, Any] = {name: type(value) for name, value in own.items()}
    # SB3 keeps what `learn` was given, which may be 1e6.
    kinds["_total_timesteps"] = int | float
    check_values(saved, kinds, "agent ")
    for name, value in saved.items():
        # The progress that remains is below 0 where the last rollout was too long.
        if not is_finite(value) or (isinstance(value, int) and value < 0):
            raise ValueError(f"agent {name} cannot be {shown(value)}")


def check_places(model: BaseAlgorithm, saved: Any) -> None:
    """Check where the envs of a checkpoint stood, by an agent's spaces.

    Raises:
        ValueError: An observation is missing, has another shape or is no number.
    """
    names = ("_last_obs", "_last_original_obs", "_last_episode_starts")
    check_values(saved, {name: object for name in names if hasattr(model, name)})
    envs = model.n_envs
    seen = {"_last_obs": model.observation_space}
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:  # there may be layers around it that change the shape
        seen["_last_original_obs"] = normalizer.observation_space
    for name, space in seen.items():
        if saved.get(name) is not None:
            _check_observations(space, saved[name], envs)
    starts = saved["_last_episode_starts"]
    if starts is not None and np.shape(starts) != (envs,):
        raise ValueError(f"it does not say of {envs} envs whether an episode began")


def _check_observations(space: spaces.Space[Any], saved: Any, envs: int) -> None:
    if isinstance(space, spaces.Dict):
        check_values(saved, dict.fromkeys(space.spaces, np.ndarray), "observation ")
        for name, inner in space.spaces.items():
            _check_observations(inner, saved[name], envs)
        return
    wanted = (envs, *(space.shape or ()))
    if not isinstance(saved, np.ndarray) or saved.shape != wanted:
        raise ValueError(f"the latest observations have not the shape {wanted}")
    if not np.isfinite(saved).all():
        raise ValueError("the latest observations are NaN or infinite")
