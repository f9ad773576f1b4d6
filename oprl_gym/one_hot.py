"""One-hot rows, known by where their 1 is: a look at a place costs less than a key."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 128
"""Rows that are looked at one by one sooner than all together."""


def one_hot_places(rows: NDArray[Any]) -> NDArray[np.intp] | None:
    """Return where each row has its 1.

    Args:
        rows: (n, d) numbers.

    Returns:
        (n,) column numbers, or None if any row is not one-hot.

    Example:
        >>> one_hot_places(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
        array([2, 0])
        >>> one_hot_places(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]))
    """
    n, width = rows.shape
    flat = rows.ravel()
    not_zero = flat != 0
    if np.count_nonzero(not_zero) != n:
        return None
    places = not_zero.nonzero()[0]
    # As many as rows, each in a row of its own, and each a 1.
    if (flat[places] != 1).any():
        return None
    places -= np.arange(0, n * width, width)
    return places if ((places >= 0) & (places < width)).all() else None


def flagged_places(rows: NDArray[Any]) -> NDArray[np.intp] | None:
    """Return where the 1 of each one-hot row is, which may end in a 1 of its own.

    Args:
        rows: (n, d) numbers.

    Returns:
        (n,) column numbers, d more for a row that ends in another 1; None if any row is
        none of both.

    Example:
        >>> flagged_places(np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]))
        array([1, 4])
    """
    places = one_hot_places(rows)
    if places is not None or rows.shape[1] < 2:
        return places
    flag = rows[:, -1]
    if ((flag != 0) & (flag != 1)).any():
        return None
    places = one_hot_places(np.ascontiguousarray(rows[:, :-1]))
    return None if places is None else places + rows.shape[1] * flag.astype(np.intp)
