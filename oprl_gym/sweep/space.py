"""Random search: settings drawn from distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from oprl_gym.config import is_finite, shown

DIGITS = 6
"""Significant digits of a drawn number: as many as a table can show."""

LARGEST = 2**62
"""How far apart bounds may lie, and integers from 0: NumPy draws 64 bits."""

DISTRIBUTIONS = ("uniform", "loguniform", "randint", "choice")


def draw(space: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return one sample of a space.

    Args:
        space: For each setting one of ``{uniform: [LOW, HIGH]}``,
            ``{loguniform: [LOW, HIGH]}``, ``{randint: [LOW, HIGH]}`` (integers below
            HIGH) and ``{choice: [VALUE, ...]}``.
        rng: Where randomness comes from.

    Raises:
        ValueError: A distribution is none of these, or its bounds make no sense.

    Example:
        >>> import numpy as np
        >>> draw({"n_steps": {"randint": [64, 65]}}, np.random.default_rng(0))
        {'n_steps': 64}
    """
    return {name: _draw(name, what, rng) for name, what in space.items()}


def _draw(name: str, what: Any, rng: np.random.Generator) -> Any:
    where = f"random.space.{name}"
    if not isinstance(what, dict) or len(what) != 1:
        raise ValueError(
            f"{where} must be {{uniform: [LOW, HIGH]}} or such: {shown(what)}"
        )
    kind, bounds = next(iter(what.items()))
    if kind not in DISTRIBUTIONS:
        known = ", ".join(DISTRIBUTIONS)
        raise ValueError(f"{where} must be one of {known}; got {shown(kind)}")
    if not isinstance(bounds, list) or not bounds:
        raise ValueError(
            f"{where}.{kind} must be a list of values, got {shown(bounds)}"
        )
    if kind == "choice":
        return bounds[int(rng.integers(len(bounds)))]
    low, high = _bounds(bounds, f"{where}.{kind}", whole=kind == "randint")
    if kind == "randint":
        return int(rng.integers(low, high))
    if kind == "uniform":
        return _rounded(rng.uniform(low, high))
    if low <= 0:
        raise ValueError(f"{where}.loguniform must be above 0, got {shown(bounds)}")
    return _rounded(math.exp(rng.uniform(math.log(low), math.log(high))))


def _bounds(bounds: list[Any], where: str, whole: bool) -> tuple[Any, Any]:
    kind: Any = int if whole else int | float
    numbers = [b for b in bounds if isinstance(b, kind) and not isinstance(b, bool)]
    two = len(numbers) == len(bounds) == 2 and all(map(is_finite, numbers))
    if whole:
        two = two and max(map(abs, numbers)) < LARGEST
    if not two or not 0 < numbers[1] - numbers[0] < LARGEST:
        what = "integers" if whole else "numbers"
        raise ValueError(f"{where} must be two {what}, LOW < HIGH; got {shown(bounds)}")
    return numbers[0], numbers[1]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
