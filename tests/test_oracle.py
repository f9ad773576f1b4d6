from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from support.strategies import layouts

from oprl_gym.envs.dynamics import transition_table
from oprl_gym.envs.layouts import Layout, default_layout, parse_layout
from oprl_gym.envs.oracle import (
    distance_to_goal,
    random_success_probability,
    shortest_path,
)
from oprl_gym.envs.registration import ENV_IDS

LADDER = [
    ("OPRLMaze-v0", 60, 14, 3.7e-2),
    ("OPRLMaze-OneWall-v0", 60, 14, 1.7e-2),
    ("OPRLMaze-TwoWalls-v0", 60, 20, 2.9e-4),
    ("OPRLMaze-TwoWallsLong-v0", 60, 24, 2.1e-5),
    ("OPRLMaze-ThreeWalls-v0", 60, 24, 1.2e-5),
    ("OPRLMaze-Serpentine-v0", 60, 28, 2.5e-7),
    ("OPRLMaze-16x16-v0", 240, 30, 1.7e-2),
    ("OPRLMaze-24x24-v0", 540, 46, 1.1e-2),
    ("OPRLMaze-32x32-v0", 960, 62, 9.1e-3),
]


def test_the_ladder_is_complete() -> None:
    assert [row[0] for row in LADDER] == list(ENV_IDS)


@pytest.mark.parametrize(("env_id", "cap", "shortest", "luck"), LADDER)
def test_the_ladder_is_as_hard_as_documented(
    env_id: str, cap: int, shortest: int, luck: float
) -> None:
    env = gym.make(env_id)
    layout = env.unwrapped.layout
    assert env.spec is not None
    assert env.spec.max_episode_steps == cap
    assert len(shortest_path(layout)) - 1 == shortest
    assert f"{random_success_probability(layout, cap):.1e}" == f"{luck:.1e}"


def test_distances_worked_out_by_hand() -> None:
    layout = parse_layout("S#.#\n...#\n##G.")
    inf = np.inf
    np.testing.assert_array_equal(
        distance_to_goal(layout), [[4, inf, 2, inf], [3, 2, 1, inf], [inf, inf, 0, 1]]
    )


def test_cells_behind_walls_are_infinitely_far() -> None:
    distance = distance_to_goal(parse_layout("SG#."))
    np.testing.assert_array_equal(distance, [[1, 0, np.inf, np.inf]])


def test_the_odds_of_luck_worked_out_by_hand() -> None:
    """In a corridor of three cells "right" moves on, "left" back, and two moves stay.

    Two steps: 1/16. Three: one of them is wasted. From the start 3 of 4 actions stay,
    from the middle 2 do, which adds 3/64 and 2/64.
    """
    layout = parse_layout("S.G")
    assert random_success_probability(layout, 1) == 0
    assert random_success_probability(layout, 2) == pytest.approx(1 / 16)
    assert random_success_probability(layout, 3) == pytest.approx(1 / 16 + 5 / 64)


def test_the_odds_of_luck_agree_with_powers_of_the_transition_matrix() -> None:
    layout = default_layout(5)
    table = transition_table(layout.walls).reshape(-1, 4)
    matrix = np.zeros((25, 25))
    for state, next_states in enumerate(table):
        for next_state in next_states:
            matrix[state, next_state] += 0.25
    matrix[24] = np.eye(25)[24]
    expected = np.linalg.matrix_power(matrix, 30)[0, 24]
    assert random_success_probability(layout, 30) == pytest.approx(expected)


@given(layouts())
def test_a_move_changes_the_distance_by_one_at_most(layout: Layout) -> None:
    distance = distance_to_goal(layout).ravel()
    next_states = transition_table(layout.walls).reshape(-1, 4)
    for state in np.flatnonzero(np.isfinite(distance)):
        assert np.all(np.abs(distance[next_states[state]] - distance[state]) <= 1)


@given(layouts())
def test_the_shortest_path_is_a_walk_of_the_right_length(layout: Layout) -> None:
    path = shortest_path(layout)
    next_states = transition_table(layout.walls).reshape(-1, 4)
    assert path[0] == layout.start
    assert path[-1] == layout.goal
    assert len(path) - 1 == distance_to_goal(layout)[layout.start]
    for cell, next_cell in pairwise(path):
        assert layout.state(next_cell) in next_states[layout.state(cell)]
