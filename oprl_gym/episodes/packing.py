"""Trajectories as bytes, and the hash that tells whether two are the same."""

from __future__ import annotations

import hashlib

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from oprl_gym.types import Array, Trajectory

_HASHED = ("observations", "actions", "env_rewards", "terminated")
"""What the process reward made of it is left out: it changes with every fit."""


def pack(trajectory: Trajectory) -> bytes:
    """Return the arrays of a trajectory in the safetensors format."""
    return save(_arrays(trajectory))


def unpack(data: bytes) -> Trajectory:
    """Return the trajectory that :func:`pack` made ``data`` of.

    Nothing in the data is executed.

    Raises:
        ValueError: The data are damaged, or no trajectory.
    """
    try:
        arrays = load(data)
        terminated = bool(arrays.pop("terminated")[0])
        if "first_visits" in arrays:  # not in answers given before they were kept
            arrays["first_visits"] = arrays["first_visits"].astype(np.bool_)
        return Trajectory(**arrays, terminated=terminated)
    except (SafetensorError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"these bytes hold no trajectory: {error}") from error


def content_hash(trajectory: Trajectory) -> str:
    """Return 64 hexadecimal digits, the same for equal trajectories."""
    digest = hashlib.sha256()
    arrays = _arrays(trajectory)
    for name in _HASHED:
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _arrays(trajectory: Trajectory) -> dict[str, Array]:
    return {
        "observations": np.ascontiguousarray(trajectory.observations),
        "actions": np.ascontiguousarray(trajectory.actions),
        "env_rewards": np.asarray(trajectory.env_rewards, dtype=np.float64).copy(),
        "process_rewards": np.asarray(
            trajectory.process_rewards, dtype=np.float64
        ).copy(),
        "terminated": np.array([trajectory.terminated], dtype=np.uint8),
        "first_visits": trajectory.first_visits.astype(np.uint8),
    }
