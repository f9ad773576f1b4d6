"""The default teacher: utilities and probabilities worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import trajectory

from oprl_gym import OPRLConfig
from oprl_gym.preferences import UtilityTeacher, make_teacher
from oprl_gym.preferences.utility import LATEST

NEAR = trajectory([0, 0, 1])
FAR = trajectory([0, 1, 2])
GOAL = trajectory([0, 1, 3], [0, 5])
THIRD = 1 / np.sqrt(3)
MOST = 2 * THIRD + 1
"""The largest novelty of these three: both 0 and 1 were in all, 2 and 3 in one each."""


def taught(*episodes, **arguments):
    teacher = UtilityTeacher(**arguments)
    teacher.observe(episodes)
    return teacher


def utilities(teacher, *episodes):
    return teacher.scores(episodes).ravel()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_utilities_by_hand():
    """Three episodes were at 0 and at 1, one each at 2 and 3; a return of 5 is most."""
    scores = utilities(taught(NEAR, FAR, GOAL), NEAR, FAR, GOAL)
    assert scores == pytest.approx([2 * THIRD / MOST, 1, 1 + 3])
    teacher = taught(NEAR, FAR, GOAL, return_worth=0.5)
    assert utilities(teacher, GOAL) == pytest.approx([1.5])


@pytest.mark.parametrize(
    ("earlier", "largest"),
    [
        ([0.2, 0.3], 1.0),  # not blown up
        ([1.5, 0.5], 2.0),
        ([-4.0, -1.0], 5.0),  # of either sign
        ([4.0, -4.0], 1.0),  # it is the sum that counts
    ],
)
def test_a_return_is_measured_in_the_largest_so_far(earlier, largest):
    paid, unpaid = trajectory([0, 0], [0.5]), trajectory([0, 0])
    teacher = taught(trajectory([0, 0, 0], earlier))
    for _ in range(2):  # never smaller again
        teacher.observe([paid, unpaid])
        difference = np.subtract(*utilities(teacher, paid, unpaid))
        assert difference == pytest.approx(3 * 0.5 / largest)


def test_probabilities_by_hand():
    teacher = taught(NEAR, FAR, GOAL, temperature=0.5)
    tau = 0.5 * np.std([2 * THIRD / MOST, 1, 4])
    labels = teacher.labels([NEAR, FAR, GOAL])
    assert labels[1, 0] == pytest.approx(sigmoid(1 / MOST / tau))
    assert labels[2, 1] == pytest.approx(sigmoid(3 / tau))
    assert labels[0, 2] == pytest.approx(sigmoid((-3 - 1 / MOST) / tau))
    assert labels.diagonal().tolist() == [0.5] * 3
    assert teacher.judge(FAR, NEAR) == pytest.approx(labels[1, 0])


def test_before_any_return_differs_novelty_decides():
    teacher = taught(NEAR, FAR)
    assert teacher.judge(FAR, NEAR) > 0.5
    assert teacher.judge(NEAR, NEAR) == 0.5


def test_a_hair_of_cost_does_not_silence_novelty():
    """Returns below 1 are not blown up to the unit."""
    costly = trajectory([0, 1, 2], [-0.01, -0.01])
    teacher = taught(NEAR, costly)
    assert teacher.judge(costly, NEAR) > 0.9


def test_a_success_decides_whatever_else_was_seen():
    states = list(range(8))
    wide = trajectory(states, n_states=8)
    won = trajectory([0, 0, 0], [0, 1], n_states=8)
    assert taught(wide, won).judge(won, wide) > 0.9


def test_novelty_fades_as_all_becomes_known():
    teacher = taught(FAR)
    before = utilities(teacher, FAR)
    teacher.observe([trajectory([0, 1, 2]) for _ in range(8)])
    assert utilities(teacher, FAR) == pytest.approx(before / 3)


def test_the_unit_is_the_largest_return_of_either_sign():
    falls = trajectory([0, 1, 2], [0, -20])
    teacher = taught(GOAL, falls)
    difference = utilities(teacher, GOAL) - utilities(teacher, falls)
    assert difference == pytest.approx(3 * 5 / 20 + 3)
    teacher.observe([NEAR] * 500)  # it is not forgotten
    novelty = (1 + 2 / np.sqrt(502)) / (1 + 2 / np.sqrt(2))
    assert utilities(teacher, falls)[0] == pytest.approx(-3 + novelty)


@pytest.mark.parametrize("length", [1, 10, 500])
def test_a_return_counts_as_much_beside_the_novelty_of_long_episodes(length):
    """The first of all sees only what is new; one like it with a return is worth 3."""
    wide = trajectory(list(range(length + 1)), n_states=length + 2)
    won = trajectory([length + 1] * 2, [7.0], n_states=length + 2)
    teacher = taught(wide)
    assert utilities(teacher, wide) == pytest.approx(1)
    teacher.observe([won])
    assert utilities(teacher, won) == pytest.approx(3 + 1 / (length + 1))


@given(factor=st.floats(1.0, 1e6))
def test_what_the_env_pays_in_is_all_the_same(factor):
    """As long as the largest return is 1 or more."""

    def labels(pay):
        episodes = [trajectory([0, 1, 2], [0.0, pay * one]) for one in (1.0, -0.5, 0.0)]
        return taught(*episodes).labels(episodes)

    np.testing.assert_allclose(labels(factor), labels(1.0), rtol=1e-9)


STATES = st.lists(st.integers(0, 3), min_size=2, max_size=6)


@given(
    walks=st.lists(st.tuples(STATES, st.integers(-3, 3)), min_size=1, max_size=6),
    temperature=st.floats(0.01, 10),
)
def test_answers_are_probabilities_that_agree_with_the_utilities(walks, temperature):
    episodes = [
        trajectory(states, [*[0.0] * (len(states) - 2), float(pay)])
        for states, pay in walks
    ]
    teacher = taught(*episodes, temperature=temperature)
    labels = teacher.labels(episodes)
    assert ((labels >= 0) & (labels <= 1)).all()
    np.testing.assert_allclose(labels + labels.T, 1.0)
    utility = teacher.scores(episodes)
    assert (np.sign(labels - 0.5) * np.sign(utility - utility.T) >= 0).all()


def test_a_higher_temperature_is_less_sure():
    cold, warm = (taught(NEAR, FAR, temperature=one) for one in (0.1, 10.0))
    assert 0.5 < warm.judge(FAR, NEAR) < 0.6 < 0.99 < cold.judge(FAR, NEAR)


def test_the_logits_spread_by_one_over_the_temperature():
    episodes = [trajectory([0, 1, 2], [0.0, pay]) for pay in (-1000.0, 1000.0) * 25]
    labels = taught(*episodes, temperature=2.0).labels(episodes)
    logits = np.log(labels / (1 - labels))[:, 0]
    assert logits.std() == pytest.approx(1 / 2.0)


def test_once_nearly_all_succeed_what_is_left_to_tell_them_apart_is_not_blown_up():
    """It is measured by what a success was worth, not by how little they differ."""
    short, long = trajectory([0, 3], [5]), trajectory([0, 1, 2, 3], [0, 0, 5])
    teacher = taught(NEAR, *[short, long] * 100)
    labels = teacher.labels([short, long] * 100)
    utility = utilities(teacher, short, long)
    assert utility[1] - utility[0] < 0.25
    tau = 0.3 * 3 * 0.5
    assert labels[1, 0] == pytest.approx(sigmoid((utility[1] - utility[0]) / tau))
    assert 0.5 < labels[1, 0] < 0.65


def test_of_many_the_spread_is_their_own_as_long_as_no_return_differs():
    wide = trajectory(list(range(8)), n_states=8)
    teacher = taught(trajectory([0, 0, 1], n_states=8), wide)
    here = [trajectory([0, 0, 1], n_states=8), trajectory([0, 1, 2], n_states=8)]
    labels = teacher.labels(here)
    utility = utilities(teacher, *here)
    tau = 0.3 * np.std(utility)
    assert labels[1, 0] == pytest.approx(sigmoid((utility[1] - utility[0]) / tau))


def test_of_a_single_pair_the_latest_episodes_say_what_a_large_difference_is():
    """By the utilities that they had as they came; those of long ago have no say."""
    wide = trajectory(list(range(8)), n_states=8)
    stays, walks = trajectory([0, 0], n_states=8), trajectory([0, 1], n_states=8)
    teacher, noted = taught(wide), []
    for one in [stays, walks] * (LATEST // 2):
        teacher.observe([one])
        noted.append(utilities(teacher, one)[0])
    difference = np.subtract(*utilities(teacher, walks, stays))
    expected = sigmoid(difference / (0.3 * np.std(noted)))
    assert teacher.judge(walks, stays) == pytest.approx(expected)


def test_episodes_that_are_all_alike_are_judged_all_the_same():
    """There is no spread to measure a difference in."""
    teacher = taught(NEAR, NEAR)
    assert teacher.judge(NEAR, NEAR) == 0.5
    assert teacher.labels([NEAR] * 3).tolist() == [[0.5] * 3] * 3


def test_differences_beyond_measure_are_no_overflow():
    teacher = taught(*[NEAR] * 199, GOAL, temperature=1e-3)
    assert teacher.judge(GOAL, NEAR) == pytest.approx(1.0)
    assert teacher.judge(NEAR, GOAL) == pytest.approx(0.0)


def test_where_fewer_are_kept_fewer_are_the_latest():
    """The best of long ago stand before them, and have no say."""
    teacher = make_teacher(OPRLConfig(trajectory_capacity=4))
    best = [trajectory([0, 1, 3], [0.0, 5.0])] * 3
    latest = [trajectory([0, 0, 1]), trajectory([0, 1, 2])] * 2
    teacher.observe([*best, *latest])
    utility = utilities(teacher, *latest)
    tau = 0.3 * np.std(utility)
    labels = teacher.labels([*best, *latest])
    assert labels[4, 3] == pytest.approx(sigmoid((utility[1] - utility[0]) / tau))


def test_without_any_episode_it_says_nothing_wrong():
    assert UtilityTeacher().labels([]).shape == (0, 0)
    assert UtilityTeacher().judge(FAR, NEAR) > 0.5


def test_it_goes_on_from_a_state_as_if_it_had_seen_all():
    seen = [NEAR, FAR, GOAL, trajectory([0, 1, 2], [0, -7])]
    teacher, other = taught(*seen), UtilityTeacher()
    other.load_state(teacher.state(), seen)
    new = [trajectory([0, 2, 3], [1, 2]), trajectory([1, 1, 1])]
    for one in (teacher, other):
        one.observe(new)
    episodes = [*seen, *new]
    np.testing.assert_array_equal(other.labels(episodes), teacher.labels(episodes))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["return_worth", "temperature"])
def test_arguments_without_meaning_are_refused(name, value):
    with pytest.raises(ValueError, match=name) as error:
        UtilityTeacher(**{name: value})
    assert repr(value) in str(error.value)


def test_a_success_of_long_ago_leaves_novelty_its_say():
    """It may have been luck: until it can be repeated, novelty has to lead there."""
    failures = [trajectory([0, 0, 1]), trajectory([0, 1, 2])] * (LATEST // 2)
    lucky = trajectory([0, 1, 3], [0.0, 5.0])
    teacher = taught(lucky, *failures)
    just_now, long_ago = [*failures, lucky], [lucky, *failures]
    assert teacher.labels(just_now)[1, 0] < 0.75
    labels = teacher.labels(long_ago)
    assert labels[0, 1] > 0.99  # it still decides
    utility = utilities(teacher, *failures)
    tau = 0.3 * np.std(utility)
    assert labels[2, 1] == pytest.approx(sigmoid((utility[1] - utility[0]) / tau))
    assert labels[2, 1] > 0.99
