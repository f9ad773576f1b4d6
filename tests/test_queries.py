"""Which pairs are asked about, and how long the pieces shown are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import trajectory

from oprl_gym.preferences import Queries, random_segment, segment
from oprl_gym.preferences.queries import entropy, mixed_pairs, rarity, successes

EPISODES = [trajectory([0, 1, 2, 3]) for _ in range(6)]


def unsure_of(special):
    """Return a model of two that is torn, and two-minded, where ``special`` is."""

    def predict(pairs):
        torn = np.array([special in pair for pair in pairs])
        return np.stack([np.where(torn, 0.3, 0.99), np.where(torn, 0.7, 0.99)])

    return predict


def sure(pairs):
    return np.ones((1, len(pairs)))


# --- segments -----------------------------------------------------------------------


def test_a_segment_is_cut_where_it_should_be():
    whole = trajectory([0, 1, 2, 3], [0.0, 1.0, 2.0])
    part = segment(whole, start=1, length=2)
    assert part.observations.argmax(axis=1).tolist() == [1, 2, 3]
    assert part.env_rewards.tolist() == [1.0, 2.0]
    assert len(part.actions) == len(part.process_rewards) == 2


def test_only_the_last_steps_of_a_terminated_episode_are_terminated():
    whole = trajectory([0, 1, 2, 3], [0, 0, 10])
    assert whole.terminated
    assert segment(whole, 1, 2).terminated
    assert not segment(whole, 0, 2).terminated
    truncated = trajectory([0, 1, 2, 3])
    assert not segment(truncated, 1, 2).terminated


@pytest.mark.parametrize(("start", "length"), [(0, 0), (-1, 1), (2, 2), (0, 4)])
def test_steps_that_are_not_there_cannot_be_cut(start, length):
    with pytest.raises(ValueError, match="of 3 steps has no"):
        segment(trajectory([0, 1, 2, 3]), start, length)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_random_segments_have_the_length_asked_for_or_are_whole(steps, length, seed):
    whole = trajectory([0] * (steps + 1))
    part = random_segment(whole, length, np.random.default_rng(seed))
    assert len(part) == min(steps, length)
    if length >= steps:
        assert part is whole


def test_random_segments_come_from_every_place_equally_often(rng):
    whole = trajectory([0, 1, 2, 3])
    starts = [
        int(random_segment(whole, 1, rng).observations[0].argmax()) for _ in range(3000)
    ]
    assert np.bincount(starts).min() > 900


# --- choice -------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["disagreement", "entropy"])
def test_the_model_is_asked_what_it_knows_least(choice, rng):
    special = EPISODES[3]
    pairs = Queries(choice).draw(EPISODES, 2, unsure_of(special), rng)
    assert len(pairs) == 2
    assert all(special in pair for pair in pairs)


def test_disagreement_and_entropy_are_different_things(rng):
    """Models that all say 0.5 are unsure, but of one mind."""
    first, other = EPISODES[0], EPISODES[1]

    def predict(pairs):
        unsure = np.array([first in pair for pair in pairs])
        torn = np.array([other in pair for pair in pairs]) & ~unsure
        return np.where(unsure, 0.5, np.where(torn, [[0.1], [0.9]], 0.99))

    (by_spread,) = Queries("disagreement").draw(EPISODES, 1, predict, rng)
    (by_entropy,) = Queries("entropy").draw(EPISODES, 1, predict, rng)
    assert other in by_spread
    assert first not in by_spread
    assert first in by_entropy


def test_uniform_choice_does_not_ask_the_model(rng):
    pairs = Queries().draw(EPISODES, 500, lambda pairs: 1 / 0, rng)
    assert all(first is not second for first, second in pairs)
    kinds = {frozenset((id(first), id(second))) for first, second in pairs}
    assert len(kinds) == len(pairs) == 15  # nobody is asked the same twice


def test_successes_are_set_against_failures_in_both_orders(rng):
    won = trajectory([0, 1], [10.0])
    lost = [trajectory([0, 1, 2, 3]) for _ in range(200)]
    pairs = Queries("success_failure").draw([won, *lost], 40, sure, rng)
    assert len(pairs) == 40
    assert all((won is first) != (won is second) for first, second in pairs)
    assert 5 < sum(won is first for first, _ in pairs) < 35


def test_without_a_success_the_least_sure_pairs_are_asked_about(rng):
    special = EPISODES[2]
    pairs = Queries("success_failure").draw(EPISODES, 2, unsure_of(special), rng)
    assert all(special in pair for pair in pairs)


@pytest.mark.parametrize(
    "choice", ["uniform", "disagreement", "success_failure", "challenge"]
)
@pytest.mark.parametrize("n", [0, 1])
def test_one_episode_makes_no_pair(choice, n, rng):
    assert Queries(choice).draw(EPISODES[:n], 3, sure, rng) == []


def test_pieces_are_shown_if_a_length_is_given(rng):
    pairs = Queries(segment_length=2).draw(EPISODES, 9, sure, rng)
    assert {len(side) for pair in pairs for side in pair} == {2}


def test_the_same_generator_asks_the_same(rng):
    again = np.random.default_rng(0)
    predict = unsure_of(EPISODES[0])
    one = Queries("entropy").draw(EPISODES, 3, predict, rng)
    two = Queries("entropy").draw(EPISODES, 3, predict, again)
    assert [(id(a), id(b)) for a, b in one] == [(id(a), id(b)) for a, b in two]


def test_the_rarest_are_set_against_what_the_model_holds_best(rng):
    common = [trajectory([0, 1, 0]) for _ in range(18)]
    rare, best = trajectory([0, 2, 3]), trajectory([0, 1, 1])

    def predict(pairs):
        return np.array([[0.1 if second is best else 0.6 for _, second in pairs]])

    pool = [*common[:9], best, rare, *common[9:]]
    pairs = [Queries("challenge").draw(pool, 1, predict, rng) for _ in range(30)]
    assert all(len(drawn) == 1 for drawn in pairs)
    asked = [drawn[0] for drawn in pairs if rare in drawn[0]]
    assert len(asked) > 5  # the rarest two of 20 are challengers
    assert all(best in pair for pair in asked)
    assert {pair[0] is rare for pair in asked} == {True, False}


def test_rarity_by_hand():
    pieces = [trajectory([0, 1]), trajectory([0, 1]), trajectory([0, 2])]
    half = 2**-0.5
    third = 3**-0.5
    expected = [third + half, third + half, third + 1]
    assert rarity(pieces) == pytest.approx(expected)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"choice must be one of uniform, .*'best'"):
        Queries("best")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"segment_length must be an integer .*got 0"):
        Queries(segment_length=0)


def test_entropy_by_hand():
    assert entropy(np.array([0.5, 0.0, 1.0])) == pytest.approx(
        [np.log(2), 0, 0], abs=1e-9
    )


def test_success_is_a_return_in_the_upper_half():
    returns = [trajectory([0, 1], [reward]) for reward in (0.0, 4.0, 10.0)]
    assert successes(returns).tolist() == [False, False, True]
    assert successes(EPISODES).tolist() == [False] * 6
    assert successes([]).tolist() == []


def test_mixed_pairs_mix(rng):
    success = np.array([True, False, False, True])
    pairs = mixed_pairs(success, 200, rng)
    assert (success[pairs].sum(axis=1) == 1).all()
    assert set(pairs.ravel()) == {0, 1, 2, 3}
