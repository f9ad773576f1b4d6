from dataclasses import replace

import numpy as np
import pytest
from support.fakes import trajectory

from oprl_gym.types import Preference, Trajectory


def test_returns_are_sums_over_the_episode():
    episode = trajectory([0, 1, 2], [1.5, 10.0])
    assert len(episode) == 2
    assert episode.env_return == 11.5
    assert (
        replace(episode, process_rewards=np.array([0.25, 0.5])).process_return == 0.75
    )


@pytest.mark.parametrize(
    "field", ["observations", "env_rewards", "process_rewards", "first_visits"]
)
def test_a_row_too_few_is_refused(field):
    """A shifted row would pair every state with the reward of another."""
    episode = trajectory([0, 1, 2])
    with pytest.raises(ValueError, match="T=2 actions needs"):
        replace(episode, **{field: getattr(episode, field)[:-1]})


def test_an_episode_without_steps_is_refused():
    with pytest.raises(ValueError, match="T >= 1"):
        Trajectory(np.zeros((1, 4)), np.zeros(0), np.zeros(0), np.zeros(0), True)


@pytest.mark.parametrize("label", [-0.1, 1.1, float("nan")])
def test_a_label_is_a_probability(label):
    with pytest.raises(ValueError, match="probability"):
        Preference(trajectory([0, 1]), trajectory([1, 0]), label)


def test_first_visits_of_a_whole_episode_are_found_out():
    assert trajectory([0, 1, 0, 2]).first_visits.tolist() == [True, True, False, True]


def test_first_visits_that_are_given_are_kept():
    """Of a piece: what it begins with may have been seen before."""
    whole = trajectory([0, 1, 0])
    given = np.array([False, False, True])
    assert replace(whole, first_visits=given).first_visits is given
