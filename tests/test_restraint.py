"""What is thought of episodes once nobody judges any more."""

import numpy as np
import pytest
from support.fakes import trajectory

from oprl_gym.learning.answers import gathered
from oprl_gym.learning.restraint import restraints, strongest
from oprl_gym.types import Preference

A, B, C, D, E = (trajectory([0, number], n_states=5) for number in range(5))


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        ([(A, B, 1.0)], A),
        ([(A, B, 0.0)], B),
        ([(A, B, 1.0), (B, C, 1.0)], A),
        # An early favourite that won three times, and then lost.
        ([(A, B, 1.0), (A, C, 1.0), (A, D, 1.0), (A, E, 0.0)], E),
        # One who won one pair is not above one who won three.
        ([(A, B, 1.0), (A, C, 1.0), (A, D, 1.0), (E, D, 1.0)], A),
        # Said twice counts more than once to the contrary.
        ([(A, B, 0.0), (B, A, 0.0), (A, B, 0.0)], B),
        # Equal to the best, and twice above others.
        ([(A, B, 1.0), (C, A, 0.5), (C, B, 1.0), (C, D, 1.0)], C),
    ],
)
def test_the_strongest_is_who_the_answers_together_hold_best(answers, best):
    assert strongest(gathered([Preference(*one) for one in answers])) is best


def test_a_favourite_of_a_hundred_pairs_is_found_as_well():
    """Where steps of a gradient would overshoot."""
    losers = [trajectory([0, 1]) for _ in range(100)]
    answers = [Preference(A, one, 1.0) for one in losers] + [Preference(B, A, 1.0)] * 2
    assert strongest(gathered(answers)) is B


def test_only_what_is_held_better_than_the_best_is_held_back():
    returns = {id(A): 2.0, id(B): 1.0, id(C): 2.5, id(D): 2.0, id(E): 9.0}
    held_back = restraints(
        gathered([Preference(A, B, 1.0)]),
        [A, C, D, E],
        lambda some: np.array([returns[id(one)] for one in some]),
    )
    assert [(one.first, one.second) for one in held_back] == [(C, A), (E, A)]
    assert all(one.label < 0.5 for one in held_back)
