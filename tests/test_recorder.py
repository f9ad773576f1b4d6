import tracemalloc

import numpy as np
import pytest

from oprl_gym.preferences import EpisodeRecorder

NO = np.zeros(1, bool)
YES = np.ones(1, bool)


def step(recorder, action, reward, reached, terminated=NO, truncated=NO):
    recorder.step(
        np.array([action]),
        np.array([reward]),
        np.array([-reward]),
        np.array([[reached]], dtype=np.float32),
        terminated,
        truncated,
    )


def test_an_episode_is_cut_out_with_its_terminal_observation():
    recorder = EpisodeRecorder(1)
    recorder.begin(np.array([[10.0]], np.float32))
    step(recorder, 1, 0.5, 11)
    assert recorder.pop() == []
    step(recorder, 2, 0.25, 12, terminated=YES)
    recorder.begin(np.array([[20.0]], np.float32))
    step(recorder, 3, 4.0, 21, truncated=YES)

    first, second = recorder.pop()
    assert first.observations.ravel().tolist() == [10, 11, 12]
    assert first.actions.tolist() == [1, 2]
    assert first.env_rewards.tolist() == [0.5, 0.25]
    assert first.process_rewards.tolist() == [-0.5, -0.25]
    assert first.terminated
    assert second.observations.ravel().tolist() == [20, 21]
    assert not second.terminated
    assert recorder.pop() == []


def test_beginning_again_discards_an_unfinished_episode():
    recorder = EpisodeRecorder(1)
    recorder.begin(np.array([[10.0]], np.float32))
    step(recorder, 1, 0.5, 11)
    recorder.begin(np.array([[20.0]], np.float32))
    step(recorder, 2, 0.5, 21, terminated=YES)
    (episode,) = recorder.pop()
    assert episode.observations.ravel().tolist() == [20, 21]


def test_the_callers_buffers_may_be_reused():
    recorder = EpisodeRecorder(1)
    observation = np.array([[1.0]], np.float32)
    recorder.begin(observation)
    observation[:] = 99
    step(recorder, 0, 0.0, 2, terminated=YES)
    (episode,) = recorder.pop()
    recorder.begin(observation)
    step(recorder, 0, 0.0, 3)
    assert episode.observations.ravel().tolist() == [1, 2]


@pytest.mark.parametrize("lengths", [[3, 1, 700], [1, 1, 1], [257, 255, 256]])
def test_many_envs_past_every_growth_and_move_of_the_buffers(lengths):
    """Each env counts up by itself; every episode must be one unbroken count."""
    n = len(lengths)
    recorder = EpisodeRecorder(n, max_episodes=10_000)
    length = np.array(lengths)
    state = np.arange(n) * 10_000
    recorder.begin(state[:, None])
    since = np.zeros(n, dtype=np.int64)
    ends = 0
    for _ in range(1500):
        state = state + 1
        since += 1
        done = since == length
        recorder.step(
            since, since * 1.0, since * 2.0, state[:, None], done, np.zeros(n, bool)
        )
        ends += done.sum()
        if done.any():
            since[done] = 0
            state = np.where(done, state + 5, state)  # a reset jumps
            recorder.begin(state[:, None], done)
    episodes = recorder.pop()
    assert len(episodes) == ends
    for episode in episodes:
        assert len(episode) in lengths
        assert np.all(np.diff(episode.observations.ravel()) == 1)
        assert episode.actions.tolist() == list(range(1, len(episode) + 1))


def test_undrained_episodes_are_dropped_oldest_first_with_one_warning():
    recorder = EpisodeRecorder(1, max_episodes=2)
    recorder.begin(np.array([[0.0]], np.float32))

    def one_step_episodes(numbers):
        for number in numbers:
            step(recorder, number, 0.0, 1, terminated=YES)
            recorder.begin(np.array([[0.0]], np.float32))

    one_step_episodes([0, 1])
    with pytest.warns(UserWarning, match="OPRLCallback") as warned:
        one_step_episodes([2, 3, 4])
    assert len(warned) == 1
    assert [episode.actions[0] for episode in recorder.pop()] == [3, 4]


def test_it_tells_what_the_running_episodes_have_seen_so_far():
    recorder = EpisodeRecorder(1)
    assert recorder.running() == []
    recorder.begin(np.array([[10.0]], np.float32))
    assert [one.ravel().tolist() for one in recorder.running()] == [[10]]
    step(recorder, 1, 0.5, 11)
    step(recorder, 1, 0.5, 12, terminated=YES)
    recorder.begin(np.array([[20.0]], np.float32))
    step(recorder, 1, 0.5, 21)
    assert [one.ravel().tolist() for one in recorder.running()] == [[20, 21]]


def test_of_several_envs_each_has_its_own_running_episode():
    recorder = EpisodeRecorder(2)
    recorder.begin(np.array([[10], [20]]))
    ends = np.array([True, False])
    recorder.step(
        np.zeros(2), np.zeros(2), np.zeros(2), np.array([[11], [21]]), ends, ends & NO
    )
    recorder.begin(np.array([[15], [99]]), ends)
    assert [one.ravel().tolist() for one in recorder.running()] == [[15], [20, 21]]


def test_first_visits_are_those_of_the_episode_alone():
    """What an env was at in an earlier episode is new again in the next."""
    recorder = EpisodeRecorder(1)
    for _ in range(2):
        recorder.begin(np.array([[1.0]], np.float32))
        for reached, end in [(2, NO), (1, NO), (2, NO), (3, YES)]:
            step(recorder, 0, 0.0, reached, terminated=end)
    for episode in recorder.pop():
        assert episode.first_visits.tolist() == [True, True, False, False, True]


def test_a_step_needs_a_beginning():
    with pytest.raises(RuntimeError, match="begin"):
        step(EpisodeRecorder(1), 0, 0.0, 0)


def counted(recorder, lengths, steps, between=lambda recorder: recorder):
    """Record envs that count, each through episodes of its own length.

    Args:
        recorder: A new one.
        lengths: (N,) steps of an episode in each env.
        steps: To take.
        between: Makes of the recorder, after each step, the one to go on with.
    """
    n = len(lengths)
    nothing = np.zeros(n, bool)
    state, since = np.arange(n) * 100_000, np.zeros(n, int)
    recorder.begin(state[:, None])
    for _ in range(steps):
        state, since = state + 1, since + 1
        ended = since == lengths
        recorder.step(since, since * 1.0, since * 2.0, state[:, None], ended, nothing)
        if ended.any():
            since[ended] = 0
            state = np.where(ended, state + 5, state)  # a reset jumps
            recorder.begin(state[:, None], ended)
        recorder = between(recorder)
    return recorder


def check_counted(episodes):
    for episode in episodes:
        assert np.all(np.diff(episode.observations.ravel()) == 1)
        assert episode.actions.tolist() == list(range(1, len(episode) + 1))
        assert episode.env_rewards.tolist() == episode.actions.tolist()
        assert episode.process_rewards.tolist() == (2 * episode.actions).tolist()


def test_a_long_episode_beside_short_ones_is_recorded_whole():
    lengths = np.array([3] * 9 + [1400])
    recorder = counted(EpisodeRecorder(10, max_episodes=10_000), lengths, 1450)
    running = recorder.running()[9].ravel()
    assert len(running) == 51
    episodes = recorder.pop()
    assert sorted({len(episode) for episode in episodes}) == [3, 1400]
    check_counted(episodes)


def test_of_a_long_episode_all_is_saved_and_told():
    def saved_and_loaded(recorder):
        loaded = EpisodeRecorder(10, max_episodes=10_000)
        loaded.load_state(recorder.state())
        assert np.all(np.diff(loaded.running()[9].ravel()) == 1)
        return loaded

    def now_and_then(recorder):
        nonlocal count
        count += 1
        return saved_and_loaded(recorder) if count % 97 == 0 else recorder

    count = 0
    lengths = np.array([3] * 9 + [700])
    recorder = counted(
        EpisodeRecorder(10, max_episodes=10_000), lengths, 800, now_and_then
    )
    episodes = recorder.pop()
    assert [len(episode) for episode in episodes if len(episode) > 3] == [700]
    check_counted(episodes)


def test_an_episode_that_does_not_end_costs_the_memory_of_one_env():
    n, steps, width = 16, 5000, 200
    recorder = EpisodeRecorder(n)
    nothing = np.zeros(n, bool)
    rows = np.zeros((n, width), np.float32)
    others = np.arange(n) > 0
    tracemalloc.start()
    recorder.begin(rows)
    for number in range(steps):
        ended = others & (number % 20 == 19)
        recorder.step(nothing, nothing, nothing, rows, ended, nothing)
        if ended.any():
            recorder.begin(rows, ended)
            recorder.pop()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * steps * width * 4


def test_where_no_episode_ends_it_is_said_once_what_to_do():
    recorder = EpisodeRecorder(2)
    with pytest.warns(UserWarning, match=r"TimeLimit\(env, max_episode_") as caught:
        counted(recorder, np.array([10**6, 10**6]), 9000)
    assert len(caught) == 1


def test_where_others_have_ended_a_long_episode_is_nothing_to_warn_of():
    recorder = counted(EpisodeRecorder(1), np.array([2]), 4)
    recorder = counted(recorder, np.array([6000]), 6000)
    assert [len(episode) for episode in recorder.pop()] == [2, 2, 6000]


def test_an_episode_that_is_too_long_is_given_up_and_the_next_one_recorded(monkeypatch):
    monkeypatch.setattr("oprl_gym.episodes.recorder.LONGEST", 1000)
    lengths = np.array([3] * 9 + [5000])
    recorder = EpisodeRecorder(10, max_episodes=20_000)
    with pytest.warns(UserWarning, match="has not ended in 1,") as caught:
        recorder = counted(recorder, lengths, 5100)
    assert len(caught) == 1
    assert len(recorder.running()[9]) == 101
    episodes = recorder.pop()
    assert {len(episode) for episode in episodes} == {3}
    check_counted(episodes)


def test_pictures_are_too_long_sooner(monkeypatch):
    monkeypatch.setattr("oprl_gym.episodes.recorder.MOST_BYTES", 8000)
    with pytest.warns(UserWarning, match="has not ended"):
        counted(EpisodeRecorder(1), np.array([10**6]), 1100)
