"""What an env may not give: numbers that are none, observations of another shape.

What is meant is taken: a list, a tensor, or a column of N numbers for N numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from oprl_gym.config import shown
from oprl_gym.types import Array, BoolArray, EnvError, FloatArray

LARGEST = 1e18
"""The largest reward, and sum of an episode's: agents are fitted to squares of them in
single precision, which ends at 3e38."""

# DummyVecEnv of Stable-Baselines3 keeps rewards in it, whatever the env gave.
_NO_NUMBER = "which is no number, or was too large for single precision"

_TOO_LARGE = (
    f"more than the {LARGEST:g} that agents, who compute in single precision, can be "
    "fitted to: scale the rewards down"
)

BROKEN_PIPE = (EOFError, ConnectionError)
"""What is raised where a process of a ``SubprocVecEnv`` is no longer there."""


def as_reward(value: Any) -> float:
    """Return the reward that one env gave.

    Raises:
        EnvError: It is not one number.
    """
    if isinstance(value, float):  # the usual one, NumPy's included
        return float(value)
    return float(_numbers("reward", value, 1)[0])


def as_flag(name: str, value: Any) -> bool:
    """Return what one env gave as True or False; see :func:`as_flags`."""
    return value if isinstance(value, bool) else bool(as_flags(name, value, 1)[0])


def as_rewards(values: Any, num_envs: int) -> FloatArray:
    """Return the rewards that N envs gave as (N,) float64, in an array of their own.

    Raises:
        EnvError: They are not N numbers.
    """
    return _numbers("rewards", values, num_envs).astype(np.float64)


def as_flags(name: str, values: Any, num_envs: int) -> BoolArray:
    """Return what N envs gave as (N,) bool, in an array of their own.

    Args:
        name: What it is called, as "terminated".
        values: What they gave; 0 and 1 are taken for False and True.
        num_envs: N.

    Raises:
        EnvError: They are not N of False and True.
    """
    numbers = _numbers(name, values, num_envs, "bool")
    flags = numbers.astype(np.bool_)
    if numbers.dtype != flags.dtype and (numbers != flags).any():
        raise EnvError(f"the env gave {name}={shown(values)}: give False or True")
    return flags


def as_info(value: Any) -> Mapping[str, Any]:
    """Return the info that an env, or a vector of them, gave.

    Raises:
        EnvError: It is no dict.
    """
    if not isinstance(value, Mapping):
        raise EnvError(
            f"the env gave the info {shown(value)}: give a dict, {{}} where there is "
            "nothing to tell"
        )
    return value


def as_infos(values: Any, num_envs: int) -> list[Mapping[str, Any]]:
    """Return the infos that N envs gave.

    Raises:
        EnvError: They are not N dicts.
    """
    infos = list(values) if isinstance(values, list | tuple) else []
    dicts = all(issubclass(kind, Mapping) for kind in set(map(type, infos)))
    if len(infos) != num_envs or not dicts:
        raise EnvError(
            f"the env gave the infos {shown(values)}: give a list of {num_envs} "
            "dicts, {} where there is nothing to tell"
        )
    return infos


def terminal_of(found: Any, env: int, name: str) -> Any:
    """Return what an env said its episode ended at.

    Args:
        found: What was found there; None if nothing was.
        env: Number of the env.
        name: Where it was looked for.

    Raises:
        EnvError: Nothing was found.
    """
    if found is None:
        raise EnvError(
            f"env {env} ended an episode and gave no {name}, so what its last step led "
            "to is not known: give there the observation from before the reset"
        )
    return found


def _numbers(name: str, values: Any, num_envs: int, kind: str = "number") -> Array:
    """Return N numbers of a kind, however they were given, as (N,)."""
    array = values
    if not isinstance(values, np.ndarray):
        if hasattr(values, "detach"):  # a tensor, perhaps on a device
            array = values.detach().cpu()
        try:
            array = np.asarray(array)
        except (TypeError, ValueError):  # of lists of several lengths
            array = np.asarray(None)
    if array.dtype.kind not in "biuf" or array.size != num_envs:
        wanted = f"one {kind}" if num_envs == 1 else f"{num_envs} {kind}s"
        raise EnvError(f"the env gave {name}={shown(values)}: give {wanted}")
    return array.reshape(num_envs)


def check_observations(observations: Array, shape: tuple[int, ...]) -> None:
    """Check (N, ...) observations of N envs.

    Args:
        observations: As the envs gave them, Dict and Tuple ones flattened.
        shape: That of one observation by the space.

    Raises:
        EnvError: They have another shape, or one is NaN or infinite.
    """
    if observations.shape[1:] != shape:
        raise EnvError(
            f"the env gave an observation of shape {observations.shape[1:]}, but its "
            f"observation_space says {shape}: the shape must stay the same"
        )
    env = first_not_finite(observations)
    if env is not None:
        values = np.array2string(observations[env], threshold=8, edgeitems=3)
        raise EnvError(f"env {env} gave a NaN or infinite observation: {values}")


def check_rewards(rewards: FloatArray, returns: FloatArray) -> None:
    """Check (N,) rewards, and what their episodes come to by them.

    Args:
        rewards: As the envs gave them.
        returns: (N,) sums of the rewards of each episode before.

    Raises:
        EnvError: One is NaN or infinite, or beyond :data:`LARGEST`.
    """
    env = _first_beyond(rewards)
    if env is not None:
        value = rewards[env]
        why = _TOO_LARGE if math.isfinite(value) else _NO_NUMBER
        raise EnvError(f"env {env} gave the reward {value}, {why}")
    env = _first_beyond(returns + rewards)
    if env is not None:
        raise EnvError(
            f"env {env} gave the reward {rewards[env]}, by which its episode comes to "
            f"{returns[env] + rewards[env]}, {_TOO_LARGE}"
        )


def worker_died(error: Exception) -> EnvError:
    """Return the words for a broken pipe to a process of a ``SubprocVecEnv``."""
    return EnvError(
        f"a process that runs an env has died ({type(error).__name__}); what it said "
        "last, if anything, is further up"
    )


def first_not_finite(values: Array) -> int | None:
    """Return the first of N rows with a value that is NaN or infinite, if any."""
    if values.dtype.kind != "f":
        return None
    flat = values.ravel()
    # A dot product is by far the fastest way to look at every value. Squares of large
    # ones may be infinite too; then each is looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(np.dot(flat, flat)):
            return None
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return int(bad.argmax()) if bad.any() else None


def _first_beyond(values: FloatArray) -> int | None:
    """Return the first of N numbers that is NaN or larger than LARGEST, if any."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.dot(values, values) <= LARGEST**2:  # then none of them is
            return None
        bad = ~(np.abs(values) <= LARGEST)
    return int(bad.argmax()) if bad.any() else None


def check_env(env: Any, kind: type, wrapper: str, what: str) -> None:
    """Check that an env is of the kind that a wrapper takes.

    Args:
        env: What it was given.
        kind: What it takes.
        wrapper: Name of the wrapper.
        what: Words for what it takes.

    Raises:
        ValueError: It is of another kind; the message says what to write.
    """
    if not isinstance(env, kind):
        raise ValueError(f"{wrapper} takes {what}, got {shown(env)}: {_fitting(env)}")


def _fitting(env: Any) -> str:
    """Return what to write around what is to be wrapped."""
    if isinstance(env, str):
        return f"make it first, as in ProcessRewardWrapper(gym.make({env!r}))"
    if isinstance(env, gym.Env):
        return "write ProcessRewardWrapper(env)"
    if isinstance(env, gym.vector.VectorEnv):
        return "write ProcessRewardVectorWrapper(env)"
    if hasattr(env, "step_wait"):
        return "write VecProcessReward(env)"
    return "make an env first, as by gym.make(...), and wrap each on its own"
