"""Teachers that err as people do, and one that knows the way."""

import numpy as np
import pytest
from support.fakes import trajectory

from oprl_gym.envs import make_layout
from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.preferences import ProgressTeacher, SimulatedTeacher

GOOD, BAD = trajectory([0, 1], [1.0]), trajectory([0, 1], [0.0])


def share(teacher, first=GOOD, second=BAD, n=4000):
    """Return how often the first is preferred."""
    return np.mean([teacher.judge(first, second) for _ in range(n)])


def test_an_oracle_is_never_wrong(rng):
    assert share(SimulatedTeacher(rng)) == 1.0
    assert share(SimulatedTeacher(rng), BAD, GOOD) == 0.0


def test_a_mistaken_one_is_as_often_as_it_says(rng):
    assert share(SimulatedTeacher(rng, eps_mistake=0.1)) == pytest.approx(0.9, abs=0.02)
    assert share(SimulatedTeacher(rng, eps_mistake=1.0)) == 0.0


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_a_stochastic_one_follows_bradley_and_terry(rng, beta):
    expected = 1 / (1 + np.exp(-beta))
    assert share(SimulatedTeacher(rng, beta=beta)) == pytest.approx(expected, abs=0.03)


def test_a_huge_difference_overflows_nothing(rng):
    huge = trajectory([0, 1], [1e6])
    assert share(SimulatedTeacher(rng, beta=10.0), BAD, huge, n=3) == 0.0
    assert share(SimulatedTeacher(rng, beta=10.0), huge, BAD, n=3) == 1.0


def test_equal_sums_are_a_coin(rng):
    assert share(SimulatedTeacher(rng), GOOD, GOOD) == pytest.approx(0.5, abs=0.03)


def test_a_myopic_one_remembers_the_end(rng):
    early, late = trajectory([0, 1, 2], [1.0, 0.0]), trajectory([0, 1, 2], [0.0, 0.8])
    assert share(SimulatedTeacher(rng), early, late, n=3) == 1.0
    assert share(SimulatedTeacher(rng, gamma=0.5), early, late, n=3) == 0.0


def test_a_skipping_one_gives_no_answer_about_what_is_worth_little(rng):
    teacher = SimulatedTeacher(rng, eps_skip=0.5)
    assert teacher.judge(BAD, BAD) is not None  # nothing observed: no threshold
    teacher.observe([trajectory([0, 1, 2], [2.0, 2.0])])  # 2 a step; threshold 1
    poor = trajectory([0, 1], [0.9])
    assert teacher.judge(poor, BAD) is None
    assert teacher.judge(GOOD, BAD) == 1.0


def test_a_small_difference_is_none_to_one_that_says_equal(rng):
    teacher = SimulatedTeacher(rng, eps_equal=0.3, eps_mistake=1.0)
    teacher.observe([trajectory([0, 1], [1.0])])  # threshold 0.3 for one step
    nearly = trajectory([0, 1], [0.8])
    assert teacher.judge(GOOD, nearly) == 0.5  # and "equal" is never turned round
    assert teacher.judge(GOOD, BAD) == 0.0


def test_the_threshold_is_for_as_many_steps_as_are_shown(rng):
    teacher = SimulatedTeacher(rng, eps_skip=1.0)
    teacher.observe([trajectory([0] * 5, [1.0] * 4)])
    assert teacher.judge(trajectory([0, 0], [1.0]), BAD) == 1.0
    assert teacher.judge(trajectory([0, 0, 0], [1.0, 0.0]), BAD) is None


def test_the_same_generator_gives_the_same_answers():
    def answers():
        teacher = SimulatedTeacher(np.random.default_rng(3), beta=1.0)
        return [teacher.judge(GOOD, BAD) for _ in range(50)]

    assert answers() == answers()
    assert set(answers()) == {0.0, 1.0}


def test_chance_decides_so_every_pair_has_to_be_asked_about(rng):
    assert SimulatedTeacher(rng).labels([GOOD, BAD]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beta", 0.0),
        ("beta", float("nan")),
        ("gamma", 0.0),
        ("gamma", 1.1),
        ("eps_mistake", -0.1),
        ("eps_skip", 1.5),
        ("eps_equal", float("nan")),
    ],
)
def test_bad_parameters_are_named(rng, name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value}"):
        SimulatedTeacher(rng, **{name: value})


# --- progress -----------------------------------------------------------------------

MAZE = make_layout("S..\n##.\nG..")  # the way: 6 moves, along the edge


def walk(*cells):
    return trajectory([MAZE.state(cell) for cell in cells], n_states=9)


def test_progress_is_measured_along_the_way_and_not_as_the_crow_flies():
    teacher = ProgressTeacher(distance_to_goal(MAZE))
    waits, goes = walk((0, 0), (0, 0)), walk((0, 0), (0, 1))
    assert teacher.scores([waits, goes]).tolist() == [[-6, 0], [-5, -1]]
    assert teacher.judge(goes, waits) == 1.0


def test_turning_back_costs_nothing_but_being_later_does():
    teacher = ProgressTeacher(distance_to_goal(MAZE))
    goes, returns = walk((0, 0), (0, 1), (0, 1)), walk((0, 0), (0, 1), (0, 0))
    late = walk((0, 0), (0, 0), (0, 1))
    assert teacher.judge(goes, returns) is None
    assert teacher.judge(returns, late) == 1.0


def test_another_mazes_distances_are_refused():
    teacher = ProgressTeacher(np.zeros((8, 8)))
    with pytest.raises(ValueError, match=r"knows 64 cells, .* shape \(9,\)"):
        teacher.scores([walk((0, 0), (0, 1))])


def test_one_that_is_saved_goes_on_judging_alike():
    settings = {"beta": 1.0, "eps_mistake": 0.2, "eps_skip": 0.5}
    teacher = SimulatedTeacher(np.random.default_rng(0), **settings)
    teacher.observe([GOOD, BAD])
    share(teacher, n=10)
    again = SimulatedTeacher(np.random.default_rng(99), **settings)
    again.load_state(teacher.state(), [GOOD, BAD])
    pairs = [(GOOD, BAD), (BAD, BAD)] * 50
    assert [again.judge(*pair) for pair in pairs] == [
        teacher.judge(*pair) for pair in pairs
    ]
    assert again.judge(BAD, BAD) is None  # it knows what is usually paid
