import numpy as np
import pytest

from oprl_gym.preferences import uniform_pairs


def test_uniform_pairs_draw_every_pair_equally_often(rng):
    pairs = uniform_pairs(4, 24_000, rng)
    drawn, times = np.unique(pairs, axis=0, return_counts=True)
    assert len(drawn) == 12
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert times.min() > 1800  # 2000 expected, standard deviation 43


@pytest.mark.parametrize("n", [0, 1])
def test_one_trajectory_makes_no_pair(n, rng):
    assert uniform_pairs(n, 5, rng).shape == (0, 2)


def test_same_seed_same_pairs_other_seed_other_pairs():
    first, again, other = (
        uniform_pairs(10, 20, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
