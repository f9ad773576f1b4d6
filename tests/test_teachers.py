import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.fakes import trajectory

from oprl_gym import OPRLConfig
from oprl_gym.preferences import (
    LexicographicTeacher,
    NoveltyTeacher,
    ReturnTeacher,
    ScoreTeacher,
    UtilityTeacher,
    make_teacher,
)

WIN = trajectory([0, 1, 2], [0, 10])
SLOW_WIN = trajectory([0, 0, 1, 2], [0, 0, 10])
BEST = trajectory([0, 1, 3, 2], [0, 5, 10])
LOSS = trajectory([0, 0, 0])
OTHER_LOSS = trajectory([0, 1, 0])


def test_the_higher_return_is_preferred():
    teacher = ReturnTeacher()
    assert teacher.judge(WIN, LOSS) == 1.0
    assert teacher.judge(LOSS, WIN) == 0.0


@pytest.mark.parametrize(
    ("ties", "label"), [("skip", None), ("half", 0.5), ("second", 0.0)]
)
def test_equal_returns_get_the_tie_rules_answer(ties, label):
    assert ReturnTeacher(ties=ties).judge(LOSS, OTHER_LOSS) == label


@pytest.mark.parametrize(
    ("ties", "tie"), [("skip", np.nan), ("half", 0.5), ("second", 0.0)]
)
def test_all_are_judged_against_each_other_at_once(ties, tie):
    labels = ReturnTeacher(ties=ties).labels([WIN, LOSS, BEST, SLOW_WIN])
    expected = [
        [tie, 1.0, 0.0, tie],
        [0.0, tie, 0.0, 0.0],
        [1.0, 1.0, tie, 1.0],
        [tie, 1.0, 0.0, tie],
    ]
    np.testing.assert_array_equal(labels, expected)


class Columns(ScoreTeacher):
    """Scores episodes by numbers that it is given, a row for each."""

    def __init__(self, rows, ties):
        super().__init__(ties)
        self.rows = {id(one): row for one, row in rows}

    def scores(self, trajectories):
        return np.array([self.rows[id(one)] for one in trajectories])


@given(
    rows=arrays(np.float64, (5, 2), elements=st.integers(-1, 1).map(float)),
    ties=st.sampled_from(["skip", "half", "second"]),
)
def test_at_once_or_one_by_one_the_answers_are_the_same(rows, ties):
    """The first column decides; a later one is asked where it does not."""
    episodes = [trajectory([0, 1]) for _ in rows]
    teacher = Columns(list(zip(episodes, rows, strict=True)), ties)
    tie = {"skip": None, "half": 0.5, "second": 0.0}[ties]
    labels = teacher.labels(episodes)
    for (i, first), (j, second) in itertools.product(enumerate(rows), repeat=2):
        expected = (
            tie
            if tuple(first) == tuple(second)
            else float(tuple(first) > tuple(second))
        )
        assert teacher.judge(episodes[i], episodes[j]) == expected
        np.testing.assert_equal(labels[i, j], np.nan if expected is None else expected)


def test_steps_are_not_discounted():
    assert ReturnTeacher().judge(WIN, SLOW_WIN) is None
    assert ReturnTeacher().scores([WIN, SLOW_WIN, BEST]).tolist() == [[10], [10], [15]]


def test_a_teacher_of_returns_can_be_sent_to_another_process():
    """As RLlib does with it, also after it has judged."""
    teacher = ReturnTeacher(ties="half")
    teacher.judge(WIN, LOSS)
    sent = pickle.loads(pickle.dumps(teacher))
    assert sent.labels([LOSS, SLOW_WIN, LOSS])[0].tolist() == [0.5, 0.0, 0.5]


def test_rarity_by_hand():
    teacher = NoveltyTeacher()
    teacher.observe([LOSS, OTHER_LOSS])  # state 0 was in both, however often in each
    scores = teacher.scores([LOSS, OTHER_LOSS]).ravel()
    assert scores == pytest.approx([1 / np.sqrt(2), 1 / np.sqrt(2) + 1])
    assert teacher.judge(OTHER_LOSS, LOSS) == 1.0


def test_rarity_fades_with_visits():
    teacher = NoveltyTeacher()
    once = trajectory([0, 1])
    teacher.observe([once])
    before = teacher.scores([once])[0, 0]
    teacher.observe([trajectory([0, 1]) for _ in range(3)])
    assert teacher.scores([once])[0, 0] == pytest.approx(before / 2)


def test_coverage_counts_distinct_observations():
    teacher = NoveltyTeacher("coverage")
    assert teacher.scores([LOSS, OTHER_LOSS, WIN]).ravel().tolist() == [1, 2, 3]


def test_counting_goes_past_the_first_hundred_observations():
    states = list(range(300))
    teacher = NoveltyTeacher()
    episode = trajectory(states, n_states=300)
    teacher.observe([episode])
    assert teacher.scores([episode])[0, 0] == 300


def test_an_episode_never_observed_counts_as_seen_when_it_is_judged():
    assert NoveltyTeacher().scores([trajectory([0, 1, 2])])[0, 0] == 3


class Shorter(ScoreTeacher):
    def scores(self, trajectories):
        return np.array([[-len(one)] for one in trajectories])


@pytest.mark.parametrize(
    "teacher", [Shorter(), LexicographicTeacher([ReturnTeacher(), Shorter()])]
)
def test_of_no_episode_there_is_nothing_to_say(teacher):
    """An update may be due before the first one has ended."""
    assert teacher.labels([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.array([[1.0, 2.0]]), r"an array of shape \(1, 2\) for 2 episodes"),
        (np.array([1.0, 2.0]), r"an array of shape \(2,\)"),
        (np.array([[1.0], [np.nan]]), "NaN or infinite numbers"),
        (None, r"an array of shape \(\)"),
    ],
)
def test_scores_that_are_none_are_named(scores, words):
    class Wrong(ScoreTeacher):
        def scores(self, trajectories):
            return scores

    with pytest.raises(ValueError, match=r"Wrong.scores\(\) gave " + words):
        Wrong().labels([WIN, LOSS])


def test_the_first_teacher_that_sees_a_difference_decides():
    teacher = LexicographicTeacher([ReturnTeacher(), NoveltyTeacher("coverage")])
    assert teacher.judge(WIN, OTHER_LOSS) == 1.0
    assert teacher.judge(LOSS, OTHER_LOSS) == 0.0  # by coverage
    assert teacher.judge(LOSS, trajectory([1, 1])) is None
    # More coverage must not outweigh a higher return.
    wide_loss = trajectory([0, 1, 2, 3])
    assert teacher.judge(WIN, wide_loss) == 1.0


@pytest.mark.parametrize(("rule", "label"), [("return", None), ("tutorial", 0.0)])
def test_config_chooses_the_teacher(rule, label):
    teacher = make_teacher(OPRLConfig(rule=rule))
    teacher.observe([LOSS, OTHER_LOSS])
    assert teacher.judge(LOSS, OTHER_LOSS) == label
    assert teacher.judge(WIN, LOSS) == 1.0


def test_config_has_the_default_teacher_judge_by_its_settings():
    teacher = make_teacher(OPRLConfig(return_worth=3.0, temperature=0.7))
    assert isinstance(teacher, UtilityTeacher)
    assert (teacher.return_worth, teacher.temperature) == (3.0, 0.7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReturnTeacher(ties="first"),
        lambda: NoveltyTeacher("surprise"),
        lambda: LexicographicTeacher([]),
    ],
)
def test_arguments_without_meaning_are_refused(make):
    with pytest.raises(ValueError, match=r"ties|measure|at least one"):
        make()
