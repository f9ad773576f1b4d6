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
