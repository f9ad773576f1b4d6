"""Equal input rows are found and given one number, so each is scored only once."""

from __future__ import annotations

from typing import Any

import numpy as np

from oprl_gym.files.fields import check_values
from oprl_gym.one_hot import FEW, flagged_places
from oprl_gym.types import FloatArray, IntArray

MAX_ROWS = 4096
MAX_BYTES = 2**26


class RowTable:
    """Numbers distinct rows in the order they are first seen.

    A small discrete env shows the same few observations over and over: there every
    row ever seen fits in here. With real-valued observations hardly a row comes
    twice; the table then fills up, says so (:attr:`overflowed`) and forgets its rows,
    and its user goes on without it.

    Args:
        max_rows: Distinct rows after which the table gives up. Long rows (of images)
            make it give up earlier: at 64 MiB.
    """

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self.max_rows = max_rows
        self.overflowed = False
        self._numbers: dict[bytes, int] = {}
        self._rows: FloatArray = np.zeros((0, 0), dtype=np.float32)
        # (2d,) the number of the row whose 1 is there, -1 where it was never seen; the
        # second half is of rows that end in another 1.
        self._of_place: IntArray = np.zeros(0, dtype=np.intp)

    def __len__(self) -> int:
        """Return how many distinct rows are known."""
        return len(self._numbers)

    def numbers(self, rows: FloatArray) -> IntArray | None:
        """Return the (n,) numbers of (n, d) rows, or None once there are too many."""
        if self.overflowed:
            return None
        numbers = self._all(rows)
        if len(self) > self.max_rows or self._rows.nbytes > MAX_BYTES:
            self.overflowed = True
            self._numbers.clear()
            self._rows = self._rows[:0]
            self._of_place = self._of_place[:0]
            return None
        return numbers

    def rows(self, start: int = 0) -> FloatArray:
        """Return the (n, d) rows numbered ``start`` and up."""
        return self._rows[start : len(self)]

    def state(self) -> dict[str, Any]:
        """Return what is to be saved of it: the rows, in their order."""
        return {"rows": self.rows().copy(), "overflowed": self.overflowed}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the rows of another table.

        Raises:
            ValueError: They are no rows.
        """
        check_values(state, {"rows": np.ndarray, "overflowed": bool}, "row table ")
        if state["rows"].dtype != np.float32 or state["rows"].ndim != 2:
            raise ValueError("the row table holds no rows of single precision")
        self.overflowed = state["overflowed"]
        self._numbers = {}
        self._rows = state["rows"]
        self._of_place = self._of_place[:0]
        for row in self._rows:
            self._number(row)

    def _all(self, rows: FloatArray) -> IntArray:
        places = flagged_places(rows) if len(rows) >= FEW else None
        if places is None:
            return self._each(rows)
        return self._of_one_hot(rows, places)

    def _each(self, rows: FloatArray) -> IntArray:
        numbers = [self._numbers.get(row.tobytes()) for row in rows]
        if None in numbers:
            numbers = [self._number(row) for row in rows]
        return np.array(numbers, dtype=np.int64)

    def _of_one_hot(self, rows: FloatArray, places: IntArray) -> IntArray:
        """Return the same numbers, of which those known cost a look at the place."""
        if not self._of_place.size:
            self._of_place = np.full(2 * rows.shape[1], -1)
        numbers = self._of_place[places]
        new = np.flatnonzero(numbers < 0)
        if new.size:
            numbers[new] = self._each(rows[new])
            self._of_place[places[new]] = numbers[new]
        return numbers

    def _number(self, row: FloatArray) -> int:
        new = len(self)
        number = self._numbers.setdefault(row.tobytes(), new)
        if number == new:
            if new == len(self._rows):
                self._rows = _grown(self._rows, len(row))
            self._rows[new] = row
        return number


def _grown(rows: FloatArray, width: int) -> FloatArray:
    grown = np.zeros((max(64, 2 * len(rows)), width), dtype=np.float32)
    grown[: len(rows)] = rows.reshape(len(rows), width)
    return grown
