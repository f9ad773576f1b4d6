"""What is exactly known about a maze: distances, a shortest path, the odds of luck.

For tests, plots and reference curves. No agent may look at it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oprl_gym.envs.dynamics import NUM_ACTIONS, steps_from, transition_table
from oprl_gym.envs.layouts import Layout


def distance_to_goal(layout: Layout) -> NDArray[np.float64]:
    """Return the fewest moves from every cell to the goal.

    Returns:
        (H, W) float64, in moves; ``inf`` at walls and in cells cut off from the goal.
    """
    table = transition_table(layout.walls)
    return steps_from(table, layout.state(layout.goal)).reshape(layout.shape)


def shortest_path(layout: Layout) -> list[tuple[int, int]]:
    """Return one shortest path.

    Returns:
        The (row, col) cells from the start to the goal, both included. Where several
        paths are equally short, the action with the lower number is taken.
    """
    cells = layout.cells()
    next_states = transition_table(layout.walls).reshape(-1, NUM_ACTIONS)
    distance = distance_to_goal(layout).ravel()
    path = [layout.state(layout.start)]
    while distance[path[-1]] > 0:
        neighbours = next_states[path[-1]]
        path.append(int(neighbours[np.argmin(distance[neighbours])]))
    return [cells[state] for state in path]


def random_success_probability(layout: Layout, max_episode_steps: int) -> float:
    """Return the exact chance that uniformly random actions reach the goal in time.

    Args:
        layout: the maze.
        max_episode_steps: steps in an episode; a success with the last one counts.

    Returns:
        A probability, 0 to 1.
    """
    table = transition_table(layout.walls)
    goal = layout.state(layout.goal)
    probability: NDArray[Any] = np.zeros(layout.num_states)
    probability[layout.state(layout.start)] = 1.0
    arrived = 0.0
    for _ in range(max_episode_steps):
        share = np.repeat(probability / NUM_ACTIONS, NUM_ACTIONS)
        probability = np.bincount(table, weights=share, minlength=layout.num_states)
        arrived += float(probability[goal])
        probability[goal] = 0.0
    return arrived
