"""Trajectories as a few arrays, for checkpoints and other processes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oprl_gym.types import Trajectory

_FIELDS = (
    "observations",
    "first_visits",
    "actions",
    "env_rewards",
    "process_rewards",
)


def pack_trajectories(trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    """Return M trajectories as arrays: their steps one after another."""
    if not trajectories:
        return {"steps": np.zeros(0, dtype=np.int64)}
    packed: dict[str, Any] = {
        "steps": np.array([len(one) for one in trajectories]),
        "terminated": np.array([one.terminated for one in trajectories]),
    }
    for name in _FIELDS:
        packed[name] = np.concatenate([getattr(one, name) for one in trajectories])
    return packed


def unpack_trajectories(packed: dict[str, Any]) -> list[Trajectory]:
    """Return the trajectories that :func:`pack_trajectories` made ``packed`` of.

    Raises:
        ValueError: The arrays do not fit together.
    """
    steps = packed["steps"]
    if not len(steps):
        return []
    if steps.dtype.kind != "i" or (steps < 1).any():
        raise ValueError("a trajectory has no steps")
    parts = {}
    for name in _FIELDS:
        lengths = steps + (name in ("observations", "first_visits"))
        if len(packed[name]) != lengths.sum():
            raise ValueError(f"the trajectories' {name} are not as long as they say")
        parts[name] = np.split(packed[name], np.cumsum(lengths)[:-1])
    return [
        Trajectory(
            # Copies, or a single one would keep the arrays of all in memory.
            **{name: parts[name][i].copy() for name in _FIELDS},
            terminated=bool(packed["terminated"][i]),
        )
        for i in range(len(steps))
    ]
