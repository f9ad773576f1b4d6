"""Steps of N envs in, finished episodes out."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from oprl_gym.episodes.arrays import pack_trajectories, unpack_trajectories
from oprl_gym.types import Array, BoolArray, FloatArray, Trajectory

LONGEST = 100_000
"""Steps after which an episode that does not end is recorded no further."""

MOST_BYTES = 2**28
"""What an episode may take before that: pictures fill the memory sooner."""

NONE_YET = 4096
"""Steps of an episode after which it is said if none has ended so far."""


class _Steps(NamedTuple):
    """T steps of one env; the observations are those that they started from."""

    observations: Array  # (T, ...)
    actions: Array  # (T, ...)
    env_rewards: FloatArray  # (T,)
    process_rewards: FloatArray  # (T,)


class EpisodeRecorder:
    """Records N envs that step together and cuts their stream into episodes.

    Rows of a step lie side by side in buffers of shape (rows, N, ...), so that a step
    costs one copy per buffer whatever N is; an episode is cut out when it ends. Of one
    that lasts much longer than those beside it the rows are moved out, so that they do
    not hold on to those of all envs. One that does not end in 100,000 steps or 256 MiB
    is given up, with one warning.
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
        self._given_up: set[int] = set()  # envs whose episode was too long
        self._some_ended = False
        self._finished: deque[Trajectory] = deque(maxlen=max_episodes)
        self._warned = False
        self._warned_of_endless = False
        self._row = 0  # where the next step is written
        self._start = np.zeros(num_envs, dtype=np.int64)  # first row of each episode
        self._moved_out: dict[int, list[_Steps]] = {}  # what came before that row
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
        for env in np.arange(self.num_envs)[where].tolist():
            self.over.discard(env)
            self._given_up.discard(env)
            self._moved_out.pop(env, None)

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

    @property
    def waiting(self) -> int:
        """How many finished episodes there are to be popped."""
        return len(self._finished)

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
        return [
            self._whole("observations", env, rows[start:, env])
            for env, start in enumerate(self._start)
        ]

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
            "moved_out": [
                {"env": env, **part._asdict()}
                for env, parts in self._moved_out.items()
                for part in parts
            ],
            "over": sorted(self.over),
            "given_up": sorted(self._given_up),
            "some_ended": self._some_ended,
        }

    def _load_running(self, running: dict[str, Any]) -> None:
        steps = len(running["actions"])
        self._check_running(running, steps)
        capacity = max(128, 2 * steps)
        keep = slice(None)
        self._observations = _moved(running["observations"], keep, capacity)
        self._actions = _moved(running["actions"], keep, capacity)
        self._env_rewards = _moved(running["env_rewards"], keep, capacity)
        self._process_rewards = _moved(running["process_rewards"], keep, capacity)
        self._start = running["start"].copy()
        self._moved_out = {}
        for part in running["moved_out"]:
            steps_of = _Steps(*(part[name] for name in _Steps._fields))
            self._moved_out.setdefault(part["env"], []).append(steps_of)
        self.over = set(running["over"])
        self._given_up = set(running["given_up"])
        self._some_ended = running["some_ended"]
        self._row = steps

    def _check_running(self, running: dict[str, Any], steps: int) -> None:
        """Check that saved buffers are of as many envs, and of T steps."""
        envs = self.num_envs
        rows = {"observations": steps + 1, "env_rewards": steps, "actions": steps}
        for name, wanted in (rows | {"process_rewards": steps}).items():
            if running[name].shape[:2] != (wanted, envs):
                raise ValueError(f"the {name} going on are not of {envs} envs")
        start, idle = running["start"], {*running["over"], *running["given_up"]}
        if start.shape != (envs,) or not ((start >= 0) & (start <= steps)).all():
            raise ValueError("the episodes going on begin where there are no steps")
        if not idle <= set(range(envs)):
            raise ValueError(f"an episode is over in an env that is none of {envs}")

    def _finish(self, env: int, terminated: bool) -> None:
        assert self._observations is not None
        self.over.add(env)
        self._some_ended = True
        if env in self._given_up:
            return
        if len(self._finished) == self._finished.maxlen and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._finished.maxlen} finished episodes wait to be learned from "
                "and the oldest are now dropped: pass callback=OPRLCallback() to "
                "learn(), or call pop_episodes() yourself",
                stacklevel=2,
            )
        first, last = int(self._start[env]), self._row
        here = self._steps(env, last + 1)
        self._finished.append(
            Trajectory(
                self._whole(
                    "observations", env, self._observations[first : last + 2, env]
                ),
                self._whole("actions", env, here.actions),
                self._whole("env_rewards", env, here.env_rewards),
                self._whole("process_rewards", env, here.process_rewards),
                terminated=terminated,
            )
        )
        self._moved_out.pop(env, None)

    def _steps(self, env: int, stop: int) -> _Steps:
        """Return what the buffers hold of an env's episode, up to a row; no copies."""
        assert self._observations is not None
        assert self._actions is not None
        rows = slice(int(self._start[env]), stop)
        return _Steps(
            self._observations[rows, env],
            self._actions[rows, env],
            self._env_rewards[rows, env],
            self._process_rewards[rows, env],
        )

    def _whole(self, name: str, env: int, last: Array) -> Array:
        """Return a copy of the rows given, after those of the episode moved out."""
        earlier = [getattr(part, name) for part in self._moved_out.get(env, ())]
        return np.concatenate([*earlier, last])

    def _make_room(self) -> None:
        """Drop rows no unfinished episode needs; grow if that frees too little."""
        assert self._observations is not None
        assert self._actions is not None
        self._give_up_the_endless()
        self._start[list(self.over | self._given_up)] = self._row
        if self._grows():
            self._move_out_the_long()
        keep = slice(int(self._start.min()), self._row + 1)
        grow = self._grows()
        self._observations = _shifted(self._observations, keep, grow)
        self._actions = _shifted(self._actions, keep, grow)
        self._env_rewards = _shifted(self._env_rewards, keep, grow)
        self._process_rewards = _shifted(self._process_rewards, keep, grow)
        self._row -= keep.start
        self._start -= keep.start

    def _grows(self) -> bool:
        """Return whether the buffers are to grow, as too few rows can be dropped."""
        assert self._observations is not None
        kept = self._row + 1 - int(self._start.min())
        return 2 * kept > len(self._observations)

    def _move_out_the_long(self) -> None:
        """Move out the longest episodes if most of the rows kept are of no episode."""
        lengths = self._row - self._start
        longest = int(lengths.max())
        if 4 * int(lengths.sum()) >= self.num_envs * longest:
            return
        for env in np.flatnonzero(2 * lengths > longest).tolist():
            copies = _Steps(*(part.copy() for part in self._steps(env, self._row)))
            self._moved_out.setdefault(env, []).append(copies)
            self._start[env] = self._row

    def _give_up_the_endless(self) -> None:
        """Record no more of episodes that are too long, and say so once."""
        lengths = self._row + 1 - self._start
        for env, parts in self._moved_out.items():
            lengths[env] += sum(len(part.actions) for part in parts)
        lengths[list(self.over | self._given_up)] = 0
        endless = np.flatnonzero(lengths > self._longest()).tolist()
        for env in endless:
            self._given_up.add(env)
            self._moved_out.pop(env, None)
        longest = int(lengths.max())
        none_yet = longest >= NONE_YET and not self._some_ended
        if (endless or none_yet) and not self._warned_of_endless:
            self._warned_of_endless = True
            warnings.warn(
                f"an episode has not ended in {longest:,} steps, and nothing is "
                "learned from one before it ends: if the env never ends by itself, cut "
                "it off inside the reward wrapper, as in "
                "ProcessRewardWrapper(TimeLimit(env, max_episode_steps=1000))",
                stacklevel=2,
            )

    def _longest(self) -> int:
        """Return how many steps an episode may have."""
        assert self._observations is not None
        assert self._actions is not None
        bytes_of_step = self._observations[0, 0].nbytes + self._actions[0, 0].nbytes
        return min(LONGEST, MOST_BYTES // max(1, bytes_of_step))


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
