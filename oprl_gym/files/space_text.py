"""A space in words, as files name what they were made for."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import Space, spaces

from oprl_gym.types import Array

_PRINTED: dict[str, Any] = {
    "precision": 8,
    "threshold": 1000,
    "edgeitems": 3,
    "linewidth": 75,
    "suppress": False,
    "nanstr": "nan",
    "infstr": "inf",
    "sign": "-",
    "formatter": None,
    "floatmode": "maxprec",
}
"""NumPy's own options."""


def space_text(space: Space[Any]) -> str:
    """Return what Gymnasium writes of a space, however this process prints arrays.

    Example:
        >>> from gymnasium import spaces
        >>> space_text(spaces.Box(-1.0, 1.0, (2,)))
        'Box(-1.0, 1.0, (2,), float32)'
    """
    if isinstance(space, spaces.Dict):
        parts = [f"{name!r}: {space_text(one)}" for name, one in space.spaces.items()]
        return f"Dict({', '.join(parts)})"
    if isinstance(space, spaces.Tuple):
        return f"Tuple({', '.join(map(space_text, space.spaces))})"
    with np.printoptions(**_PRINTED):
        if isinstance(space, spaces.Box):  # which keeps what it has printed once
            low, high = _short(space.low), _short(space.high)
            return f"Box({low}, {high}, {space.shape}, {space.dtype})"
        return str(space)


def _short(bounds: Array) -> str:
    alike = bounds.size and bounds.min() == bounds.max()
    return str(bounds.min() if alike else bounds)
