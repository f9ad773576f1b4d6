"""Whether an episode was at an observation before: what its first visits are.

A teacher may count what an episode has seen, and an episode sees a thing once: the
second look adds nothing. A reward model that is shown the observation alone would have
to pay for both alike. Everything that scores or keeps steps asks here, and so agrees.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONG = 256
"""Bytes beyond which an observation is known by a digest: pictures fill the memory."""

MOST = 2**17
"""Observations that are remembered of an episode, which may never end: every visit of
another one is then a first one."""


def keys(observations: NDArray[Any]) -> list[bytes]:
    """Return a key for each of (n, ...) observations, equal if they are to the bit."""
    whole = np.ascontiguousarray(observations).reshape(len(observations), -1)
    if not whole.size:
        return [b""] * len(whole)
    rows: list[bytes] = whole.view(f"V{whole[0].nbytes}")[:, 0].tolist()
    if len(rows[0]) > _LONG:
        return [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
    return rows


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
        self._seen: list[set[bytes]] = [set() for _ in range(num_envs)]
        self.latest: NDArray[np.bool_] = np.ones(num_envs, dtype=np.bool_)
        """(N,) whether the observation that each env is at was new when it came."""

    def begin(
        self, observations: NDArray[Any], mask: NDArray[np.bool_] | None = None
    ) -> None:
        """Start new episodes at (N, ...) observations, where ``mask`` (N,) holds."""
        envs = range(len(self._seen)) if mask is None else np.flatnonzero(mask).tolist()
        self.latest = self.latest.copy()  # what was said of the last step stays said
        for env, key in zip(envs, keys(observations[list(envs)]), strict=True):
            self._seen[env] = {key}
            self.latest[env] = True

    def step(self, reached: NDArray[Any]) -> NDArray[np.bool_]:
        """Note the (N, ...) observations reached; returns (N,) which are new."""
        new = [
            _is_new(key, seen)
            for key, seen in zip(keys(reached), self._seen, strict=True)
        ]
        self.latest = np.array(new, dtype=np.bool_)
        return self.latest

    def resume(self, env: int, observations: NDArray[Any]) -> None:
        """Go on in an episode that has had (t + 1, ...) observations so far."""
        self.latest[env] = first_visits(observations)[-1]
        self._seen[env] = set(keys(observations))

    def state(self) -> list[NDArray[np.uint8]]:
        """Return the keys of what each episode has seen, (n, L) bytes an env."""
        return [
            np.frombuffer(b"".join(sorted(seen)), dtype=np.uint8).reshape(len(seen), -1)
            for seen in self._seen
        ]

    def load_state(self, state: list[NDArray[np.uint8]]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is that of other envs.
        """
        if len(state) != len(self._seen):
            raise ValueError(f"visits of {len(state)} envs, here {len(self._seen)}")
        self._seen = [{row.tobytes() for row in rows} for rows in state]


def _is_new(key: bytes, seen: set[bytes]) -> bool:
    if key in seen:
        return False
    if len(seen) < MOST:
        seen.add(key)
    return True
