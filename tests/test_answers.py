"""Answers about pairs of trajectories, by numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import trajectory

from oprl_gym.learning.answers import between_all, gathered, smoothed, standing
from oprl_gym.types import Preference

A, B, C, D = (trajectory([0, number]) for number in range(4))
UNKNOWN = np.nan


def told(answers):
    """Return (first, second, label, weight) of each answer, as sets compare."""
    return {
        (
            id(answers.trajectories[first]),
            id(answers.trajectories[second]),
            float(answers.labels[first, second]),
            float(answers.weights[first, second]),
        )
        for first, second in np.argwhere(answers.weights)
    }


def about_all(n):
    """Return answers about all pairs of ``n`` trajectories, each label another one."""
    episodes = [trajectory([0, 1]) for _ in range(n)]
    labels = np.arange(n * n, dtype=np.float64).reshape(n, n) / n**2
    return between_all(episodes, labels)


def test_between_all_asks_each_pair_once():
    labels = np.array([[0.5, 0.9, 0.2], [0.1, 0.5, 0.3], [0.8, 0.7, 0.5]])
    answers = between_all([A, B, C], labels)
    assert np.argwhere(answers.weights).tolist() == [[0, 1], [0, 2], [1, 2]]
    known = answers.weights > 0
    assert answers.labels[known].tolist() == [0.9, 0.2, 0.3]
    assert answers.weights[known].tolist() == [1.0, 1.0, 1.0]
    assert list(answers.trajectories) == [A, B, C]


def test_a_pair_without_an_answer_is_left_out():
    labels = np.array([[0.5, UNKNOWN, 1.0], [UNKNOWN, 0.5, 0.0], [0.0, 1.0, 0.5]])
    answers = between_all([A, B, C], labels)
    assert len(answers) == 2
    assert told(answers) == {(id(A), id(C), 1.0, 1.0), (id(B), id(C), 0.0, 1.0)}
    assert np.isfinite(answers.labels).all()


@pytest.mark.parametrize("n", [0, 1])
def test_one_trajectory_makes_no_pair(n):
    answers = between_all([A] * n, np.full((n, n), 0.5))
    assert len(answers) == 0
    assert len(answers.about_last(1)) == 0


def test_gathered_preferences_know_each_trajectory_once():
    answers = gathered([Preference(A, B, 1.0), Preference(C, A, 0.25, 2.5)])
    assert list(answers.trajectories) == [A, B, C]
    assert told(answers) == {(id(A), id(B), 1.0, 1.0), (id(A), id(C), 0.75, 2.5)}


def test_several_answers_about_one_pair_are_one_that_counts_as_much():
    """Whichever way round: 1, 1 and 0, the last of them twice, that A is better."""
    three = [Preference(A, B, 1.0), Preference(B, A, 0.0), Preference(A, B, 0.0, 2.0)]
    answers = gathered(three)
    assert len(answers) == 1
    assert told(answers) == {(id(A), id(B), 0.5, 4.0)}


def test_no_preferences_are_no_answers():
    assert len(gathered([])) == 0


def test_some_answers_come_with_their_own_trajectories_alone():
    answers = gathered(
        [Preference(A, B, 1.0), Preference(C, D, 0.25, 3.0), Preference(D, A, 0.0)]
    )
    some = answers.between(np.array([0, 2, 3]))
    assert list(some.trajectories) == [A, C, D]
    assert told(some) == {(id(C), id(D), 0.25, 3.0), (id(A), id(D), 1.0, 1.0)}


def test_answers_about_the_newest_are_those_about_at_least_one_of_them():
    answers = about_all(5)
    pairs = np.argwhere(answers.about_last(2).weights).tolist()
    assert pairs == [[0, 3], [0, 4], [1, 3], [1, 4], [2, 3], [2, 4], [3, 4]]
    assert len(answers.about_last(0)) == 0
    assert told(answers.about_last(9)) == told(answers)


@given(n=st.integers(3, 7), drawn=st.integers(1, 2), seed=st.integers(0, 2**31))
def test_drawing_keeps_what_was_said(n, drawn, seed):
    answers = about_all(n)
    some = answers.draw(drawn, np.random.default_rng(seed))
    said = {row[:3] for row in told(answers)}
    assert {row[:3] for row in told(some)} <= said
    assert some.weights.sum() == drawn  # one that is drawn twice counts twice


def test_a_few_answers_are_drawn_as_often_as_any_others(rng):
    answers = about_all(4)
    times = dict.fromkeys(answers.labels[answers.weights > 0], 0.0)
    for _ in range(3000):
        some = answers.draw(2, rng)
        for place in zip(*some.weights.nonzero(), strict=True):
            times[some.labels[place]] += some.weights[place]
    assert len(times) == 6
    assert min(times.values()) > 850  # 1000 expected, standard deviation 29


def test_if_there_are_no_more_all_are_drawn(rng):
    answers = about_all(4)
    assert answers.draw(6, rng) is answers
    assert answers.draw(100, rng) is answers
    assert answers.draw(5, rng).weights.sum() == 5


def test_among_some_trajectories_all_answers_are_taken(rng):
    answers = about_all(6)
    for _ in range(20):
        some = answers.among(3, rng)
        assert len(some.trajectories) == 3
        assert len(set(map(id, some.trajectories))) == 3
        assert np.argwhere(some.weights).tolist() == [[0, 1], [0, 2], [1, 2]]
        assert told(some) <= told(answers)


def test_among_all_trajectories_are_all_answers(rng):
    answers = about_all(6)
    assert answers.among(6, rng) is answers
    assert answers.among(7, rng) is answers


@pytest.mark.parametrize("n", [2, 3, 10])
def test_among_some_there_is_an_answer_if_there_is_one_at_all(rng, n):
    """One success among thirty episodes, of which no two failures are told apart."""
    labels = np.full((30, 30), UNKNOWN)
    labels[17], labels[:, 17] = 1.0, 0.0
    answers = between_all([trajectory([0, 1]) for _ in range(30)], labels)
    for _ in range(50):
        some = answers.among(n, rng)
        assert len(some) >= 1
        assert len(some.trajectories) <= n
        assert {row[:3] for row in told(some)} <= {row[:3] for row in told(answers)}


def test_standings_by_hand():
    labels = np.array([[0.5, 1.0, UNKNOWN], [0.0, 0.5, 0.2], [UNKNOWN, 0.8, 0.5]])
    assert standing(labels).tolist() == pytest.approx([2 / 3, 0.7 / 3, 1.8 / 3])
    assert standing(np.zeros((0, 0))).tolist() == []


def test_smoothing_by_hand():
    labels = np.array([0.0, 0.3, 0.5, 1.0])
    assert smoothed(labels, 0.0).tolist() == [0.0, 0.3, 0.5, 1.0]
    assert smoothed(labels, 0.25).tolist() == [0.25, 0.3, 0.5, 0.75]


@given(label=st.integers(0, 8).map(lambda n: n / 8), smoothing=st.floats(0, 0.49))
def test_smoothing_is_the_same_from_both_sides_and_keeps_the_order(label, smoothing):
    one, other = smoothed(np.array([label, 1.0 - label]), smoothing)
    assert one == pytest.approx(1.0 - other, abs=1e-12)
    if label in (0.0, 1.0):
        assert np.sign(one - 0.5) == np.sign(label - 0.5)
        assert min(one, other) == pytest.approx(smoothing, abs=1e-12)
    else:
        assert one == label
