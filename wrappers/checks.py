"""What an env may not give: numbers that are none, observations of another shape."""

from __future__ import annotations

import math

import numpy as np

from oprl_gym.types import Array, EnvError, FloatArray

BROKEN_PIPE = (EOFError, ConnectionError)
"""What is raised where a process of a ``SubprocVecEnv`` is no longer there."""


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
        shown = np.array2string(observations[env], threshold=8, edgeitems=3)
        raise EnvError(f"env {env} gave a NaN or infinite observation: {shown}")


def check_rewards(rewards: FloatArray) -> None:
    """Check (N,) rewards.

    Raises:
        EnvError: One is NaN or infinite.
    """
    env = first_not_finite(rewards)
    if env is not None:
        raise EnvError(f"env {env} gave the reward {rewards[env]}, which is no number")


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
