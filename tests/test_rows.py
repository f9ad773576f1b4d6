import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.one_hot import flagged_places, one_hot_places
from oprl_gym.rewards.row_table import RowTable


def test_equal_rows_share_a_number():
    table = RowTable()
    a, b = np.array([1, 2], np.float32), np.array([1, 3], np.float32)
    assert table.numbers(np.stack([a, b, a])).tolist() == [0, 1, 0]
    assert table.numbers(np.stack([b])).tolist() == [1]
    np.testing.assert_array_equal(table.rows(), [a, b])
    np.testing.assert_array_equal(table.rows(1), [b])


def test_rows_are_copies():
    """An env may reuse its buffer; a remembered row must not change with it."""
    table = RowTable()
    buffer = np.zeros((1, 2), np.float32)
    table.numbers(buffer)
    buffer[:] = 7
    np.testing.assert_array_equal(table.rows(), [[0, 0]])


def test_too_many_rows_empty_the_table_for_good():
    table = RowTable(max_rows=2)
    rows = np.arange(3, dtype=np.float32).reshape(3, 1)
    assert table.numbers(rows[:2]) is not None
    assert table.numbers(rows) is None
    assert table.overflowed
    assert len(table) == 0
    assert table.numbers(rows[:1]) is None


def test_long_rows_fill_it_sooner():
    table = RowTable()
    rows = np.eye(1, 2**20, dtype=np.float32)
    for number in range(200):
        rows[0, 0] = number
        if table.numbers(rows) is None:
            break
    assert table.overflowed
    assert number <= 64  # 4 MiB each


def test_one_hot_rows_are_numbered_in_the_order_seen_like_all_others():
    """The order of rows decides how sums over them round."""
    rng = np.random.default_rng(0)
    table, numbers = RowTable(), {}
    for n in (3, 20, 1, 40, 300):  # few are looked up in another way than many
        rows = np.eye(50, dtype=np.float32)[rng.integers(50, size=n)]
        if n == 40:
            rows[::3] *= 2  # not one-hot any more
        expected = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
        assert table.numbers(rows).tolist() == expected
    again = RowTable()
    again.numbers(np.eye(50, dtype=np.float32)[::-1])
    again.load_state(table.state())
    assert again.numbers(rows).tolist() == expected


@pytest.mark.parametrize("flags", [[0], [1], [0, 1], [0, 1, 0.5]])
def test_flagged_one_hot_rows_are_numbered_in_the_order_seen_too(flags):
    """A flag of another value makes them rows like all others."""
    rng = np.random.default_rng(1)
    table, numbers = RowTable(), {}
    for n in (3, 40, 1, 40, 500):
        one_hot = np.eye(50, dtype=np.float32)[rng.integers(50, size=n)]
        flag = rng.choice(flags, size=(n, 1)).astype(np.float32)
        rows = np.hstack([one_hot, flag])
        expected = [numbers.setdefault(row.tobytes(), len(numbers)) for row in rows]
        assert table.numbers(rows).tolist() == expected
    again = RowTable()
    again.numbers(rows[::-1])
    again.load_state(table.state())
    assert again.numbers(rows).tolist() == expected


def test_one_hot_rows_that_end_in_their_1_are_no_flagged_ones():
    """The last column may be a place of its own, with no flag behind it."""
    one_hot = np.eye(3, dtype=np.float32)
    assert flagged_places(one_hot).tolist() == [0, 1, 2]
    flagged = np.array([[1, 0, 1], [0, 1, 0], [0, 1, 1]], np.float32)
    assert flagged_places(flagged).tolist() == [3, 1, 4]


@given(places=st.lists(st.integers(0, 4), min_size=24, max_size=60), data=st.data())
def test_places_tell_rows_apart(places, data):
    flags = data.draw(st.lists(st.booleans(), min_size=len(places), max_size=60))
    rows = np.eye(5, 6, dtype=np.float32)[places]
    rows[:, 5] = flags[: len(places)]
    found = flagged_places(rows)
    alike = (rows[:, None] == rows[None]).all(axis=2)
    assert np.array_equal(found[:, None] == found[None], alike)


@pytest.mark.parametrize(
    "row",
    [[0, 0, 1], [1, 1, 0], [1, 1, 1], [0, 2, 1], [1, 0, 0.5], [1, 0, np.nan]],
)
def test_only_a_one_hot_row_can_be_flagged(row):
    rows = np.array([[0, 1, 1], row, [1, 0, 0]], np.float32)
    assert flagged_places(rows) is None


def test_rows_of_a_single_value_have_no_place_for_a_flag():
    assert flagged_places(np.ones((3, 1), np.float32)).tolist() == [0, 0, 0]
    assert flagged_places(np.zeros((3, 1), np.float32)) is None


def test_one_hot_rows_may_be_too_many_as_well():
    table = RowTable(max_rows=20)
    rows = np.eye(30, dtype=np.float32)
    assert table.numbers(rows[:20]).tolist() == list(range(20))
    assert table.numbers(rows) is None
    assert table.numbers(rows[:20]) is None


@pytest.mark.parametrize(
    "row", [[0, 0, 0], [1, 1, 0], [0, 2, 0], [0, -1, 0], [1, np.nan, 0], [0.5, 0.5, 0]]
)
def test_only_a_single_one_makes_a_row_one_hot(row):
    rows = np.array([[0, 1, 0], row, [1, 0, 0]], np.float32)
    assert one_hot_places(rows) is None
    assert one_hot_places(rows[::2]).tolist() == [1, 0]


def test_as_many_ones_as_rows_are_not_enough_for_one_hot_rows():
    rows = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    assert one_hot_places(rows) is None
    assert one_hot_places(rows[::-1]) is None
