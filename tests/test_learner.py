from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from support.fakes import float_episode, trajectory

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.learning.answers import between_all
from oprl_gym.learning.fitting import RewardFitter
from oprl_gym.learning.learner import ASKED
from oprl_gym.preferences import (
    LateAnswers,
    Preference,
    Queries,
    ReturnTeacher,
    Teacher,
)

STATES = spaces.Box(0, 1, (4,), dtype=np.float32)
FLOATS = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
ACTIONS = spaces.Discrete(2)
SMALL = OPRLConfig(hidden_size=16, min_preferences=8, gradient_steps=5)
FREE = replace(SMALL, revisit_prior=0.0, target_error=0.0)
"""Where it is paid for to come back, and all is learned that there is: what the answers
alone come to."""
ASKING = replace(SMALL, pairs_per_update=16)
both_ways = pytest.mark.parametrize(
    "config", [SMALL, ASKING], ids=["all pairs", "asked"]
)


def walks(rng, n, length=5):
    """Return random walks over four states; seeing state 3 pays 1."""
    episodes = []
    for _ in range(n):
        states = rng.integers(4, size=length + 1).tolist()
        episodes.append(trajectory(states, [float(s == 3) for s in states[1:]]))
    return episodes


def learner(config=SMALL, teacher=None, seed=0, space=STATES):
    return OPRLLearner(space, ACTIONS, config, teacher, seed)


def sums(subject, episodes):
    """Return the process return of each episode by the model of now."""
    scores = [subject.process_reward.score_episode(one) for one in episodes]
    return np.array([one.sum() for one in scores])


def of_states(subject):
    """Return the scores of first visits to the four states."""
    return subject.process_reward.score(np.eye(4, dtype=np.float32), np.ones(4, bool))


@pytest.mark.parametrize(
    ("pairs_per_update", "max_rows", "pairs"),
    [("all", 4096, 190), ("all", 0, 28), (90, 4096, 16), (90, 0, 16)],
)
def test_a_gradient_step_compares_all_episodes_where_rows_recur(
    rng, monkeypatch, pairs_per_update, max_rows, pairs
):
    """Elsewhere 8 of them; and where pairs are asked about, 16 of the answers."""
    seen = []

    def step(self, batches):
        seen.append(batches)
        return True

    monkeypatch.setattr(RewardFitter, "step", step)
    config = replace(
        SMALL,
        pairs_per_update=pairs_per_update,
        batch_size=16,
        batch_episodes=8,
        ensemble_size=2,
    )
    subject = learner(config, space=FLOATS)
    subject._batcher._table.max_rows = max_rows
    subject.update([float_episode(rng, 5) for _ in range(20)])
    assert len(seen) == SMALL.gradient_steps
    for one in (one for of_step in seen for one in of_step):
        times = pairs * one.shares  # one that is drawn twice counts twice
        torch.testing.assert_close(times, times.round(), atol=1e-4, rtol=0)
        assert float(times.sum()) == pytest.approx(pairs)
        assert pairs == 16 or int((times > 0).sum()) == pairs
    different = {id(one) for of_step in seen for one in of_step}
    assert len(different) == (1 if pairs == 190 else 2 * len(seen))


def test_a_gradient_step_looks_at_a_bounded_number_of_steps(rng, monkeypatch):
    """However long episodes are; but at 8 or more of each."""
    rows = []

    def step(self, batches):
        rows.extend(len(one.seen(one.rows)) for one in batches)
        assert all(len(one.revisits) <= 256 for one in batches)

    monkeypatch.setattr(RewardFitter, "step", step)
    episodes = [float_episode(rng, 300) for _ in range(40)]
    for n, steps in [(8, 64), (32, 16), (200, 12)]:
        subject = learner(replace(SMALL, batch_episodes=n), space=FLOATS)
        subject.update(episodes)
        assert set(rows) == {min(n, 40) * steps}
        rows.clear()


@both_ways
def test_nothing_is_fitted_before_there_are_enough_preferences(rng, config):
    subject = learner(replace(config, min_preferences=500))
    report = subject.update(walks(rng, 10))
    assert report.new_trajectories == 10
    assert report.new_preferences == (45 if config is SMALL else 16)
    assert report.preferences == report.new_preferences
    assert report.gradient_steps == 0
    assert report.reward_loss is None
    assert report.score_spread is None
    assert not subject.reward_state().fitted


@pytest.mark.parametrize("pairs_per_update", ["all", 64])
@pytest.mark.parametrize("rule", ["utility", "return"])
def test_the_model_comes_to_order_episodes_as_the_teacher_does(
    rng, pairs_per_update, rule
):
    """New answers are foretold, and the paying state scores highest."""
    config = replace(
        FREE, gradient_steps=60, rule=rule, pairs_per_update=pairs_per_update
    )
    subject = learner(config)
    for _ in range(9):
        last = subject.update(walks(rng, 20))
    assert last.reward_loss < 0.8 * np.log(2)  # which is that of chance
    assert last.accuracy > 0.9
    assert of_states(subject).argmax() == 3
    episodes = walks(rng, 200)
    scores = sums(subject, episodes)
    returns = np.array([one.env_return for one in episodes])
    # The default teacher knows of novelty as well, and so orders some otherwise.
    assert np.corrcoef(scores, returns)[0, 1] > (0.95 if rule == "return" else 0.7)


def test_a_process_return_is_what_the_teacher_would_bet_on_it(rng):
    """But for a constant: scores mean the same whatever the env pays.

    As far as a step's score can reach: a lower temperature asks for more than 1.
    """
    subject = learner(replace(FREE, gradient_steps=60, temperature=0.4))
    for _ in range(9):
        subject.update(walks(rng, 20, length=20))
    episodes = list(subject.memory.trajectories)
    surely = subject.teacher.labels(episodes)[:, 0]
    log_odds = np.log(surely / (1.0 - surely))
    slope, constant = np.polyfit(log_odds, sums(subject, episodes), 1)
    assert slope == pytest.approx(1.0, abs=0.05)
    error = sums(subject, episodes) - (slope * log_odds + constant)
    assert error.std() < 0.05


def test_an_env_that_pays_for_coming_back_is_still_read_in_the_right_order(rng):
    """The prior holds that it does not: its scores are smaller, not the other way."""
    subject = learner(replace(SMALL, gradient_steps=60))
    for _ in range(9):
        subject.update(walks(rng, 20, length=20))
    episodes = list(subject.memory.trajectories)
    utility = subject.teacher.scores(episodes).ravel()
    assert np.corrcoef(utility, sums(subject, episodes))[0, 1] > 0.9
    goal = np.eye(4, dtype=np.float32)[[3]]
    assert subject.process_reward.score(goal, np.array([False]))[0] > 0.0


def test_the_model_tells_a_first_visit_from_a_second():
    """By the observation alone, staying would have to score as much as coming."""
    seen = [trajectory([0, 1, 2, 3]), trajectory([0, 1, 2, 2])]
    stayed = [trajectory([0, 1, 1, 1]), trajectory([0, 0, 0, 0])]
    for sees, difference in [(True, 0.3), (False, 0.0)]:
        config = replace(
            SMALL, gradient_steps=100, min_preferences=1, see_first_visits=sees
        )
        subject = learner(config)
        subject.update([*seen, *stayed])
        place = np.eye(4, dtype=np.float32)[[1, 1]]
        first, again = subject.process_reward.score(place, np.array([True, False]))
        assert first - again >= difference
        assert sees or first == again


@pytest.mark.parametrize(
    ("reach", "length", "expected"),
    [
        (30.0, 5, 1.0),
        (30.0, 30, 1.0),
        (30.0, 120, 0.25),
        (6.0, 24, 0.25),
        (1e9, 99, 1),
    ],
)
def test_in_long_episodes_a_step_reaches_less_far(rng, reach, length, expected):
    subject = learner(replace(SMALL, reach=reach))
    subject.update(walks(rng, 10, length))
    assert float(subject.model.reach) == expected
    assert np.abs(of_states(subject)).max() <= expected


def test_rounds_multiply_questions_and_gradient_steps(rng):
    report = learner(replace(ASKING, pairs_per_update=1)).update(walks(rng, 20), 12)
    assert report.new_preferences == pytest.approx(12, abs=1)  # a pair drawn twice
    report = learner(ASKING).update(walks(rng, 50), rounds=3)
    assert report.new_preferences == pytest.approx(3 * 16, abs=3)
    assert report.gradient_steps == 3 * ASKING.gradient_steps
    report = learner().update(walks(rng, 10), rounds=3)
    assert report.new_preferences == 45  # all there are
    assert report.gradient_steps == 3 * SMALL.gradient_steps


def test_memory_is_bounded_and_keeps_the_latest(rng):
    subject = learner(replace(ASKING, trajectory_capacity=5, preference_capacity=20))
    for _ in range(10):
        episodes = walks(rng, 4)
        report = subject.update(episodes)
        assert report.preferences <= 20
    assert len(subject.memory.trajectories) == 5
    assert list(subject.memory.trajectories)[-4:] == episodes
    assert len(subject.memory.preferences) == 20


def test_judging_all_at_once_leaves_no_answers_that_grow_old(rng):
    subject = learner(replace(SMALL, trajectory_capacity=6, best_capacity=0))
    for new in [15, 14, 14]:  # of 15 pairs one is of the two that were there before
        report = subject.update(walks(rng, 4 if new < 15 else 9))
        assert (report.new_preferences, report.preferences) == (new, 15)
    assert len(subject.memory.preferences) == 0


def test_the_best_are_kept_however_long_ago_they_were(rng):
    """What was found once is not forgotten; how good it is, is judged anew."""
    config = replace(SMALL, trajectory_capacity=10, best_capacity=3, rule="return")
    subject = learner(config)
    won = [trajectory([0, 1, 3], [0, float(pay)]) for pay in (3, 5, 4, 2)]
    subject.update([*won, *FAILURES[:6]])
    assert subject.memory.best == [won[1], won[2], won[0]]
    for _ in range(5):
        report = subject.update([trajectory([0, 1, 2]) for _ in range(10)])
    assert subject.memory.best == [won[1], won[2], won[0]]
    assert not set(won) & set(subject.memory.trajectories)
    assert report.preferences == 3 * 10 + 3  # no two of the latest are told apart
    assert report.new_preferences == 3 * 10
    better = trajectory([0, 1, 3], [0, 9.0])
    subject.update([better])
    assert subject.memory.best == [better, won[1], won[2]]


def test_the_best_are_of_no_use_to_a_teacher_who_has_to_be_asked(rng):
    subject = learner(ASKING)
    subject.update(walks(rng, 20))
    assert subject.memory.best == []


@both_ways
@pytest.mark.parametrize("episodes", [0, 1])
def test_too_few_episodes_are_no_error(rng, config, episodes):
    report = learner(config).update(walks(rng, episodes))
    assert report.new_preferences == 0
    assert report.preferences == 0
    assert report.accuracy is None


FAILURES = [trajectory([0, 1, 2]) for _ in range(29)]
ONE_SUCCESS = [*FAILURES[:17], trajectory([0, 1, 3], [0, 1]), *FAILURES[17:]]


def test_ties_are_no_answers(rng):
    """One success among 30 episodes: it is told from all others, and no other two."""
    report = learner(replace(SMALL, rule="return")).update(ONE_SUCCESS)
    assert report.new_preferences == 29
    asked = learner(replace(ASKING, rule="return")).update(ONE_SUCCESS)
    assert asked.new_preferences < 16


def test_where_ties_are_no_answers_the_few_there_are_are_fitted_to(rng):
    """Also where a minibatch of episodes hardly ever has the one success in it."""
    config = replace(FREE, rule="return", batch_episodes=2, gradient_steps=60)
    subject = learner(config)
    subject._batcher._table.max_rows = 0
    report = subject.update(ONE_SUCCESS)
    assert report.gradient_steps == 60
    assert report.reward_loss < 0.7
    assert of_states(subject).argmax() == 3


@both_ways
def test_nothing_is_fitted_without_a_new_answer(rng, config):
    """When nothing differs, or nothing is new, fitting on would only overfit."""
    config = replace(config, trajectory_capacity=10, best_capacity=0, rule="return")
    subject = learner(config)
    subject.update(walks(rng, 10))
    before = subject.reward_state().weights
    report = subject.update([trajectory([0, 1, 3], [0, 1]) for _ in range(10)])
    assert report.new_preferences == 0
    assert report.gradient_steps == 0
    after = subject.reward_state().weights
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_without_a_new_episode_there_is_no_new_answer(rng):
    subject = learner()
    subject.update(walks(rng, 10))
    report = subject.update([])
    assert (report.new_preferences, report.preferences) == (0, 45)
    assert report.gradient_steps == 0


def test_episodes_taken_in_before_an_update_are_new_to_it(rng):
    subject = learner()
    subject.observe(walks(rng, 6))
    subject.observe(walks(rng, 3))
    report = subject.update(walks(rng, 1))
    assert (report.new_trajectories, report.new_preferences) == (10, 45)


@both_ways
def test_the_accuracy_is_of_answers_foretold_before_the_fit(rng, config):
    subject = learner(config)
    assert subject.update(walks(rng, 10)).accuracy is None  # it knew nothing yet
    new = walks(rng, 2)
    kept = [*subject.memory.trajectories, *new]
    scores = dict(zip(map(id, kept), sums(subject, kept), strict=True))
    report = subject.update(new)
    if config is ASKING:
        answers = [
            (one.first, one.second, one.label)
            for one in list(subject.memory.preferences)[-report.new_preferences :]
        ]
    else:
        labels = subject.teacher.labels(kept)
        pairs = [(a, b) for b in (10, 11) for a in range(b)]
        answers = [(kept[a], kept[b], labels[a, b]) for a, b in pairs]
    right = [
        (scores[id(first)] > scores[id(second)]) == (label > 0.5)
        for first, second, label in answers
        if label != 0.5
    ]
    assert report.accuracy == pytest.approx(np.mean(right))


def test_the_accuracy_is_of_the_latest_answers(rng):
    """What was foretold long ago says nothing of the model of now."""
    subject = learner(replace(SMALL, gradient_steps=60))
    subject.update(walks(rng, 10))
    subject._foretold.extend([False] * 256)
    for _ in range(8):
        report = subject.update(walks(rng, 20))
    assert report.accuracy > 0.8


@both_ways
@pytest.mark.parametrize("reach", [1e9, 1.0])
def test_the_spread_of_scores_is_told(rng, config, reach):
    """As a share of what a step's score can reach to."""
    subject = learner(replace(config, batch_size=10**6, reach=reach))
    report = subject.update(walks(rng, 20))
    with torch.inference_mode():
        batch = subject._batcher.batch(
            between_all(list(subject.memory.trajectories), np.full((20, 20), 0.5))
        )
        scores = subject.model(batch.seen(batch.rows))
    spread = float(scores.std(correction=0)) * (1.0 if reach > 1 else 5.0)
    assert report.score_spread == pytest.approx(spread, rel=1e-5)


def test_the_spread_stays_what_it_was_as_long_as_nothing_is_fitted(rng):
    subject = learner()
    spread = subject.update(walks(rng, 20)).score_spread
    assert subject.update([]).score_spread == spread


CORRIDOR = spaces.Box(0, 1, (12,), dtype=np.float32)


def test_until_a_step_is_paid_a_score_is_worth_more_in_long_episodes():
    subject = learner()
    for steps, last, unit in [
        (30, 0.0, 1.0),
        (210, 0.0, 2.0),  # 120 steps on average
        (120, -3.0, 2.0),  # a cost is no pay
        (360, 0.0, 3.0),
        (60, -30.0, 6.6),  # but what an episode costs may be more
        (4860, 0.0, 10.0),  # 940 steps on average: no more than a score is worth alone
        (480, 0.5, 32.5 / 7),  # a step was paid, so costs and payments decide
        (60, 8.0, 8.0),
    ]:
        paid = [0.0] * (steps - 1) + [last]
        subject.update([trajectory([0] * (steps + 1), paid)])
        assert subject.process_reward.unit == pytest.approx(unit)


def corridor_walks(rng, n, won=0):
    """Return walks along a corridor in which but few find anything."""
    episodes = []
    for number in range(n):
        states = np.abs(np.cumsum(rng.choice([-1, 1], size=31))).clip(max=10).tolist()
        pay = [0.0] * 30
        if number < won:
            states[-1], pay[-1] = 11, 1.0
        episodes.append(trajectory(states, pay, n_states=12))
    return episodes


def test_the_model_cannot_die(rng):
    """Scores driven to the ends of their range would have no gradient left there.

    However long an agent fails alike, what it learns of the first successes comes
    through, and they stay rare: one in 200.
    """
    subject = learner(SMALL, space=CORRIDOR)
    cells, new = np.eye(12, dtype=np.float32), np.ones(12, bool)
    for _ in range(100):
        report = subject.update(corridor_walks(rng, 10))
        assert report.score_spread > 0.05
    before = subject.process_reward.score(cells, new)[:11]
    assert np.median(np.abs(before)) < 0.9
    assert np.abs(before).max() < 0.999
    for number in range(40):
        report = subject.update(corridor_walks(rng, 10, won=number % 20 == 0))
        assert report.score_spread > 0.05
    after = subject.process_reward.score(cells, new)
    assert after.argmax() == 11
    assert after[11] - np.median(after) > 0.5


@both_ways
def test_a_certain_answer_given_again_and_again_drives_no_score_to_its_end(config):
    """Label smoothing bounds the difference that it asks for, to log(9) here."""
    config = replace(
        config,
        rule="return",
        gradient_steps=50,
        min_preferences=1,
        revisit_prior=0.0,  # the better one came back
        target_error=0.0,
    )
    subject = learner(config)
    for _ in range(30):
        subject.update([trajectory([0, 1, 1], [0, 1.0]), trajectory([0, 2, 2])])
    better, worse = sums(subject, [trajectory([0, 1, 1]), trajectory([0, 2, 2])])
    assert better - worse == pytest.approx(np.log(9), abs=0.1)
    assert np.abs(of_states(subject)).max() < 0.9


class SilentTeacher(Teacher):
    """A person who has gone home."""

    def observe(self, trajectories):
        self.seen = list(trajectories)

    def judge(self, first, second):
        return None


@both_ways
def test_a_teacher_of_ones_own_is_asked_and_may_say_nothing(rng, config):
    teacher = SilentTeacher()
    episodes = walks(rng, 4)
    report = learner(config, teacher).update(episodes)
    assert teacher.seen == episodes
    assert report.new_preferences == 0


class Leaves(Teacher):
    """Prefers who saw state 1 or 3, or both, and may go home after the first update."""

    def __init__(self, goes):
        self.goes = goes

    def judge(self, first, second):
        if self.done:
            return None
        one, other = (one.observations[1:, [1, 3]].any() for one in (first, second))
        return 0.5 if one == other else float(one)

    def collect(self, model_version):
        self.done = self.goes and model_version > 0
        return LateAnswers()


@pytest.mark.parametrize("pieces", [None, 4])
@pytest.mark.parametrize("goes", [True, False])
def test_once_nobody_judges_nothing_is_held_better_than_what_was(goes, pieces):
    """Else an agent would look for what the model, left alone, overrates."""
    config = replace(ASKING, gradient_steps=100, pairs_per_update=64)
    queries = Queries(segment_length=pieces)
    subject = OPRLLearner(STATES, ACTIONS, config, Leaves(goes), 0, queries)
    one, other, neither = [0, 1, 2, 2, 2], [0, 3, 2, 2, 2], [0, 2, 2, 2, 2]
    subject.update([trajectory(states) for states in (one, other, neither) * 4])
    judged, both = trajectory(one), trajectory([0, 1, 3, 2, 2])
    before = sums(subject, [judged, both])
    assert before[1] > before[0] + 1.0
    report = subject.update([trajectory([0, 1, 3, 2, 2]) for _ in range(10)])
    after = sums(subject, [judged, both])
    assert after[0] > sums(subject, [trajectory(neither)]) + 1.0  # as was answered
    if goes:
        assert (report.new_preferences, report.gradient_steps) == (0, 100)
        assert after[1] < after[0] + 0.5
        assert subject.update([]).gradient_steps == 0
    else:
        assert report.new_preferences > 0


class AskedTeacher(SilentTeacher):
    """One who answers, but only about one pair after the other."""

    def __init__(self):
        self.answers = 0

    def judge(self, first, second):
        self.answers += 1
        return float(first.env_return > second.env_return)


def test_who_cannot_judge_all_at_once_is_asked_about_some_pairs(rng):
    teacher = AskedTeacher()
    subject = learner(teacher=teacher)
    report = subject.update(walks(rng, 200))
    assert teacher.answers == pytest.approx(ASKED, abs=3)  # the same pair but once
    assert report.new_preferences == report.preferences == teacher.answers
    assert len(subject.memory.preferences) == teacher.answers
    more = subject.update([], rounds=2).new_preferences
    assert more == pytest.approx(2 * ASKED, abs=3)


class Certain(ReturnTeacher):
    """Judges all at once, and gives answers that nobody would give pair by pair."""

    def labels(self, trajectories):
        n = len(trajectories)
        known = np.full((n, n), np.nan)
        known[0, 1], known[1, 0] = 0.9, 0.1
        return known


def test_what_is_judged_at_once_may_be_soft_and_have_gaps(rng):
    subject = learner(replace(SMALL, min_preferences=1, gradient_steps=300), Certain())
    episodes = walks(rng, 5)
    report = subject.update(episodes)
    assert (report.new_preferences, report.preferences) == (1, 1)
    first, second = sums(subject, episodes[:2])
    assert first - second == pytest.approx(np.log(9), abs=0.3)


def poisoned(rng):
    nothing = np.full((6, 4), np.nan, np.float32)
    return replace(walks(rng, 1)[0], observations=nothing)


@both_ways
def test_a_fit_that_blows_up_is_undone(rng, config):
    """All of it: also how far a step reaches, now that an episode is so much longer."""
    subject = learner(replace(config, reach=5.0))
    spread = subject.update(walks(rng, 10)).score_spread
    version = subject.model_version
    subject.observe([poisoned(rng)])
    bad = Preference(
        subject.memory.trajectories[-1], subject.memory.trajectories[0], 1.0
    )
    subject.memory.preferences.extend([bad] * 200)
    weights = {k: v.clone() for k, v in subject.model.state_dict().items()}

    report = subject.update(walks(rng, 1, length=80))

    assert report.reverted
    assert report.reward_loss is None
    assert report.score_spread == spread
    assert subject.reward_state().fitted
    assert subject.model_version == version
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, weights[name])
    subject.memory.preferences.clear()
    subject.memory.trajectories.clear()
    subject.memory.best.clear()
    assert not subject.update(walks(rng, 10)).reverted  # and it goes on


def test_fits_that_are_undone_again_and_again_are_told_of_once(rng):
    subject = learner(SMALL)
    subject.update(walks(rng, 10))
    subject.observe([poisoned(rng)])
    for _ in range(2):
        assert subject.update(walks(rng, 1)).reverted
    with pytest.warns(UserWarning, match="1 of the 14 episodes compared hold NaN"):
        assert subject.update(walks(rng, 1)).reverted
    for _ in range(3):  # and not once more
        assert subject.update(walks(rng, 1)).reverted


@pytest.mark.parametrize("space", [STATES, FLOATS], ids=["cells", "floats"])
@pytest.mark.parametrize("ensemble_size", [1, 3])
@both_ways
def test_same_seed_same_weights_other_seed_other_weights(config, ensemble_size, space):
    config = replace(config, ensemble_size=ensemble_size, batch_episodes=5)

    def weights(seed):
        subject = learner(config, seed=seed, space=space)
        subject._batcher._table.max_rows = 4096 if space is STATES else 0
        rng = np.random.default_rng(7)
        for _ in range(3):
            floats = [float_episode(rng, 20) for _ in range(10)]
            subject.update(walks(rng, 10) if space is STATES else floats)
        return subject.reward_state().weights

    first, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_learning_leaves_the_global_random_states_alone(rng):
    """An agent trained beside it must see the random numbers it would see alone."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (the global state is what is tested)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    learner().update(walks(rng, 10))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002


def test_members_of_an_ensemble_learn_different_things(rng):
    subject = learner(replace(SMALL, ensemble_size=2))
    for _ in range(3):
        subject.update(walks(rng, 10))
    scores = subject.model.member_scores(torch.eye(5)).detach()
    assert not torch.allclose(scores[0], scores[1])


# --- queries, weights, late answers -------------------------------------------------


def test_queries_decide_what_the_teacher_is_asked(rng):
    asked = []

    class Noting(ReturnTeacher):
        def judge(self, first, second):
            asked.append((len(first), len(second)))
            return super().judge(first, second)

    subject = OPRLLearner(
        STATES, ACTIONS, ASKING, Noting(), 0, Queries("entropy", segment_length=2)
    )
    subject.update(walks(rng, 40))
    assert asked == [(2, 2)] * ASKING.pairs_per_update


def test_the_learner_predicts_what_its_model_scores(rng):
    subject = learner(replace(SMALL, ensemble_size=3))
    subject.update(walks(rng, 20))
    first, second = walks(rng, 2)
    probabilities = subject._predict([(first, second), (second, first)])
    assert probabilities.shape == (3, 2)
    assert probabilities.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    rows, others = (
        torch.from_numpy(subject._batcher.encoded(one)) for one in (first, second)
    )
    with torch.inference_mode():
        scores = subject.model.member_scores(rows).sum(dim=1)
        logits = scores - subject.model.member_scores(others).sum(dim=1)
    assert probabilities[:, 0] == pytest.approx(torch.sigmoid(logits).numpy(), abs=1e-5)


def test_a_heavy_preference_wins_against_a_light_one_that_contradicts_it(rng):
    first, second = trajectory([0, 1]), trajectory([0, 2])

    def probability(weight):
        heavy = Preference(first, second, 1.0, weight)
        light = Preference(first, second, 0.0)
        config = replace(
            SMALL, min_preferences=1, label_smoothing=0.0, gradient_steps=150
        )
        subject = learner(config, Late([LateAnswers([heavy, light], [])]))
        subject.update([])
        return subject._predict([(first, second)])[0, 0]

    assert probability(3.0) == pytest.approx(0.75, abs=0.05)
    assert probability(1 / 3) == pytest.approx(0.25, abs=0.05)


class Late(Teacher):
    """Answers one batch at a time, whatever it is asked."""

    def __init__(self, batches):
        self.batches = list(batches)
        self.versions = []

    def judge(self, first, second):
        return None

    def collect(self, model_version):
        self.versions.append(model_version)
        return self.batches.pop(0) if self.batches else LateAnswers()


def test_late_answers_are_learned_from_and_can_be_withdrawn():
    first, second = trajectory([0, 1]), trajectory([0, 2])
    given = [Preference(first, second, 1.0) for _ in range(12)]
    teacher = Late([LateAnswers(given, []), LateAnswers([], given[:5])])
    subject = learner(teacher=teacher)
    report = subject.update([])
    assert (report.new_preferences, report.preferences) == (12, 12)
    assert report.gradient_steps == SMALL.gradient_steps
    assert subject.update([]).preferences == 7
    assert {id(one) for one in subject.memory.preferences} == {
        id(one) for one in given[5:]
    }
    assert teacher.versions == [0, 1]


@pytest.mark.parametrize(
    ("pairs", "rounds"), [("all", 1), (16, 1), (12, 1), (5, 3), (1, 12)]
)
def test_answers_that_come_all_at_once_are_fitted_to_as_if_one_by_one(pairs, rounds):
    first, second = trajectory([0, 1]), trajectory([0, 2])
    given = [Preference(first, second, 1.0) for _ in range(12)]
    config = replace(SMALL, pairs_per_update=pairs)
    subject = learner(config, Late([LateAnswers(given, [])]))
    assert subject.update([]).gradient_steps == rounds * SMALL.gradient_steps
    assert subject.update([], rounds=2).gradient_steps == 0  # nothing new


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_a_positive_number(weight):
    first, second = trajectory([0, 1]), trajectory([0, 2])
    with pytest.raises(ValueError, match="a weight is a positive number, got"):
        Preference(first, second, 1.0, weight)


def test_an_update_ends_where_all_is_foretold(rng):
    """It says how many steps it took, and the next one takes none."""
    config = replace(FREE, gradient_steps=300, target_error=0.1, temperature=1.0)
    subject = learner(config)
    episodes = walks(rng, 12)
    report = subject.update(episodes)
    assert 0 < report.gradient_steps < 300
    weights = subject.reward_state().weights
    assert subject.update(episodes).gradient_steps == 0
    for name, values in subject.reward_state().weights.items():
        assert np.array_equal(values, weights[name]), name


def test_a_model_that_was_never_fitted_stays_so_where_there_is_nothing_to_learn(rng):
    """Episodes that are all alike: what it says by chance is not handed out."""
    subject = learner(replace(SMALL, target_error=0.4))
    report = subject.update([trajectory([0, 1]) for _ in range(8)])
    assert report.new_preferences > 0
    assert report.gradient_steps == 0
    assert not subject.reward_state().fitted


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_episode_paid_with_no_number_is_named_and_none_is_taken_in(rng, wrong):
    subject = learner()
    good = walks(rng, 2)
    with pytest.raises(ValueError, match=f"episode 2 of .* paid {wrong} in step 1"):
        subject.update([*good, trajectory([0, 1, 2], [1.0, wrong])])
    assert not subject.trajectories
    assert subject.update(good).new_trajectories == 2


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        (np.array([[0.5, 100.0], [0.0, 0.5]]), "numbers from 0 to 100"),
        (np.ones((2, 3)), r"an array of shape \(2, 3\)"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(rng, labels, given):
    class Percent(ReturnTeacher):
        def labels(self, trajectories):
            return labels

    with pytest.raises(ValueError, match=rf"Percent.labels\(\) gave {given} for 2"):
        learner(teacher=Percent()).update(walks(rng, 2))


@both_ways
def test_an_update_of_no_rounds_fits_nothing(rng, config):
    report = learner(config).update(walks(rng, 20), rounds=0)
    assert (report.new_trajectories, report.gradient_steps) == (20, 0)


def test_queries_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="queries must be Queries, got 'challenge'"):
        OPRLLearner(STATES, ACTIONS, queries="challenge")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is one; take ensemble_size=3"):
        OPRLLearner(STATES, ACTIONS, queries=Queries("disagreement"))
    with pytest.raises(ValueError, match=r"segment_length must be an integer .* 2\.5"):
        Queries("uniform", 2.5)  # type: ignore[arg-type]
