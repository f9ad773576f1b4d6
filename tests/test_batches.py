"""Batches of pairs: whatever is shared or sampled, logits are those of a plain sum."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from support.fakes import float_episode, trajectory

from oprl_gym import ProcessRewardModel
from oprl_gym.learning.answers import between_all, gathered
from oprl_gym.learning.batches import PairBatcher
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.types import Preference, Trajectory

STATES = spaces.Box(0, 1, (4,), dtype=np.float32)
FLOATS = spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
ACTIONS = spaces.Discrete(2)
MAX_ROWS = {"shared": 4096, "shared at first": 2, "of their own": 0}


def walk(rng, length):
    episode = trajectory(rng.integers(4, size=length + 1).tolist())
    return replace(episode, actions=rng.integers(2, size=length))


def batcher(space, reward_input="next_obs", first_visits=False, max_rows=4096):
    encoder = StepEncoder(space, ACTIONS, reward_input, first_visits)
    made = PairBatcher(encoder)
    made._table.max_rows = max_rows
    return made


def plain_score(encoder, model, episode):
    """Return the sum of the scores of an episode's steps, one after another."""
    total = torch.zeros(())
    for step in range(len(episode)):
        at = step + (encoder.reward_input == "next_obs")
        row = encoder.rows(
            episode.observations[[at]],
            episode.first_visits[[at]],
            episode.actions[[step]],
        )
        total = total + model(torch.from_numpy(row))[0]
    return total


@pytest.mark.parametrize("reward_input", ["obs", "next_obs", "obs_action"])
@pytest.mark.parametrize("first_visits", [False, True])
@pytest.mark.parametrize("rows", MAX_ROWS)
def test_they_give_the_logits_of_a_plain_loop(rng, reward_input, first_visits, rows):
    own = rows == "of their own"
    subject = batcher(
        FLOATS if own else STATES, reward_input, first_visits, MAX_ROWS[rows]
    )
    episodes = [(float_episode if own else walk)(rng, 4 + i) for i in range(6)]
    model = ProcessRewardModel(subject.encoder.input_dim, hidden_size=16)
    preferences = [
        Preference(episodes[a], episodes[b], label, weight)
        for a, b, label, weight in [
            (0, 1, 1.0, 1.0),
            (2, 3, 0.5, 2.0),
            (1, 5, 0.0, 1.0),
            (0, 0, 0.9, 4.0),
        ]
    ]
    answers = gathered(preferences)
    expected = [
        plain_score(subject.encoder, model, one) for one in answers.trajectories
    ]
    batch = subject.batch(answers)
    torch.testing.assert_close(
        batch.sums(model(batch.rows)), torch.stack(expected), atol=1e-5, rtol=1e-5
    )
    told = batch.shares > 0
    assert told.nonzero().tolist() == [[0, 0], [0, 1], [1, 4], [2, 3]]
    assert batch.labels[told].tolist() == pytest.approx([0.9, 1.0, 0.0, 0.5])
    assert batch.shares[told].tolist() == [0.5, 0.125, 0.125, 0.25]
    assert subject.rows_recur(episodes) == (rows == "shared")


def test_rows_seen_twice_are_scored_once(rng):
    answers = between_all([walk(rng, 50) for _ in range(5)], np.full((5, 5), 0.5))
    assert len(batcher(STATES).batch(answers).rows) == 4


def test_a_second_visit_has_a_row_of_its_own():
    once, again = trajectory([0, 1, 2]), trajectory([0, 1, 1])
    batch = batcher(STATES, first_visits=True).batch(
        gathered([Preference(once, again, 1.0)])
    )
    rows = [tuple(row) for row in batch.seen(batch.rows).tolist()]
    expected = {(0, 1, 0, 0, 1): [1, 1], (0, 0, 1, 0, 1): [1, 0]}
    expected[0, 1, 0, 0, 0] = [0, 1]
    assert dict(zip(rows, batch.visits.T.tolist(), strict=True)) == expected
    assert len(batch.rows) == 3 + 2  # one of the three is a revisit already
    assert batch.revisits is not None
    assert [tuple(row) for row in batch.rows[batch.revisits].tolist()] == [
        (*row[:-1], 0) for row in rows
    ]


def test_of_many_rows_some_are_looked_at_as_revisits(rng):
    subject = batcher(FLOATS, first_visits=True, max_rows=0)
    episodes = [float_episode(rng, 200) for _ in range(2)]
    answers = gathered([Preference(*episodes, 1.0)])
    batch = subject.batch(answers, rng)
    assert batch.rows.shape == (400 + 256, 3)
    assert batch.revisits.tolist() == list(range(400, 656))
    assert not batch.rows[batch.revisits][:, -1].any()
    seen = {tuple(row) for row in batch.seen(batch.rows)[:, :-1].tolist()}
    drawn = {tuple(row) for row in batch.rows[batch.revisits][:, :-1].tolist()}
    assert drawn < seen
    assert len(drawn) == 256
    assert len(subject.batch(answers).revisits) == 400


def test_rows_that_do_not_say_whether_they_are_new_have_no_revisits(rng):
    answers = between_all([walk(rng, 5) for _ in range(2)], np.full((2, 2), 0.5))
    assert batcher(STATES).batch(answers).revisits is None


def test_a_batch_has_no_rows_that_its_trajectories_are_never_at(rng):
    subject = batcher(STATES)
    subject.rows_recur([walk(rng, 50)])
    one = gathered([Preference(trajectory([0, 1]), trajectory([0, 2]), 1.0)])
    assert len(subject.batch(one).rows) == 2


def test_it_is_told_which_columns_of_long_rows_are_not_all_0(rng):
    """Not of rows that are short of such, nor where a 0 is normalised to something."""
    wide = spaces.Box(0, 1, (20,), dtype=np.float32)
    states = np.eye(20, dtype=np.float32)[rng.choice([2, 3, 11], size=(6, 5))]
    none = np.zeros(4)
    episodes = [Trajectory(one, none, none, none, terminated=False) for one in states]
    answers = between_all(episodes, np.full((6, 6), 0.5))
    assert batcher(wide).batch(answers).columns.tolist() == [2, 3, 11]
    flagged = batcher(wide, first_visits=True).batch(answers)
    assert flagged.columns.tolist() == [2, 3, 11, 20]
    assert not flagged.rows[:, [n for n in range(20) if n not in (2, 3, 11)]].any()
    reals = spaces.Box(-np.inf, np.inf, (20,), dtype=np.float32)
    assert batcher(reals).batch(answers).columns is None
    walks = [walk(rng, 5) for _ in range(6)]
    answers = between_all(walks, np.full((6, 6), 0.5))
    assert batcher(STATES).batch(answers).columns is None


def test_a_sample_sees_some_steps_of_a_long_episode_weighted_up(rng):
    """On average that is the whole episode, at a cost that does not grow with it."""
    subject = batcher(FLOATS, max_rows=0)
    long, short = float_episode(rng, 640), float_episode(rng, 10)
    one = gathered([Preference(long, short, 1.0)])
    batch = subject.batch(one, rng, 8)
    assert len(batch.rows) == 8 + 8
    of_long, of_short = batch.visits[0, :8], batch.visits[1, 8:]
    np.testing.assert_allclose(of_long, [639 / 7] * 7 + [1.0], rtol=1e-5)
    np.testing.assert_allclose(of_short, [9 / 7] * 7 + [1.0], rtol=1e-5)
    assert not batch.visits[0, 8:].any()
    assert not batch.visits[1, :8].any()

    estimates = []
    for _ in range(400):
        batch = subject.batch(one, rng, 8)
        estimates.append(float(batch.visits[0] @ batch.rows[:, 0]))
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - long.observations[1:, 0].sum()) < 4 * error
    assert len(subject.batch(one).rows) == 650
    assert len(subject.batch(one, None, 8).rows) == 650


def test_an_episode_of_several_pairs_is_sampled_once(rng):
    subject = batcher(FLOATS, max_rows=0)
    a, b, c = (float_episode(rng, 100) for _ in range(3))
    batch = subject.batch(
        gathered([Preference(a, b, 1.0), Preference(c, a, 1.0)]), rng, 8
    )
    assert batch.rows.shape == (3 * 8, 2)
    assert batch.visits.shape == (3, 3 * 8)
    assert batch.shares.nonzero().tolist() == [[0, 1], [0, 2]]


def test_sampled_steps_know_whether_they_were_first_visits(rng):
    states = rng.integers(4, size=101)
    long = trajectory(states.tolist())
    subject = batcher(STATES, first_visits=True, max_rows=0)
    batch = subject.batch(gathered([Preference(long, long, 1.0)]), rng, 8)
    rows = batch.seen(batch.rows)
    first = {step: bool(long.first_visits[step]) for step in range(1, 101)}
    assert rows[-1, 4] == first[100]
    assert rows[:, 4].sum() <= sum(first.values())


def test_equal_labels_weigh_as_much_as_they_are_told_to(rng):
    answers = between_all([walk(rng, 3) for _ in range(4)], np.full((4, 4), 0.5))
    shares = batcher(STATES).batch(answers).shares
    assert shares[shares > 0].tolist() == pytest.approx([1 / 6] * 6)


def test_once_rows_hardly_recur_nothing_is_kept_of_them(rng):
    subject = batcher(FLOATS, max_rows=50)
    few = [float_episode(rng, 20) for _ in range(2)]
    assert subject.rows_recur(few)
    assert not subject.rows_recur([*few, float_episode(rng, 20)])
    assert not subject.rows_recur(few)
    assert subject.state()["overflowed"]


def test_rows_are_numbered_as_in_the_state_it_goes_on_from(rng):
    """The order of rows decides how sums round, and so what a resumed run learns."""
    episodes = [walk(rng, 10) for _ in range(4)]
    answers = between_all(episodes, np.full((4, 4), 0.5))
    subject, other = batcher(STATES), batcher(STATES)
    subject.rows_recur(episodes[::-1])
    other.batch(answers)
    other.load_state(subject.state())
    for name in ("rows", "visits", "labels", "shares"):
        ours, theirs = (getattr(one.batch(answers), name) for one in (subject, other))
        assert torch.equal(ours, theirs)
