"""Some steps of long episodes that stand for all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.learning.sampling import sample_steps

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=6)


@given(lengths=LENGTHS, most=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_a_sample_is_of_bounded_size_and_stands_for_every_step(lengths, most, seed):
    sample = sample_steps(np.array(lengths), most, np.random.default_rng(seed))
    for number, length in enumerate(lengths):
        mine = sample.episode == number
        assert mine.sum() == min(length, most)
        steps = sample.step[mine]
        assert (np.diff(steps) >= 0).all()
        assert steps[0] >= 0
        assert steps[-1] == length - 1
        assert sample.stands_for[mine][-1] == 1
        assert sample.stands_for[mine].sum() == pytest.approx(length)


@given(lengths=LENGTHS)
def test_without_a_generator_all_steps_are_taken(lengths):
    sample = sample_steps(np.array(lengths), most=4)
    assert sample.step.tolist() == [t for n in lengths for t in range(n)]
    assert (sample.stands_for == 1).all()


def test_one_step_is_drawn_from_each_stretch(rng):
    for _ in range(50):
        sample = sample_steps(np.array([13]), 4, rng)
        assert (sample.step[:3] // 4).tolist() == [0, 1, 2]
        assert sample.stands_for.tolist() == [4, 4, 4, 1]


def test_every_step_is_as_likely_as_any_other_also_if_stretches_cut_through_one(rng):
    length, most = 12, 5  # 11 steps before the last, 4 stretches of 2.75
    times = np.zeros(length)
    draws = 20_000
    for _ in range(draws):
        np.add.at(times, sample_steps(np.array([length]), most, rng).step, 1)
    expected = (most - 1) / (length - 1)
    # Five standard deviations of a proportion; a stratified one has less.
    margin = 5 * np.sqrt(expected * (1 - expected) / draws)
    assert np.abs(times[:-1] / draws - expected).max() < margin
    assert times[-1] == draws
