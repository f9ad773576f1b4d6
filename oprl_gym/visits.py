"""Whether an episode was at an observation before: what its first visits are.

A teacher may count what an episode has seen, and an episode sees a thing once: the
second look adds nothing. A reward model that is shown the observation alone would have
to pay for both alike. Everything that scores or keeps steps asks here, and so agrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oprl_gym.one_hot import FEW, one_hot_places

_LONG = 256
"""Bytes beyond which an observation is known by a digest: pictures fill the memory."""

MOST = 2**17
"""Observations that are remembered of an episode, which may never end: every visit of
another one is then a first one."""

MOST_PLACES = 4096
"""Columns of one-hot observations that are remembered by where their 1 is."""


def keys(observations: NDArray[Any]) -> list[bytes]:
    """Return a key for each of (n, ...) observations, equal if they are to the bit."""
    whole = np.ascontiguousarray(observations).reshape(len(observations), -1)
    if not whole.size:
        return [b""] * len(whole)
    rows: list[bytes] = whole.view(f"V{whole[0].nbytes}")[:, 0].tolist()
    if len(rows[0]) > _LONG:
        return [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
    return rows


def pack_keys(keys: Iterable[bytes]) -> dict[str, NDArray[Any]]:
    """Return keys as arrays, to be saved.

    They may differ in length: an env that gives fractions in a space of integers makes
    floats of what it gave before.

    Example:
        >>> pack_keys([b"ab", b"c"])["lengths"].tolist()
        [2, 1]
    """
    keys = list(keys)
    return {
        "bytes": np.frombuffer(b"".join(keys), dtype=np.uint8),
        "lengths": np.array([len(key) for key in keys], dtype=np.int64),
    }


def unpack_keys(packed: dict[str, NDArray[Any]]) -> list[bytes]:
    """Return the keys that :func:`pack_keys` was given.

    Raises:
        ValueError: It is something else.
    """
    if packed.keys() != {"bytes", "lengths"}:
        raise ValueError("keys are saved as bytes and lengths")
    lengths, whole = packed["lengths"], packed["bytes"].tobytes()
    if (lengths < 0).any() or lengths.sum() != len(whole):
        raise ValueError(f"{len(whole)} bytes of keys, not {lengths.sum()}")
    ends = np.cumsum(lengths).tolist()
    return [whole[end - n : end] for n, end in zip(lengths.tolist(), ends, strict=True)]


def first_visits(observations: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (n,) whether each of the (n, ...) observations of an episode is new in it.

    Example:
        >>> first_visits(np.array([[0.0], [1.0], [0.0], [2.0]]))
        array([ True,  True, False,  True])
    """
    seen: set[bytes] = set()
    return np.array([_is_new(key, seen) for key in keys(observations)], dtype=np.bool_)


class VisitTracker:
    """Tells the same step by step, of N envs.

    Args:
        num_envs: N.

    Example:
        >>> tracker = VisitTracker(num_envs=2)
        >>> tracker.begin(np.array([[0.0], [5.0]]))
        >>> tracker.step(np.array([[1.0], [5.0]]))
        array([ True, False])
        >>> tracker.latest
        array([ True, False])
    """

    def __init__(self, num_envs: int) -> None:
        self._all = np.arange(num_envs)
        few = num_envs < FEW
        self._been: _Keys | _Places = _Keys.none(num_envs) if few else _Places(num_envs)
        self.latest: NDArray[np.bool_] = np.ones(num_envs, dtype=np.bool_)
        """(N,) whether the observation that each env is at was new when it came."""

    def begin(
        self, observations: NDArray[Any], mask: NDArray[np.bool_] | None = None
    ) -> None:
        """Start new episodes at (N, ...) observations, where ``mask`` (N,) holds."""
        envs = self._all if mask is None else np.flatnonzero(mask)
        self.latest = self.latest.copy()  # what was said of the last step stays said
        self.latest[envs] = True
        self._been.forget(envs)
        self._note(envs, observations[envs])

    def step(self, reached: NDArray[Any]) -> NDArray[np.bool_]:
        """Note the (N, ...) observations reached; returns (N,) which are new."""
        self.latest = self._note(self._all, reached)
        return self.latest

    def resume(self, env: int, observations: NDArray[Any]) -> None:
        """Go on in an episode that has had (t + 1, ...) observations so far."""
        self.latest[env] = first_visits(observations)[-1]
        envs = np.full(len(observations), env)
        self._been.forget(envs)
        self._note(envs, observations)

    def state(self) -> list[dict[str, NDArray[Any]]]:
        """Return the keys of what each episode has seen, packed, an env each."""
        return [pack_keys(sorted(seen)) for seen in self._been.sets()]

    def load_state(self, state: list[dict[str, NDArray[Any]]]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is that of other envs.
        """
        if len(state) != len(self._all):
            raise ValueError(f"visits of {len(state)} envs, here {len(self._all)}")
        self._been = _Keys([set(unpack_keys(packed)) for packed in state])

    def _note(
        self, envs: NDArray[np.intp], observations: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Note n observations, of an env each; returns (n,) which are new in it."""
        new = self._been.note(envs, observations)
        if new is None:  # not one-hot, or no longer
            self._been = _Keys(self._been.sets())
            new = self._been.note(envs, observations)
        return new


class _Keys:
    """Where N envs have been, by keys: whatever their observations are.

    Args:
        sets: N, of what each has seen.
    """

    def __init__(self, sets: list[set[bytes]]) -> None:
        self._sets = sets

    @classmethod
    def none(cls, num_envs: int) -> _Keys:
        """Return that of envs that have not been anywhere."""
        return cls([set() for _ in range(num_envs)])

    def forget(self, envs: NDArray[np.intp]) -> None:
        for env in envs.tolist():
            self._sets[env] = set()

    def note(
        self, envs: NDArray[np.intp], observations: NDArray[Any]
    ) -> NDArray[np.bool_]:
        pairs = zip(envs.tolist(), keys(observations), strict=True)
        new = [_is_new(key, self._sets[env]) for env, key in pairs]
        return np.array(new, dtype=np.bool_)

    def sets(self) -> list[set[bytes]]:
        return self._sets


class _Places:
    """Where N envs have been, as long as all their observations are one-hot.

    Args:
        num_envs: N.
    """

    def __init__(self, num_envs: int) -> None:
        self._been = np.zeros((num_envs, 0), dtype=np.bool_)  # (N, d)
        self._dtype: np.dtype[Any] | None = None  # until the first are noted

    def forget(self, envs: NDArray[np.intp]) -> None:
        self._been[envs] = False

    def note(
        self, envs: NDArray[np.intp], observations: NDArray[Any]
    ) -> NDArray[np.bool_] | None:
        """Return the same; None, with nothing noted, if they are not of that kind."""
        rows = observations.reshape(len(observations), -1)
        if self._dtype is None and rows.shape[1] <= MOST_PLACES:
            self._dtype = rows.dtype
            self._been = np.zeros((len(self._been), rows.shape[1]), dtype=np.bool_)
        alike = rows.dtype == self._dtype and rows.shape[1] == self._been.shape[1]
        places = one_hot_places(rows) if alike else None
        if places is None:
            return None
        new: NDArray[np.bool_] = ~self._been[envs, places]
        self._been[envs, places] = True
        return new

    def sets(self) -> list[set[bytes]]:
        """Return the keys of what each env has seen."""
        if self._dtype is None:  # nothing yet, or what is too long for this
            return [set() for _ in self._been]
        key = keys(np.eye(self._been.shape[1], dtype=self._dtype))
        return [{key[place] for place in np.flatnonzero(been)} for been in self._been]


def _is_new(key: bytes, seen: set[bytes]) -> bool:
    if key in seen:
        return False
    if len(seen) < MOST:
        seen.add(key)
    return True
