import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.preferences import decisive_pairs, elite_pairs, uniform_pairs


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


def test_elite_pairs_have_one_of_the_best_in_them(rng):
    scores = np.array([[0.0, 5.0], [1.0, 0.0], [0.0, 9.0], [1.0, 2.0], [0.0, 5.0]])
    pairs = elite_pairs(scores, 4000, 0.4, rng)
    best = {1, 3}  # the first column decides, the second among equals
    assert all(best & set(pair) for pair in pairs.tolist())
    assert set(pairs.ravel().tolist()) == {0, 1, 2, 3, 4}
    firsts = np.isin(pairs[:, 0], [1, 3]) & ~np.isin(pairs[:, 1], [1, 3])
    seconds = np.isin(pairs[:, 1], [1, 3]) & ~np.isin(pairs[:, 0], [1, 3])
    assert 0.8 < firsts.sum() / seconds.sum() < 1.25


@given(st.integers(1, 6), st.floats(0.01, 1.0), st.integers(0, 2**31))
def test_elite_pairs_never_tie(n, share, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 2, size=(n, 2)).astype(float)
    pairs = elite_pairs(scores, 20, share, rng)
    assert (scores[pairs[:, 0]] != scores[pairs[:, 1]]).any(axis=1).all()
