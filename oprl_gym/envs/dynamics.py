"""How an agent moves in a grid: the one transition table behind every maze env.

Nothing else in the library moves an agent, so the scalar env, the two batched envs and
the oracle cannot disagree. States are numbered row by row, ``state = row * W + col``;
S = H * W of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_ACTIONS = 4
"""0 up, 1 right, 2 down, 3 left."""

GOAL_REWARD = 10.0
"""The only reward of a maze, paid on the step that reaches the goal."""

_ROW_AND_COL_CHANGES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def transition_table(walls: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each action leads from each state.

    Args:
        walls: (H, W) bool, True where no agent can stand.

    Returns:
        (S * 4,) int64: entry ``state * 4 + action`` is the next state. A move against
        a wall or the edge stays, and every action taken inside a wall stays.
    """
    height, width = walls.shape
    rows, cols = np.divmod(np.arange(walls.size), width)
    table = np.empty((walls.size, NUM_ACTIONS), dtype=np.int64)
    for action, (row_change, col_change) in enumerate(_ROW_AND_COL_CHANGES):
        new_rows = np.clip(rows + row_change, 0, height - 1)
        new_cols = np.clip(cols + col_change, 0, width - 1)
        blocked = walls[rows, cols] | walls[new_rows, new_cols]
        stay = rows * width + cols
        table[:, action] = np.where(blocked, stay, new_rows * width + new_cols)
    return table.ravel()


def steps_from(table: NDArray[np.int64], state: int) -> NDArray[np.float64]:
    """Return the fewest moves from one state to every state.

    Every move in a maze can be undone, so these are also the moves *to* ``state``.

    Args:
        table: (S * 4,) int64 from `transition_table`.
        state: where to start, 0 to S - 1.

    Returns:
        (S,) float64, in moves; ``inf`` where no path leads.
    """
    next_states = table.reshape(-1, NUM_ACTIONS)
    steps = np.full(len(next_states), np.inf)
    frontier = np.array([state])
    distance = 0
    while frontier.size:
        steps[frontier] = distance
        reached = np.unique(next_states[frontier])
        frontier = reached[np.isinf(steps[reached])]
        distance += 1
    return steps


@lru_cache(maxsize=8)
def one_hot_rows(num_states: int) -> NDArray[np.float32]:
    """Return the observation of every state.

    Args:
        num_states: S.

    Returns:
        (S, S) float32 identity. Shared between envs and therefore read-only: take
        copies of its rows.
    """
    rows = np.eye(num_states, dtype=np.float32)
    rows.flags.writeable = False
    return rows


def not_a_move(action: Any) -> ValueError:
    """Return the error for an action that is none of the four integers."""
    return ValueError(
        f"action {action!r} of type {type(action).__name__} is not a move; use an "
        "integer: 0 up, 1 right, 2 down, 3 left"
    )
