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
    ("reward_input", "expected"),
    [("obs", [1, 0]), ("next_obs", [0, 1]), ("obs_action", [1, 0, 0, 0, 1])],
)
def test_each_reward_input_reads_its_part_of_the_step(reward_input, expected):
    encoder = StepEncoder(spaces.Discrete(2), spaces.Discrete(3), reward_input)
    row = encoder.steps(np.array([0]), np.array([2]), np.array([1]))
    assert row.tolist() == [expected]
    assert encoder.input_dim == len(expected)


def test_a_space_without_fixed_length_is_refused():
    with pytest.raises(ValueError, match="observation space Sequence"):
        StepEncoder(spaces.Sequence(spaces.Discrete(2)), spaces.Discrete(2), "obs")
