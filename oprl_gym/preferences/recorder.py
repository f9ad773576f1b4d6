"""Steps of N envs in, finished episodes out."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any

import numpy as np

from oprl_gym.preferences.snapshot import pack_trajectories, unpack_trajectories
from oprl_gym.types import Array, BoolArray, FloatArray, Trajectory


class EpisodeRecorder:
    """Records N envs that step together and cuts their stream into episodes.

    Rows of a step lie side by side in buffers of shape (rows, N, ...), so that a step
    costs one copy per buffer whatever N is; an episode is cut out when it ends.
    Everything is copied: the caller may reuse its arrays.

    Args:
        num_envs: N.
        max_episodes: Finished episodes kept until :meth:`pop`; beyond that the oldest
            are dropped, with one warning. None takes 1000, or 10 for each env if that
            is more.

    Attributes:
        over: Envs in which no episode is going on: none has begun since the last end.
            Their steps are no part of any.
    """

    def __init__(self, num_envs: int, max_episodes: int | None = None) -> None:
        if max_episodes is None:
            max_episodes = max(1000, 10 * num_envs)
        self.num_envs = num_envs
        self.over = set(range(num_envs))
        self._finished: deque[Trajectory] = deque(maxlen=max_episodes)
        self._warned = False
        self._row = 0  # where the next step is written
        self._start = np.zeros(num_envs, dtype=np.int64)  # first row of each episode
        self._observations: Array | None = None
        self._actions: Array | None = None
        self._env_rewards = np.zeros((0, num_envs))
        self._process_rewards = np.zeros((0, num_envs))

    def begin(self, observations: Array, mask: BoolArray | None = None) -> None:
        """Start new episodes, in the envs where ``mask`` holds or in all of them.

        Args:
            observations: (N, ...) observations; only rows of the mask are read.
            mask: (N,) bool.

        What was recorded of an unfinished episode in those envs is discarded.
        """
        if self._observations is None:
            self._observations = _rows(128, observations)
        where = slice(None) if mask is None else mask
        self._observations = _holding(self._observations, observations)
        self._observations[self._row, where] = observations[where]
        self._start[where] = self._row
        if self.over:
            envs = np.arange(self.num_envs)[where]
            self.over.difference_update(envs.tolist())

    def current(self) -> Array:
        """Return the (N, ...) observations that the next step starts from."""
        if self._observations is None:
            raise RuntimeError("step recorded before begin")
        return self._observations[self._row]

    def step(
        self,
        actions: Array,
        env_rewards: FloatArray,
        process_rewards: FloatArray,
        next_observations: Array,
        terminated: BoolArray,
        truncated: BoolArray,
    ) -> None:
        """Record one step of all N envs; every argument has a leading N axis.

        Args:
            actions: (N, ...) actions taken.
            env_rewards: (N,) what the env paid.
            process_rewards: (N,) the learned reward, unscaled.
            next_observations: (N, ...) observations after the step; where an episode
                ended, its terminal observation.
            terminated: (N,) the env ended the episode.
            truncated: (N,) the episode was cut off.

        After an end, :meth:`begin` starts that env's next episode.
        """
        if self._observations is None:
            raise RuntimeError("step recorded before begin")
        if self._actions is None:
            capacity = len(self._observations)
            self._actions = _rows(capacity, actions)
            self._env_rewards = np.zeros((capacity, self.num_envs))
            self._process_rewards = np.zeros((capacity, self.num_envs))
        if self._row + 2 > len(self._observations):
            self._make_room()
        row = self._row
        self._actions = _holding(self._actions, actions)
        self._observations = _holding(self._observations, next_observations)
        self._actions[row] = actions
        self._env_rewards[row] = env_rewards
        self._process_rewards[row] = process_rewards
        self._observations[row + 1] = next_observations
        for env in (terminated | truncated).nonzero()[0].tolist():
            if env not in self.over:
                self._finish(env, bool(terminated[env]))
        self._row = row + 1

    def pop(self) -> list[Trajectory]:
        """Return the episodes finished since the last call, oldest first."""
        episodes = list(self._finished)
        self._finished.clear()
        return episodes

    def running(self) -> list[Array]:
        """Return the (t + 1, ...) observations of each env's episode so far."""
        if self._observations is None:
            return []
        rows = self._observations[: self._row + 1]
        return [rows[start:, env] for env, start in enumerate(self._start)]

    def state(self) -> dict[str, Any]:
        """Return the finished episodes and what there is of the unfinished ones."""
        return {
            "finished": pack_trajectories(list(self._finished)),
            "running": self._running(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned, in the middle of the episodes."""
        self._finished.clear()
        self._finished.extend(unpack_trajectories(state["finished"]))
        if state["running"]:
            self._load_running(state["running"])

    def _running(self) -> dict[str, Any]:
        if self._observations is None or self._actions is None:
            return {}
        first = int(self._start.min())
        return {
            "observations": self._observations[first : self._row + 1].copy(),
            "actions": self._actions[first : self._row].copy(),
            "env_rewards": self._env_rewards[first : self._row].copy(),
            "process_rewards": self._process_rewards[first : self._row].copy(),
            "start": self._start - first,
            "over": sorted(self.over),
        }

    def _load_running(self, running: dict[str, Any]) -> None:
        steps = len(running["actions"])
        capacity = max(128, 2 * steps)
        keep = slice(None)
        self._observations = _moved(running["observations"], keep, capacity)
        self._actions = _moved(running["actions"], keep, capacity)
        self._env_rewards = _moved(running["env_rewards"], keep, capacity)
        self._process_rewards = _moved(running["process_rewards"], keep, capacity)
        self._start = running["start"].copy()
        self.over = set(running["over"])
        self._row = steps

    def _finish(self, env: int, terminated: bool) -> None:
        assert self._observations is not None
        assert self._actions is not None
        self.over.add(env)
        first, last = int(self._start[env]), self._row
        steps = slice(first, last + 1)
        if len(self._finished) == self._finished.maxlen and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._finished.maxlen} finished episodes wait to be learned from "
                "and the oldest are now dropped: pass callback=OPRLCallback() to "
                "learn(), or call pop_episodes() yourself",
                stacklevel=2,
            )
        self._finished.append(
            Trajectory(
                observations=self._observations[first : last + 2, env].copy(),
                actions=self._actions[steps, env].copy(),
                env_rewards=self._env_rewards[steps, env].copy(),
                process_rewards=self._process_rewards[steps, env].copy(),
                terminated=terminated,
            )
        )

    def _make_room(self) -> None:
        """Drop rows no unfinished episode needs; grow if that frees too little."""
        assert self._observations is not None
        assert self._actions is not None
        first = int(self._start.min())
        keep = slice(first, self._row + 1)
        # At least half of all rows are dropped if the buffers are not to grow.
        grow = 2 * (self._row + 1 - first) > len(self._observations)
        self._observations = _shifted(self._observations, keep, grow)
        self._actions = _shifted(self._actions, keep, grow)
        self._env_rewards = _shifted(self._env_rewards, keep, grow)
        self._process_rewards = _shifted(self._process_rewards, keep, grow)
        self._row -= first
        self._start -= first


def _rows(capacity: int, like: Array) -> Array:
    return np.zeros((capacity, *like.shape), dtype=like.dtype)


def _holding(buffer: Array, values: Array) -> Array:
    """Return a buffer in a dtype that also holds values, itself if it is in one."""
    if values.dtype == buffer.dtype:
        return buffer
    dtype = np.promote_types(buffer.dtype, values.dtype)
    return buffer.astype(dtype, copy=False)


def _shifted(buffer: Array, keep: slice, grow: bool) -> Array:
    """Return a buffer that begins with the rows kept, in its own memory if it can."""
    if grow:
        return _moved(buffer, keep, 2 * len(buffer))
    buffer[: keep.stop - keep.start] = buffer[keep]
    return buffer


def _moved(buffer: Array, keep: slice, capacity: int) -> Array:
    moved = np.zeros((capacity, *buffer.shape[1:]), dtype=buffer.dtype)
    kept = buffer[keep]
    moved[: len(kept)] = kept
    return moved
