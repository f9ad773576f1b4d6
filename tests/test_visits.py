"""What an episode sees for the first time: told at once, or step by step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.one_hot import FEW
from oprl_gym.visits import VisitTracker, first_visits, keys, pack_keys, unpack_keys

WALKS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def told(places):
    """Return observations that tell where an agent is, (n, 2) float32."""
    return np.array([[place, -place] for place in places], dtype=np.float32)


def test_by_hand():
    assert first_visits(told([2, 2, 0, 2, 1])).tolist() == [True, False, True, False, 1]


@given(WALKS)
def test_as_many_first_visits_as_places_and_the_first_is_one(places):
    first = first_visits(told(places))
    assert first[0]
    assert first.sum() == len(set(places))
    assert sorted(np.array(places)[first]) == sorted(set(places))


@given(WALKS)
def test_a_second_round_sees_nothing_new(places):
    assert not first_visits(told(places + places))[len(places) :].any()


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, 4, 3]),
        np.array([[True], [False], [True]]),
        np.array([[0.5, 0.25], [0.5, 0.26], [0.5, 0.25]]),
        [3, 4, 3],
    ],
    ids=["of a Discrete space", "bool", "float64", "a list"],
)
def test_observations_of_any_kind(values):
    assert first_visits(values).tolist() == [True, True, False]


def test_one_bit_is_a_difference():
    near = np.array([[1.0], [np.nextafter(1.0, 2.0)], [1.0]])
    assert first_visits(near).tolist() == [True, True, False]


def test_pictures_are_told_apart_by_short_keys():
    pictures = np.zeros((3, 40, 40), dtype=np.uint8)
    pictures[1, 5, 5] = 1
    assert first_visits(pictures).tolist() == [True, True, False]
    assert {len(key) for key in keys(pictures)} == {16}


def test_an_observation_out_of_a_strided_array_is_the_same_observation():
    """As that of one env out of a buffer that holds all envs'."""
    buffer = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    assert keys(buffer[:, 1]) == keys(buffer[:, 1].copy())


@given(st.lists(WALKS, min_size=1, max_size=4))
def test_step_by_step_it_is_told_as_at_once(walks):
    """Of envs that step together, whose episodes begin and end at their own times."""
    tracker = VisitTracker(num_envs=1)
    for walk in walks:
        tracker.begin(told(walk[:1]))
        seen = [bool(tracker.latest[0])]
        for place in walk[1:]:
            seen += tracker.step(told([place])).tolist()
            assert tracker.latest[0] == seen[-1]
        assert seen == first_visits(told(walk)).tolist()


def test_each_env_has_a_memory_of_its_own():
    tracker = VisitTracker(num_envs=2)
    tracker.begin(told([0, 1]))
    assert tracker.step(told([1, 1])).tolist() == [True, False]
    assert tracker.step(told([0, 0])).tolist() == [False, True]


def test_a_new_episode_in_one_env_leaves_the_others_going():
    tracker = VisitTracker(num_envs=2)
    tracker.begin(told([0, 0]))
    tracker.step(told([1, 1]))
    tracker.begin(told([2, 2]), np.array([False, True]))
    assert tracker.latest.tolist() == [True, True]
    assert tracker.step(told([0, 0])).tolist() == [False, True]


def test_what_was_said_of_a_step_stays_said():
    """Whoever keeps steps may keep the answer: no later episode writes over it."""
    tracker = VisitTracker(num_envs=1)
    tracker.begin(told([0]))
    last = tracker.step(told([0]))
    tracker.begin(told([1]))
    assert last.tolist() == [False]


@given(WALKS, st.integers(0, 3))
def test_it_goes_on_in_the_middle_of_an_episode(places, place):
    tracker = VisitTracker(num_envs=2)
    tracker.begin(told([9, 9]))
    tracker.resume(1, told(places))
    assert tracker.latest[1] == first_visits(told(places))[-1]
    expected = first_visits(told([*places, place]))[-1]
    assert tracker.step(told([9, place])).tolist() == [False, expected]


def test_an_endless_episode_is_not_remembered_without_end(monkeypatch):
    """What comes late is new each time it comes; told at once or step by step."""
    monkeypatch.setattr("oprl_gym.visits.MOST", 3)
    walk = told([0, 1, 2, 3, 2, 3])
    new = [True, True, True, True, False, True]
    assert first_visits(walk).tolist() == new
    tracker = VisitTracker(1)
    tracker.begin(walk[:1])
    assert [bool(tracker.step(one[None])[0]) for one in walk[1:]] == new[1:]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=30))
def test_of_many_envs_it_is_told_as_of_each_alone(events):
    """One-hot observations are found by place there, until one is something else."""
    many = FEW
    together = VisitTracker(many)
    alone = [VisitTracker(1) for _ in range(many)]
    rows = np.concatenate([np.eye(4), np.zeros((1, 4))]).astype(np.float32)
    shifts = np.arange(many)
    together.begin(rows[shifts % 4])
    for tracker, row in zip(alone, rows[shifts % 4], strict=True):
        tracker.begin(row[None])
    for number, (place, beginning) in enumerate(events):
        # An all-zeros row, as at the end of some envs, comes late and in one env alone.
        at = (shifts + place) % 4
        if number > 20:
            at[beginning] = 4
        told_each = [
            tracker.step(row[None])[0]
            for tracker, row in zip(alone, rows[at], strict=True)
        ]
        assert together.step(rows[at]).tolist() == told_each
        mask = shifts % 5 == beginning
        together.begin(rows[at], mask)
        for env in np.flatnonzero(mask):
            alone[env].begin(rows[at[env]][None])
    for ours, (theirs,) in zip(
        together.state(), (tracker.state() for tracker in alone), strict=True
    ):
        assert unpack_keys(ours) == unpack_keys(theirs)


@given(WALKS, st.integers(0, 3))
def test_many_envs_go_on_in_the_middle_of_an_episode(places, place):
    rows = np.eye(10, dtype=np.float32)
    tracker = VisitTracker(FEW)
    tracker.begin(rows[np.full(FEW, 9)])
    tracker.resume(1, rows[places])
    saved = VisitTracker(FEW)
    saved.load_state(tracker.state())
    reached = np.full(FEW, 9)
    reached[1] = place
    new = tracker.step(rows[reached])
    assert new[1] == first_visits(rows[[*places, place]])[-1]
    assert not np.delete(new, 1).any()
    assert saved.step(rows[reached]).tolist() == new.tolist()


@pytest.mark.parametrize("num_envs", [FEW - 1, FEW])
def test_of_many_envs_with_pictures(num_envs):
    """Too long to be remembered by where their 1 is."""
    tracker = VisitTracker(num_envs)
    pictures = np.zeros((num_envs, 84, 84, 1), np.uint8)
    tracker.begin(pictures)
    assert not tracker.step(pictures).any()
    assert tracker.step(pictures + 1).all()


def test_keys_of_different_lengths_are_saved():
    """Of an env that gives fractions in a space of integers, now and then."""
    tracker = VisitTracker(num_envs=1)
    tracker.begin(np.array([[3]], np.uint8))
    tracker.step(np.array([[3.5]]))
    loaded = VisitTracker(num_envs=1)
    loaded.load_state(tracker.state())
    assert not loaded.step(np.array([[3.5]])).any()
    assert not loaded.step(np.array([[3]], np.uint8)).any()


def test_keys_cut_short_are_refused():
    packed = pack_keys([b"ab", b"c"])
    assert unpack_keys(packed) == [b"ab", b"c"]
    with pytest.raises(ValueError, match="2 bytes of keys, not 3"):
        unpack_keys({**packed, "bytes": packed["bytes"][:2]})
