import pickle

import numpy as np
import pytest
from fakes import trajectory

from oprl_gym import OPRLConfig
from oprl_gym.preferences import (
    LexicographicTeacher,
    NoveltyTeacher,
    ReturnTeacher,
    make_teacher,
)

WIN = trajectory([0, 1, 2], [0, 10])
SLOW_WIN = trajectory([0, 0, 1, 2], [0, 0, 10])
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


def test_only_a_teacher_that_skips_ties_says_which_pairs_are_decided():
    assert ReturnTeacher().decided_by([WIN, LOSS]).tolist() == [[10.0], [0.0]]
    assert ReturnTeacher(ties="half").decided_by([WIN, LOSS]) is None


def test_a_discounted_return_prefers_the_faster_success():
    assert ReturnTeacher().judge(WIN, SLOW_WIN) is None
    teacher = ReturnTeacher(discount=0.5)
    assert teacher.scores([WIN, SLOW_WIN]).tolist() == [[5.0], [2.5]]
    assert teacher.scores([SLOW_WIN]).tolist() == [[2.5]]


def test_a_teacher_of_returns_can_be_sent_to_another_process():
    """As RLlib does with it, also after it has judged."""
    teacher = ReturnTeacher(discount=0.5)
    teacher.judge(WIN, LOSS)
    sent = pickle.loads(pickle.dumps(teacher))
    assert sent.scores([SLOW_WIN]).tolist() == [[2.5]]
    assert teacher.judge(WIN, SLOW_WIN) == 1.0


def test_rarity_by_hand():
    teacher = NoveltyTeacher()
    teacher.observe([LOSS, OTHER_LOSS])  # visits: state 0 five times, state 1 once
    scores = teacher.scores([LOSS, OTHER_LOSS]).ravel()
    assert scores == pytest.approx([1 / np.sqrt(5), 1 / np.sqrt(5) + 1])
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


def test_novelty_of_failures_leaves_successes_alone():
    """Else an agent that has found the goal is drawn away from it again."""
    teacher = NoveltyTeacher("coverage", failures_only=True)
    teacher.observe([LOSS, WIN])
    assert teacher.scores([LOSS, OTHER_LOSS, WIN]).ravel().tolist() == [1, 2, 0]
    costly = trajectory([0, 1], [-1])
    teacher.observe([costly])  # now a return of 0 is better than the lowest
    assert teacher.scores([LOSS, costly]).ravel().tolist() == [0, 2]


def test_an_episode_never_observed_counts_as_seen_when_it_is_judged():
    assert NoveltyTeacher().scores([trajectory([0, 1, 2])])[0, 0] == 3


def test_the_first_teacher_that_sees_a_difference_decides():
    teacher = LexicographicTeacher([ReturnTeacher(), NoveltyTeacher("coverage")])
    assert teacher.judge(WIN, OTHER_LOSS) == 1.0
    assert teacher.judge(LOSS, OTHER_LOSS) == 0.0  # by coverage
    assert teacher.judge(LOSS, trajectory([1, 1])) is None
    # More coverage must not outweigh a higher return.
    wide_loss = trajectory([0, 1, 2, 3])
    assert teacher.judge(WIN, wide_loss) == 1.0


@pytest.mark.parametrize(
    ("ties", "label"),
    [
        ("novelty", 0.0),
        ("coverage", 0.0),
        ("skip", None),
        ("half", 0.5),
        ("second", 0.0),
    ],
)
def test_config_chooses_the_teacher(ties, label):
    teacher = make_teacher(OPRLConfig(ties=ties))
    teacher.observe([LOSS, OTHER_LOSS])
    assert teacher.judge(LOSS, OTHER_LOSS) == label
    assert teacher.judge(WIN, LOSS) == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReturnTeacher(discount=0),
        lambda: ReturnTeacher(ties="first"),
        lambda: NoveltyTeacher("surprise"),
        lambda: LexicographicTeacher([]),
    ],
)
def test_arguments_without_meaning_are_refused(make):
    with pytest.raises(ValueError, match=r"discount|ties|measure|at least one"):
        make()
