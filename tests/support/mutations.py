"""Nested values with one of them replaced by something odd."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

Way = tuple[Any, ...]
GONE = object()
ODD: tuple[Any, ...] = (
    GONE,
    None,
    True,
    -1,
    0,
    10**9,
    10**30,
    10**400,
    -1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\nb\0",
    [],
    [None],
    [[[]]],
    {},
    {"x": 1},
)


def places(value: Any, way: Way = ()) -> Iterator[Way]:
    """Yield the way to each of nested values, and to three of a list."""
    if way:
        yield way
    if isinstance(value, dict):
        inner: Any = value
    elif isinstance(value, list):
        inner = range(min(3, len(value)))
    else:
        return
    for key in inner:
        yield from places(value[key], (*way, key))


def mutated(values: Any, rng: random.Random) -> tuple[Any, str]:
    """Return a copy with one value replaced, and words for which and by what."""
    values = copy.deepcopy(values)
    way = rng.choice(list(places(values)))
    home = values
    for key in way[:-1]:
        home = home[key]
    odd = rng.choice(_odd(home[way[-1]]))
    if odd is GONE:
        del home[way[-1]]
    else:
        home[way[-1]] = odd
    shown = f"array {odd.shape} {odd.dtype}" if isinstance(odd, np.ndarray) else odd
    return values, f"{'/'.join(map(str, way))} <- {shown!r:.60}"


def _odd(value: Any) -> list[Any]:
    """Return what may stand in a value's place: much of it is nearly right."""
    odd = list(ODD)
    if isinstance(value, np.ndarray):
        odd += [np.zeros(0), np.zeros((1,) * 20), np.full(value.shape, np.nan)]
        odd += [value[..., None], value.ravel(), value.astype("f8")]
        if value.ndim:
            odd += [value[:0], value[:-1], np.concatenate([value, value])]
        if value.dtype.kind in "if":
            odd += [np.full_like(value, -1), np.full_like(value, 10**9)]
    elif isinstance(value, int | float):
        odd += [value + 1, -value, float(value), str(value)]
    elif isinstance(value, list):
        odd += [value[:-1], value * 2]
    elif isinstance(value, dict):
        odd += [dict(list(value.items())[:-1]), {**value, "more": 1}]
    return odd
