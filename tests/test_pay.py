"""EnvPay: how much an env pays, and whether only when all is over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import trajectory

from oprl_gym.preferences.pay import EPISODES, MEMORY, EnvPay


def paid(*rewards):
    return trajectory([0] * (len(rewards) + 1), list(rewards))


AT_END = paid(0.0, 0.0, 3.0)
NEVER = paid(0.0, 0.0, 0.0)
BEFORE = paid(0.0, 1.0, 3.0)


def after(*episodes):
    pay = EnvPay()
    pay.observe(episodes)
    return pay


def test_a_score_is_worth_the_largest_payment_or_what_episodes_cost():
    pay = EnvPay()
    assert pay.unit == 1.0
    for episode, unit in [
        (paid(0.2, 0.3), 1.0),  # not blown up
        (paid(0.0, 0.0, 2.0), 2.0),  # a goal counts whole
        (paid(*[1.0] * 9), 2.0),  # what is paid at each step teaches by itself
        (paid(*[-1.0] * 31), 4.875),  # the mean of 0.5, 2, 9 and -31
        (paid(10.0, -8.0), 10.0),
        (paid(1.0, 1.0), 10.0),  # a payment is not forgotten
    ]:
        pay.observe([episode])
        assert pay.unit == pytest.approx(unit)


def test_costs_are_those_of_late():
    """One episode that costs a lot is not all there is, nor what was before."""
    pay = after(*[paid(-4.0, -4.0)] * MEMORY)
    assert pay.unit == 8.0
    pay.observe([paid(-800.0, -8.0)])
    assert pay.unit == pytest.approx(12.0)
    pay.observe([paid(-1.0, -1.0)] * MEMORY)
    assert pay.unit == 2.0


def test_whether_it_is_late_is_open_until_the_first_ten_episodes():
    pay = EnvPay()
    for _ in range(EPISODES - 1):
        pay.observe([AT_END])
        assert pay.late is None
    pay.observe([AT_END])
    assert pay.late is True


@pytest.mark.parametrize("place", range(EPISODES))
@pytest.mark.parametrize(
    "other",
    [
        NEVER,  # a goal that was not reached
        BEFORE,
        paid(2.0, 0.0, 0.0),
        paid(1.0, -1.0, 3.0),
        paid(3.0),  # of one step nobody can tell
    ],
    ids=["unpaid", "paid all along", "paid first", "adds up to 0", "one step"],
)
def test_one_other_episode_among_the_first_says_it_is_not(place, other):
    episodes = [AT_END] * EPISODES
    episodes[place] = other
    assert after(*episodes).late is False


def test_a_loss_at_the_end_is_pay_at_the_end():
    assert after(*[paid(0.0, 0.0, -1.0)] * EPISODES).late is True


def test_an_agent_that_succeeds_nearly_always_later_changes_nothing():
    """It failed once while it knew nothing, so a reward at the end is for success."""
    assert after(NEVER, *[AT_END] * 1000).late is False


def test_it_is_taken_back_where_a_tenth_does_not_bear_it_out():
    pay = after(*[AT_END] * 90)
    pay.observe([NEVER] * 10)
    assert pay.late is True  # 90 of 100
    pay.observe([NEVER])
    assert pay.late is False
    pay.observe([AT_END] * 1000)
    assert pay.late is False  # for good


def test_it_does_not_matter_how_many_episodes_come_at_a_time():
    episodes = [AT_END] * EPISODES + [NEVER] * 6 + [AT_END] * 100
    at_once, one_by_one = after(*episodes), EnvPay()
    for episode in episodes:
        one_by_one.observe([episode])
    assert at_once.late is one_by_one.late is False  # 44 of the first 50


def test_a_few_among_the_first_may_be_chance():
    assert after(*[AT_END] * EPISODES, *[NEVER] * 2, *[AT_END] * 100).late is True


def test_episodes_of_long_ago_do_not_count():
    pay = after(*[AT_END] * 10_000)
    pay.observe([NEVER] * (MEMORY // 10))
    assert pay.late is True
    pay.observe([NEVER])
    assert pay.late is False


KINDS = st.lists(st.sampled_from([AT_END, NEVER, BEFORE]), max_size=40)


@given(KINDS, st.integers(0, 40))
def test_it_goes_on_from_its_state(episodes, saved_after):
    straight, saved, loaded = after(*episodes), after(*episodes[:saved_after]), EnvPay()
    loaded.load_state(saved.state())
    loaded.observe(episodes[saved_after:])
    assert loaded.state() == straight.state()


def test_a_state_shares_no_memory_with_what_goes_on():
    pay = after(AT_END)
    state = pay.state()
    pay.observe([AT_END])
    assert state["paid_at_end"] == [True]


def test_integer_rewards_and_an_empty_list_are_fine():
    pay = EnvPay()
    pay.observe([])
    assert (pay.unit, pay.late) == (1.0, None)
    pay.observe([paid(*np.array([0, 0, 4]))])
    assert pay.unit == 4.0
