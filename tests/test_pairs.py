import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.preferences import decisive_pairs, uniform_pairs


def test_uniform_pairs_draw_every_pair_equally_often(rng):
    pairs = uniform_pairs(4, 24_000, rng)
    drawn, times = np.unique(pairs, axis=0, return_counts=True)
    assert len(drawn) == 12
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert times.min() > 1800  # 2000 expected, standard deviation 43


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=8),
    st.integers(0, 2**31),
)
def test_decisive_pairs_never_tie_and_never_miss(scores, seed):
    scores = np.array(scores, dtype=float)
    pairs = decisive_pairs(scores, 50, np.random.default_rng(seed))
    if len(np.unique(scores, axis=0)) < 2:
        assert pairs.shape == (0, 2)
    else:
        assert pairs.shape == (50, 2)
        first, second = scores[pairs[:, 0]], scores[pairs[:, 1]]
        assert (first != second).any(axis=1).all()


def test_decisive_pairs_draw_every_such_pair_equally_often(rng):
    scores = np.array([[0.0], [0.0], [1.0], [0.0], [2.0]])
    pairs = decisive_pairs(scores, 28_000, rng)
    drawn, times = np.unique(pairs, axis=0, return_counts=True)
    assert len(drawn) == 14  # 20 ordered pairs less 6 among the three zeros
    assert times.min() > 1800  # 2000 expected, standard deviation 43


@pytest.mark.parametrize("n", [0, 1])
def test_one_trajectory_makes_no_pair(n, rng):
    assert uniform_pairs(n, 5, rng).shape == (0, 2)


def test_same_seed_same_pairs_other_seed_other_pairs():
    scores = np.arange(10.0)[:, None]
    first, again, other = (
        decisive_pairs(scores, 20, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
