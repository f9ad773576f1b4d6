from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import trajectory
from gymnasium import spaces

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.learning.batches import PairBatcher
from oprl_gym.learning.fitting import RewardFitter
from oprl_gym.learning.learner import MINIBATCH
from oprl_gym.preferences import Preference, Queries, ReturnTeacher
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.types import LateAnswers, Trajectory

STATES = spaces.Box(0, 1, (4,), dtype=np.float32)
FLOATS = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
ACTIONS = spaces.Discrete(2)
SMALL = OPRLConfig(
    hidden_size=16, min_preferences=8, pairs_per_update=16, gradient_steps=5
)


def walks(rng, n, length=5):
    """Return random walks over four states; seeing state 3 pays 1."""
    episodes = []
    for _ in range(n):
        states = rng.integers(4, size=length + 1).tolist()
        episodes.append(trajectory(states, [float(s == 3) for s in states[1:]]))
    return episodes


def float_episode(rng, length):
    return Trajectory(
        observations=rng.normal(size=(length + 1, 2)),
        actions=rng.integers(2, size=length),
        env_rewards=rng.normal(size=length),
        process_rewards=np.zeros(length),
        terminated=False,
    )


def learner(config=SMALL, teacher=None, seed=0, space=STATES):
    return OPRLLearner(space, ACTIONS, config, teacher, seed)


@pytest.mark.parametrize("aggregation", ["absorbing", "sum", "mean"])
@pytest.mark.parametrize("reward_input", ["obs", "next_obs", "obs_action"])
@pytest.mark.parametrize("max_rows", [0, 2, 4096])
def test_batches_give_the_logits_of_a_plain_loop(
    rng, aggregation, reward_input, max_rows
):
    """Whether rows are shared, not shared, or stop being shared half-way."""
    space = STATES if max_rows != 0 else FLOATS
    episodes = (
        walks(rng, 6, 7) if max_rows else [float_episode(rng, 4 + i) for i in range(6)]
    )
    encoder = StepEncoder(space, ACTIONS, reward_input)
    subject = learner(replace(SMALL, reward_input=reward_input), space=space)
    batcher = PairBatcher(encoder, aggregation)
    batcher._table.max_rows = max_rows
    preferences = [
        Preference(episodes[a], episodes[b], label)
        for a, b, label in [(0, 1, 1.0), (2, 3, 0.5), (1, 5, 0.0), (0, 0, 1.0)]
    ]

    def score(episode, other):
        rows = encoder.steps(
            episode.observations[:-1], episode.actions, episode.observations[1:]
        )
        scores = subject.model(torch.from_numpy(rows))
        if aggregation == "mean":
            return scores.mean()
        missing = max(0, len(other) - len(episode))
        absorbed = aggregation == "absorbing" and episode.terminated
        return scores.sum() + (missing * scores[-1] if absorbed else 0.0)

    expected = torch.stack(
        [score(p.first, p.second) - score(p.second, p.first) for p in preferences]
    )
    batch = batcher.batch(preferences)
    logits = batch.logits(subject.model(batch.rows))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert batch.labels.tolist() == [1.0, 0.5, 0.0, 1.0]


def test_a_minibatch_sees_some_steps_of_a_long_episode_weighted_up(rng):
    """On average that is the whole episode, at a cost that does not grow with it."""
    batcher = PairBatcher(StepEncoder(FLOATS, ACTIONS, "next_obs"), "sum")
    batcher._table.max_rows = 0
    long, short = float_episode(rng, 640), float_episode(rng, 10)
    batch = batcher.batch([Preference(long, short, 1.0)], rng)
    assert len(batch.rows) == 8 + 8
    expected = [639 / 7] * 7 + [1.0] + [-9 / 7] * 7 + [-1.0]
    np.testing.assert_allclose(batch.visits[0], expected, rtol=1e-5)

    first_value = torch.tensor(long.observations[1:, 0]).float()
    estimates = []
    for _ in range(400):
        batch = batcher.batch([Preference(long, short, 1.0)], rng)
        of_long = batch.visits[0].clamp(min=0.0)
        estimates.append(float(of_long @ batch.rows[:, 0]))
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - float(first_value.sum())) < 4 * error
    assert len(batcher.batch([Preference(long, short, 1.0)]).rows) == 650


def test_a_minibatch_scores_an_episode_of_several_pairs_once(rng):
    batcher = PairBatcher(StepEncoder(FLOATS, ACTIONS, "next_obs"), "sum")
    batcher._table.max_rows = 0
    a, b, c = (float_episode(rng, 100) for _ in range(3))
    pairs = [Preference(a, b, 1.0), Preference(c, a, 1.0)]
    batch = batcher.batch(pairs, rng)
    assert len(batch.rows) == 3 * 8
    assert torch.equal(batch.visits[0] > 0, batch.visits[1] < 0)
    assert (batch.visits[0] > 0).sum() == 8


def test_rows_seen_twice_are_scored_once(rng):
    batcher = PairBatcher(StepEncoder(STATES, ACTIONS, "next_obs"), "sum")
    a, b = walks(rng, 2, 50)
    assert len(batcher.batch([Preference(a, b, 1.0)]).rows) == 4


@pytest.mark.parametrize(
    ("batch_size", "max_rows", "pairs"),
    [("all", 4096, 90), ("all", 0, MINIBATCH), (16, 4096, 16), (16, 0, 16)],
)
def test_a_gradient_step_sees_all_preferences_where_rows_recur(
    rng, monkeypatch, batch_size, max_rows, pairs
):
    """Elsewhere, and if a size is given, it sees a minibatch, another one each time."""
    seen = []

    def step(self, batches):
        seen.append(batches)
        return torch.zeros(())

    monkeypatch.setattr(RewardFitter, "step", step)
    config = replace(
        SMALL, batch_size=batch_size, pairs_per_update=90, holdout_fraction=0.0
    )
    subject = learner(replace(config, ensemble_size=2), space=FLOATS)
    subject._batcher._table.max_rows = max_rows
    subject.update([float_episode(rng, 5) for _ in range(20)])
    assert len(seen) == SMALL.gradient_steps
    assert {len(one.labels) for of_step in seen for one in of_step} == {pairs}
    different = {id(one) for of_step in seen for one in of_step}
    assert len(different) == (1 if pairs == 90 else 2 * len(seen))


def test_nothing_is_fitted_before_there_are_enough_preferences(rng):
    subject = learner(replace(SMALL, min_preferences=1000))
    report = subject.update(walks(rng, 10))
    assert report.new_trajectories == 10
    assert report.new_preferences == 16
    assert report.gradient_steps == 0
    assert report.reward_loss is None
    assert not subject.reward_state().fitted


def test_the_model_comes_to_order_episodes_as_the_teacher_does(rng):
    """The held-out answers are predicted, and the paying state scores highest."""
    # Undiscounted, so that a sum over states can be the teacher's score exactly.
    config = replace(SMALL, gradient_steps=60, ties="skip", return_discount=1.0)
    subject = learner(config)
    first = subject.update(walks(rng, 20))
    for _ in range(8):
        last = subject.update(walks(rng, 20))
    assert last.reward_loss < 0.5 * first.reward_loss
    assert last.accuracy > 0.9
    scores = subject.process_reward.score_states(np.eye(4, dtype=np.float32))
    assert scores.argmax() == 3


def test_rounds_multiply_questions_and_gradient_steps(rng):
    subject = learner()
    report = subject.update(walks(rng, 10), rounds=3)
    assert report.new_preferences == 3 * SMALL.pairs_per_update
    assert report.gradient_steps == 3 * SMALL.gradient_steps


def test_memory_is_bounded_and_keeps_the_latest(rng):
    config = replace(SMALL, trajectory_capacity=5, preference_capacity=20)
    subject = learner(config)
    for _ in range(10):
        episodes = walks(rng, 4)
        report = subject.update(episodes)
        assert report.preferences <= 20
    assert len(subject.trajectories) == 5
    assert list(subject.trajectories)[-4:] == episodes
    assert len(subject.held_out) == 2
    assert len(subject.preferences) == 18


@pytest.mark.parametrize("episodes", [0, 1])
def test_too_few_episodes_are_no_error(rng, episodes):
    report = learner().update(walks(rng, episodes))
    assert report.new_preferences == 0
    assert report.accuracy is None


def test_ties_cost_no_questions(rng):
    """With one success among 30 episodes every pair drawn still gets an answer."""
    failures = [trajectory([0, 1, 2]) for _ in range(29)]
    report = learner(replace(SMALL, ties="skip")).update(
        [*failures, trajectory([0, 1, 3], [0, 1])]
    )
    assert report.new_preferences == SMALL.pairs_per_update


@pytest.mark.parametrize("baseline", ["best", "zero"])
def test_the_best_step_known_is_what_scores_are_measured_from(rng, baseline):
    """From "best", no step is worth lingering for."""
    subject = learner(replace(SMALL, baseline=baseline))
    subject.update(walks(rng, 10))
    with torch.inference_mode():
        raw = subject.model(torch.eye(4)).numpy()
    scores = subject.process_reward.score_states(np.eye(4, dtype=np.float32))
    best = raw.max() if baseline == "best" else 0.0
    np.testing.assert_allclose(scores, raw - best, atol=1e-6)


def test_where_no_row_recurs_the_best_of_a_sample_stands_for_all(rng):
    subject = learner(space=FLOATS)
    subject._batcher._table.max_rows = 0
    episodes = [float_episode(rng, 40) for _ in range(10)]
    subject.update(episodes)
    seen = np.concatenate([episode.observations[1:] for episode in episodes])
    scores = subject.process_reward.score_states(seen)
    assert np.mean(scores > 0) < 0.1
    assert scores.max() > -0.1


def test_nothing_is_fitted_without_a_new_answer(rng):
    """When all episodes are equally good, fitting on would only overfit."""
    subject = learner(replace(SMALL, trajectory_capacity=10, ties="skip"))
    subject.update(walks(rng, 10))
    before = subject.reward_state().weights
    report = subject.update([trajectory([0, 1, 3], [0, 1]) for _ in range(10)])
    assert report.new_preferences == 0
    assert report.gradient_steps == 0
    after = subject.reward_state().weights
    assert all(np.array_equal(before[name], after[name]) for name in before)


class SilentTeacher:
    """A person who has gone home."""

    def observe(self, trajectories):
        self.seen = list(trajectories)

    def decided_by(self, trajectories):
        return None

    def judge(self, first, second):
        return None


def test_a_teacher_of_ones_own_is_asked_and_may_say_nothing(rng):
    teacher = SilentTeacher()
    episodes = walks(rng, 4)
    report = learner(teacher=teacher).update(episodes)
    assert teacher.seen == episodes
    assert report.new_preferences == 0


def test_a_fit_that_blows_up_is_undone(rng):
    subject = learner()
    subject.update(walks(rng, 10))
    weights = {k: v.clone() for k, v in subject.model.state_dict().items()}
    state = subject.reward_state()
    poisoned = replace(
        walks(rng, 1)[0], observations=np.full((6, 4), np.nan, np.float32)
    )
    subject.preferences.append(Preference(poisoned, subject.trajectories[0], 1.0))
    subject.preferences.extend([subject.preferences[-1]] * 200)

    report = subject.update(walks(rng, 1))

    assert report.reverted
    assert report.reward_loss is None
    assert subject.reward_state().fitted is state.fitted
    for name, value in subject.model.state_dict().items():
        assert torch.equal(value, weights[name])
    subject.preferences.clear()
    assert not subject.update(walks(rng, 10)).reverted  # and it goes on


@pytest.mark.parametrize("ensemble_size", [1, 3])
def test_same_seed_same_weights_other_seed_other_weights(ensemble_size):
    config = replace(SMALL, ensemble_size=ensemble_size)

    def weights(seed):
        subject = learner(config, seed=seed)
        rng = np.random.default_rng(7)
        for _ in range(3):
            subject.update(walks(rng, 10))
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
    scores = subject.model.member_scores(torch.eye(4)).detach()
    assert not torch.allclose(scores[0], scores[1])


# --- queries, weights, late answers -------------------------------------------------


def test_queries_decide_what_the_teacher_is_asked(rng):
    asked = []

    class Noting(ReturnTeacher):
        def judge(self, first, second):
            asked.append((len(first), len(second)))
            return super().judge(first, second)

    subject = OPRLLearner(
        STATES, ACTIONS, SMALL, Noting(), 0, Queries("entropy", segment_length=2)
    )
    subject.update(walks(rng, 40))
    assert asked == [(2, 2)] * SMALL.pairs_per_update


def test_the_learner_predicts_what_its_model_scores(rng):
    subject = learner(replace(SMALL, ensemble_size=3))
    subject.update(walks(rng, 20))
    first, second = walks(rng, 2)
    probabilities = subject._predict([(first, second), (second, first)])
    assert probabilities.shape == (3, 2)
    assert probabilities.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    rows = torch.from_numpy(np.concatenate([first.observations[1:]]))
    others = torch.from_numpy(np.concatenate([second.observations[1:]]))
    with torch.inference_mode():
        scores = subject.model.member_scores(rows).sum(dim=1)
        logits = scores - subject.model.member_scores(others).sum(dim=1)
    assert probabilities[:, 0] == pytest.approx(torch.sigmoid(logits).numpy(), abs=1e-5)


def test_a_heavy_preference_wins_against_a_light_one_that_contradicts_it(rng):
    first, second = trajectory([0, 1]), trajectory([0, 2])

    def probability(weight):
        heavy = Preference(first, second, 1.0, weight)
        light = Preference(first, second, 0.0)
        config = replace(SMALL, holdout_fraction=0.0, min_preferences=1)
        subject = learner(config, Late([LateAnswers([heavy, light], [])]))
        subject.update([])
        for _ in range(30):
            subject._fit(5)
        return subject._predict([(first, second)])[0, 0]

    assert probability(3.0) == pytest.approx(0.75, abs=0.05)
    assert probability(1 / 3) == pytest.approx(0.25, abs=0.05)


class Late:
    """Answers one batch at a time, whatever it is asked."""

    def __init__(self, batches):
        self.batches = list(batches)
        self.versions = []

    def observe(self, trajectories):
        pass

    def decided_by(self, trajectories):
        return None

    def judge(self, first, second):
        return None

    def collect(self, model_version):
        self.versions.append(model_version)
        return self.batches.pop(0) if self.batches else LateAnswers([], [])


def test_late_answers_are_learned_from_and_can_be_withdrawn():
    first, second = trajectory([0, 1]), trajectory([0, 2])
    given = [Preference(first, second, 1.0) for _ in range(12)]
    teacher = Late([LateAnswers(given, []), LateAnswers([], given[:5])])
    subject = learner(teacher=teacher)
    report = subject.update([])
    assert (report.new_preferences, report.preferences) == (12, 12)
    assert report.gradient_steps == SMALL.gradient_steps
    assert subject.update([]).preferences == 7
    kept = {id(one) for one in [*subject.preferences, *subject.held_out]}
    assert kept == {id(one) for one in given[5:]}
    assert teacher.versions == [0, 1]


@pytest.mark.parametrize(("pairs", "rounds"), [(16, 1), (12, 1), (5, 3), (1, 12)])
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
