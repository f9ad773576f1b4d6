import numpy as np

from oprl_gym.rewards.rows import RowTable


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
