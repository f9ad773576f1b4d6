"""Checks of the arguments that the maze envs have in common."""

from __future__ import annotations

import operator
from typing import Any

NO_LIMIT = -1
"""The ``max_episode_steps`` of an env that never truncates, as in `gymnasium.make`."""


def checked_int(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return an argument as an int.

    Args:
        name: what the user calls it.
        value: an int or a NumPy integer.
        minimum: the least allowed.
        maximum: the most allowed. None: no upper limit.

    Raises:
        ValueError: it is no integer, or outside the limits.
    """
    limits = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
    try:
        number = operator.index(value)
    except TypeError:
        number = minimum - 1
    too_large = maximum is not None and number > maximum
    if isinstance(value, bool) or number < minimum or too_large:
        raise ValueError(f"{name}={value!r} cannot be used; give an integer, {limits}")
    return number


def checked_limit(max_episode_steps: Any) -> int:
    """Return a time limit in steps; -1 means none.

    Raises:
        ValueError: it is neither a positive integer nor -1.
    """
    limit = checked_int("max_episode_steps", max_episode_steps, minimum=NO_LIMIT)
    if limit == 0:
        raise ValueError(
            "max_episode_steps=0 leaves no step to take; give 1 or more, or -1 for no "
            "limit"
        )
    return limit


def checked_render_mode(render_mode: str | None, known: list[str]) -> str | None:
    """Return the render mode.

    Raises:
        ValueError: the env does not know it.
    """
    if render_mode is not None and render_mode not in known:
        raise ValueError(
            f"render_mode={render_mode!r} is unknown; use None or one of "
            f"{', '.join(known)}"
        )
    return render_mode
