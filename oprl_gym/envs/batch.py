"""N copies of one maze, moved together: the core of both batched envs."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from oprl_gym.envs.checks import NO_LIMIT, checked_int
from oprl_gym.envs.dynamics import (
    GOAL_REWARD,
    NUM_ACTIONS,
    one_hot_rows,
    transition_table,
)
from oprl_gym.envs.layouts import Layout
from oprl_gym.envs.rendering import as_heat, cell_size, render_rgb

BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]

NOBODY: IndexArray = np.empty(0, dtype=np.intp)


Outcome = tuple[NDArray[np.float64], BoolArray, BoolArray, IndexArray]
"""One step of N envs, in new arrays: (N,) rewards, 0 or 10; (N,) terminated and (N,)
truncated; and the indices of the envs that are one or both."""


class MazeBatch:
    """The states of N mazes with the same layout. Who resets what is left to its owner.

    Args:
        layout: the maze.
        num_envs: N, 1 or more.
        limit: steps in an episode, -1 for no limit.
        keep_trails: remember the cells of the running episodes, for `frames`.

    Raises:
        ValueError: ``num_envs`` is not a positive integer.
    """

    def __init__(
        self, layout: Layout, num_envs: int, limit: int, keep_trails: bool = False
    ) -> None:
        self.layout = layout
        self.num_envs = checked_int("num_envs", num_envs, minimum=1)
        self.cells = layout.cells()
        self._limit = limit
        self._observations = one_hot_rows(layout.num_states)
        self._positions = np.array(self.cells, dtype=np.int64)
        self._start = layout.state(layout.start)

        # What a move does is looked up at its offset plus the action. After those of
        # the states comes one more offset, from which every move leads to the start.
        # Single numbers are arrays where NumPy reads them: it is twice as fast.
        self._back = np.array(layout.num_states * NUM_ACTIONS)
        to_start = np.full(NUM_ACTIONS, self._start)
        self._next_state = np.append(transition_table(layout.walls), to_start)
        self._next_offset = self._next_state * NUM_ACTIONS
        wins = self._next_state == layout.state(layout.goal)
        self._rewards = np.where(wins, GOAL_REWARD, 0.0)

        self._states = np.full(self.num_envs, self._start, dtype=np.int64)
        self._offsets = self._states * NUM_ACTIONS
        # Limits are times on one common clock. `_due` holds those that anybody was
        # ever given, so that most steps of few envs need not look at each.
        self._clock = 0
        self._deadlines = np.zeros(self.num_envs, dtype=np.int64)
        self._due: dict[int, NDArray[np.int64]] = {}
        self._begun = False
        self._trails: list[list[tuple[int, int]]] | None = (
            [[] for _ in range(self.num_envs)] if keep_trails else None
        )
        self._heats: list[NDArray[np.float64] | None] = [None] * self.num_envs

    @property
    def begun(self) -> bool:
        """Whether `restart` was ever called."""
        return self._begun

    @property
    def states(self) -> NDArray[np.int64]:
        """(N,) int64 state numbers; not to be written to."""
        return self._states

    def restart(self, which: IndexArray) -> None:
        """Put envs back to the start.

        Args:
            which: (K,) indices of the envs.
        """
        self._begun = True
        self._states[which] = self._start
        self._offsets[which] = self._start * NUM_ACTIONS
        self._limit_episodes(which, self._clock)
        if self._trails is not None:
            for index in which:
                self._trails[index] = [self.layout.start]

    def restart_next(self, which: IndexArray) -> None:
        """Let the next move of some envs lead back to the start, whatever it is.

        Args:
            which: (K,) indices of the envs.
        """
        self._offsets[which] = self._back
        self._limit_episodes(which, self._clock + 1)

    def advance(self, actions: Any) -> Outcome:
        """Move every agent once.

        Args:
            actions: (N,) integers, 0 to 3.

        Returns:
            An `Outcome`.

        Raises:
            ResetNeeded: `restart` was never called.
            ValueError: the actions have another shape, type or range.
        """
        if not self._begun:
            raise ResetNeeded("no episode is running; call reset() before step()")
        moves = self._offsets + checked_actions(actions, self.num_envs)
        clock = self._clock = self._clock + 1
        self._states = self._next_state[moves]
        self._offsets = self._next_offset[moves]
        if self._trails is not None:
            self._extend_trails(self._trails, moves)
        rewards = self._rewards[moves]
        terminated = rewards.astype(np.bool_)  # at the goal, and nowhere else
        deadline = self._due.pop(clock, None)
        if deadline is not None:
            truncated = self._deadlines == deadline
        else:
            truncated = np.zeros(self.num_envs, dtype=np.bool_)
            if not np.count_nonzero(terminated):
                return rewards, terminated, truncated, NOBODY
        ended = (terminated | truncated).nonzero()[0]
        return rewards, terminated, truncated, ended

    def observations(self) -> NDArray[np.float32]:
        """Return a new (N, S) float32 array of one-hot rows."""
        return self._observations.take(self._states, axis=0)

    def positions(self) -> NDArray[np.int64]:
        """Return a new (N, 2) int64 array of (row, col)."""
        return self._positions.take(self._states, axis=0)

    def set_heat(self, values: ArrayLike | None, index: int) -> None:
        """Choose the (H, W) numbers drawn as colours under one env; None for none."""
        self._heats[index] = as_heat(values, self.layout.shape)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return the (height, width, 3) uint8 picture of one env.

        Raises:
            ResetNeeded: `restart` was never called.
        """
        if self._trails is None or not self._begun:
            raise ResetNeeded("there is nothing to draw; call reset() before render()")
        return render_rgb(
            self.layout,
            self.cells[self._states[index]],
            self._trails[index],
            heat=self._heats[index],
            cell=cell_size(self.layout),
        )

    def _limit_episodes(self, which: IndexArray, begin: int) -> None:
        if self._limit != NO_LIMIT:
            deadline = begin + self._limit
            self._due[deadline] = np.array(deadline, dtype=np.int64)
            self._deadlines[which] = self._due[deadline]

    def _extend_trails(
        self, trails: list[list[tuple[int, int]]], moves: IndexArray
    ) -> None:
        begins = (moves >= self._back).tolist()
        for trail, state, new in zip(
            trails, self._states.tolist(), begins, strict=True
        ):
            if new:
                trail.clear()
            trail.append(self.cells[state])


def checked_actions(actions: Any, num_envs: int) -> NDArray[np.integer[Any]]:
    """Return a batch of actions as an array.

    Args:
        actions: (N,) integers, 0 to 3; a list will do.
        num_envs: N.

    Raises:
        ValueError: the actions have another shape, type or range.
    """
    batch: NDArray[Any] = np.asarray(actions)
    if batch.shape != (num_envs,):
        raise ValueError(
            f"the actions have shape {batch.shape}; give {num_envs}, one for each env"
        )
    kind = batch.dtype.kind
    if kind not in "iu":
        raise ValueError(
            f"the actions have dtype {batch.dtype}, the first is {batch[0]!r} for "
            "env 0; give integers: 0 up, 1 right, 2 down, 3 left"
        )
    # Twice `argmax` and an element is several times faster than `max` of few numbers.
    lowest, highest = batch.item(batch.argmin()), batch.item(batch.argmax())
    if lowest < 0 or highest >= NUM_ACTIONS:
        index = int(np.argmax((batch < 0) | (batch >= NUM_ACTIONS)))
        raise ValueError(
            f"action {batch[index]} for env {index} is not a move; use an integer: "
            "0 up, 1 right, 2 down, 3 left"
        )
    # int64 + uint64 is float64 to NumPy.
    return batch if kind == "i" else batch.astype(np.int64)
