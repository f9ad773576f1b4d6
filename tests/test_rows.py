import numpy as np
import pytest

from oprl_gym.rewards.rows import RowTable, one_hot_places


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
