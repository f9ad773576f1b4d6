"""Trajectories and preferences as a few arrays, for checkpoints, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from oprl_gym.types import Preference, Trajectory

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
    if (steps < 1).any():
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


def pack_preferences(
    preferences: Iterable[Preference], place: dict[int, int]
) -> dict[str, Any]:
    """Return B preferences as arrays.

    Args:
        preferences: B of them.
        place: Where each trajectory stands in a list, by its ``id()``.
    """
    rows = list(preferences)
    pairs = [(place[id(row.first)], place[id(row.second)]) for row in rows]
    return {
        "pairs": np.array(pairs, dtype=np.int64).reshape(-1, 2),
        "labels": np.array([row.label for row in rows], dtype=np.float64),
        "weights": np.array([row.weight for row in rows], dtype=np.float64),
    }


def unpack_preferences(
    packed: dict[str, Any], trajectories: Sequence[Trajectory]
) -> list[Preference]:
    """Return the preferences that :func:`pack_preferences` made ``packed`` of.

    Raises:
        ValueError: They are about trajectories that are not there, or no preferences.
    """
    pairs, labels, weights = packed["pairs"], packed["labels"], packed["weights"]
    if not len(pairs) == len(labels) == len(weights):
        raise ValueError(
            f"there are {len(pairs)} pairs, but {len(labels)} labels and "
            f"{len(weights)} weights"
        )
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(trajectories):
        raise ValueError("a preference is about a trajectory that is not there")
    return [
        Preference(trajectories[first], trajectories[second], label, weight)
        for (first, second), label, weight in zip(
            pairs.tolist(), labels.tolist(), weights.tolist(), strict=True
        )
    ]
