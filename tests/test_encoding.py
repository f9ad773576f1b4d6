import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.rewards.encoding import StepEncoder, batch_to_array, encode, to_array

SPACES = [
    spaces.Box(-1, 1, (3,), dtype=np.float32),
    spaces.Box(0, 255, (4, 4, 1), dtype=np.uint8),
    spaces.Box(-1, 1, (), dtype=np.float64),
    spaces.Discrete(5),
    spaces.Discrete(4, start=-2),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [-3, 5]]),
    spaces.Dict(
        {"t": spaces.Tuple([spaces.MultiDiscrete([3, 2]), spaces.Discrete(2)])}
    ),
    spaces.MultiBinary(4),
    spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Box(-1, 1, (2,))}),
    spaces.Tuple([spaces.Discrete(2), spaces.Dict({"x": spaces.MultiBinary(2)})]),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 4))
def test_rows_are_those_of_gymnasiums_flatten(space, seed, n):
    space.seed(seed)
    values = [space.sample() for _ in range(n)]
    batch = concatenate(space, values, create_empty_array(space, n))
    expected = np.array([spaces.flatten(space, value) for value in values])

    from_batch = encode(space, batch_to_array(space, batch, n))
    one_by_one = encode(space, np.stack([to_array(space, value) for value in values]))

    assert from_batch.dtype == np.float32
    assert from_batch.shape == (n, spaces.flatdim(space))
    np.testing.assert_allclose(from_batch, expected, rtol=1e-6)
    np.testing.assert_array_equal(one_by_one, from_batch)


@pytest.mark.parametrize(
    ("reward_input", "expected", "reads_next"),
    [
        ("obs", [1, 0], False),
        ("next_obs", [1, 0], True),
        ("obs_action", [1, 0, 0, 0, 1], False),
    ],
)
@pytest.mark.parametrize("first", [None, False, True])
def test_a_row_is_what_a_step_is_scored_by(reward_input, expected, reads_next, first):
    """The observation, then the action if it is read, then whether it is new."""
    sees = first is not None
    encoder = StepEncoder(spaces.Discrete(2), spaces.Discrete(3), reward_input, sees)
    row = encoder.rows(np.array([0]), np.array([bool(first)]), np.array([2]))
    assert row.tolist() == [[*expected, *([float(first)] if sees else [])]]
    assert row.dtype == np.float32
    assert encoder.input_dim == row.shape[1]
    assert encoder.reads_next is reads_next
    assert encoder.varied.tolist() == [False] * row.shape[1]


def test_without_actions_they_need_not_be_given():
    encoder = StepEncoder(spaces.Discrete(2), spaces.Discrete(3), "next_obs", True)
    rows = encoder.rows(np.array([1, 0, 1]), np.array([True, True, False]))
    assert rows.tolist() == [[0, 1, 1], [1, 0, 1], [0, 1, 0]]


def test_of_a_picture_the_flag_comes_last_too():
    space = spaces.Box(0, 255, (36, 40, 3), dtype=np.uint8)
    encoder = StepEncoder(space, spaces.Discrete(3), "obs", True)
    pictures = np.stack([space.sample(), space.sample()])
    rows = encoder.rows(pictures, np.array([True, False]))
    assert rows.shape == (2, 36 * 40 * 3 + 1)
    assert rows[:, -1].tolist() == [1, 0]
    assert not encoder.varied.any()


def test_a_space_without_fixed_length_is_refused():
    with pytest.raises(ValueError, match="observation space Sequence"):
        StepEncoder(spaces.Sequence(spaces.Discrete(2)), spaces.Discrete(2), "obs")
