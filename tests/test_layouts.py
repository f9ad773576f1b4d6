import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import layouts

from oprl_gym.envs.dynamics import transition_table
from oprl_gym.envs.layouts import (
    LAYOUT_NAMES,
    Layout,
    default_layout,
    make_layout,
    parse_layout,
    random_layout,
)
from oprl_gym.envs.oracle import distance_to_goal


def test_the_default_maze_is_the_tutorials() -> None:
    layout = make_layout()
    wall_cells = [tuple(cell) for cell in np.argwhere(layout.walls).tolist()]
    assert layout.shape == (8, 8)
    assert (layout.start, layout.goal) == ((0, 0), (7, 7))
    assert wall_cells == [(1, 4), (2, 4), (3, 4), (4, 4), (5, 4)]


@pytest.mark.parametrize("size", [2, 3, 4, 7, 16, 33, 64])
def test_the_rule_holds_at_every_size(size: int) -> None:
    walls = default_layout(size).walls
    expected = np.zeros((size, size), dtype=bool)
    for row in range(1, size - 2):
        expected[row, size // 2] = True
    np.testing.assert_array_equal(walls, expected)


def _column(col: int, first: int, last: int) -> set[tuple[int, int]]:
    return {(row, col) for row in range(first, last + 1)}


def _row(row: int, first: int, last: int) -> set[tuple[int, int]]:
    return {(row, col) for col in range(first, last + 1)}


@pytest.mark.parametrize(
    ("name", "walls"),
    [
        ("OneWall", _column(4, 0, 6)),
        ("TwoWalls", _column(2, 0, 4) | _column(5, 3, 7)),
        ("TwoWallsLong", _column(2, 0, 5) | _column(5, 2, 7)),
        ("ThreeWalls", _column(2, 0, 5) | _column(4, 2, 7) | _column(6, 0, 5)),
        ("Serpentine", _row(1, 0, 6) | _row(3, 1, 7) | _row(5, 0, 6)),
    ],
)
def test_the_ladder_has_its_walls(name: str, walls: set[tuple[int, int]]) -> None:
    layout = make_layout(name)
    assert {tuple(cell) for cell in np.argwhere(layout.walls).tolist()} == walls
    assert layout.name == name
    assert (layout.start, layout.goal) == ((0, 0), (7, 7))


@given(layouts())
def test_a_map_survives_the_round_trip(layout: Layout) -> None:
    assert parse_layout(str(layout)) == layout


def test_indentation_and_empty_lines_around_a_map_do_not_count() -> None:
    layout = make_layout("""
        S.#
        ..G
    """)
    assert layout.rows == ("S.#", "..G")
    assert layout.shape == (2, 3)


def test_layouts_are_values() -> None:
    layout = make_layout("TwoWalls")
    assert layout == parse_layout(str(layout), name="another name")
    assert hash(layout) == hash(parse_layout(str(layout)))
    assert layout != make_layout("OneWall")
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert make_layout(layout) is layout


def test_walls_cannot_be_changed_afterwards() -> None:
    """Or a cached transition table would no longer belong to the maze."""
    with pytest.raises(ValueError, match="read-only"):
        make_layout().walls[0, 1] = True


def test_states_and_cells_number_the_grid_row_by_row() -> None:
    layout = parse_layout("S..\n..G")
    assert layout.cells() == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [layout.state(cell) for cell in layout.cells()] == [0, 1, 2, 3, 4, 5]


@given(size=st.integers(2, 12), seed=st.integers(0, 2**32))
def test_random_mazes_are_solvable_and_depend_on_the_seed_only(
    size: int, seed: int
) -> None:
    layout = random_layout(size, seed)
    assert np.isfinite(distance_to_goal(layout)[layout.start])
    assert layout == random_layout(size, seed)
    assert layout == make_layout("random", size=size, layout_seed=seed)


RANDOM_6_SEED_0 = """\
S###..
.....#
.#.#..
#.##..
......
..#..G"""


def test_a_random_maze_is_the_same_everywhere() -> None:
    """A maze named in a paper by its seed must not change with the library."""
    assert str(random_layout(6, seed=0)) == RANDOM_6_SEED_0


def test_other_seeds_give_other_mazes() -> None:
    assert len({random_layout(8, seed) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S..\n.G", "row 1 .* has 2 cells but row 0, .* has 3"),
        ("...\n..G", "0 start cells"),
        ("S.S\n..G", "2 start cells"),
        ("S..\n...", "0 goal cells"),
        ("SGG\n...", "2 goal cells"),
        ("SX.\n..G", "unknown character 'X'"),
        ("S .\n..G", "unknown character ' '"),
        ("S#.\n##G", r"no path leads from the start \(0, 0\) to the goal \(1, 2\)"),
        ("", "is empty"),
        ("S" + "." * 5000 + "G", "at most 4096"),
    ],
)
def test_a_map_that_is_no_maze_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_layout(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "Labyrinth"}, "'Labyrinth' is neither.*OneWall.*Serpentine"),
        ({"layout": 7}, "layout=7 is neither"),
        ({"layout": "OneWall", "size": 16}, "size=16 .* fixes its own size"),
        ({"layout": "S.\n.G", "size": 2}, "size=2 .* fixes its own size"),
        ({"layout": "random"}, "without layout_seed"),
        ({"layout_seed": 3}, "layout_seed=3 has no effect"),
        ({"layout": "OneWall", "layout_seed": 3}, "layout_seed=3 has no effect"),
        ({"layout": "random", "layout_seed": -1}, "layout_seed=-1 .* 0 or more"),
        ({"layout": "random", "layout_seed": 1.5}, "layout_seed=1.5 .* integer"),
        ({"size": 1}, "size=1 .* 2 to 64"),
        ({"size": 65}, "size=65 .* 2 to 64"),
        ({"size": 8.0}, "size=8.0 .* integer"),
        ({"size": True}, "size=True .* integer"),
        ({"size": "8"}, "size='8' .* integer"),
    ],
)
def test_arguments_that_describe_no_maze_are_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_layout(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LAYOUT_NAMES)
def test_every_name_makes_a_maze(name: str) -> None:
    seed = 0 if name == "random" else None
    assert make_layout(name, layout_seed=seed).shape == (8, 8)


@given(layouts(), st.data())
def test_a_move_goes_to_a_free_neighbour_or_nowhere(
    layout: Layout, data: st.DataObject
) -> None:
    table = transition_table(layout.walls)
    state = data.draw(st.sampled_from(np.flatnonzero(~layout.walls).tolist()))
    row, col = layout.cells()[state]
    for action, (d_row, d_col) in enumerate([(-1, 0), (0, 1), (1, 0), (0, -1)]):
        target = (row + d_row, col + d_col)
        inside = 0 <= target[0] < layout.shape[0] and 0 <= target[1] < layout.shape[1]
        free = inside and not layout.walls[target]
        expected = layout.state(target) if free else state
        assert table[state * 4 + action] == expected
