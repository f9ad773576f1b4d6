"""Chunks of episodes are put together to whole ones."""

from itertools import pairwise

import numpy as np
import pytest
from small import samples, small_ppo
from support.fakes import BackAndForth, CountingEnv

from oprl_gym.rllib.episodes import EpisodeAssembler, StepSpaces, read_chunk
from oprl_gym.types import EnvError
from oprl_gym.visits import first_visits

SPACES = StepSpaces(CountingEnv().observation_space, CountingEnv().action_space)


def counting(length, terminates=True, steps=4, times=8):
    config = small_ppo(lambda: CountingEnv(length, terminates))
    return samples(config, steps, times)


@pytest.mark.parametrize("terminates", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_an_episode_is_whole_however_it_was_cut(length, terminates):
    """Two envs, and a sample every two steps of each."""
    assembler = EpisodeAssembler(SPACES)
    sampled = counting(length, terminates)
    episodes = [episode for sample in sampled for episode in assembler.add(sample)]
    steps = sum(len(chunk) for sample in sampled for chunk in sample)
    # All steps but those of the at most two episodes that have not ended.
    assert steps - 2 * length < length * len(episodes) <= steps
    for episode in episodes:
        count = np.arange(length + 1)
        np.testing.assert_array_equal(episode.observations[:, 0] % 100, count)
        assert len({int(value) // 100 for value in episode.observations[:, 0]}) == 1
        np.testing.assert_array_equal(episode.env_rewards, 1000.0 + count[1:])
        assert episode.actions.shape == (length,)
        assert episode.terminated is terminates


def test_an_episode_without_its_beginning_is_left_out():
    """As where an assembler comes to a runner that has begun already."""
    assembler = EpisodeAssembler(SPACES)
    whole = [one for sample in counting(7)[1:] for one in assembler.add(sample)]
    assert whole
    assert all(len(episode) == 7 for episode in whole)


def test_an_episode_with_a_gap_is_left_out():
    assembler = EpisodeAssembler(SPACES)
    first, _, third, fourth = counting(7, times=4)
    for sample in (first, third, fourth):
        assert assembler.add(sample) == []


def test_what_a_runner_gave_up_is_forgotten():
    """A failed env begins anew under another id; kept chunks would pile up."""
    assembler = EpisodeAssembler(SPACES)
    for _ in range(5):
        assembler.add(counting(7, times=1)[0])
    assert len(assembler._begun) == 2


def test_nothing_a_runner_returned_is_changed():
    sampled = counting(7)
    before = [(c.id_, len(c), c.get_return()) for sample in sampled for c in sample]
    assembler = EpisodeAssembler(SPACES)
    for sample in sampled:
        assembler.add(sample)
    after = [(c.id_, len(c), c.get_return()) for sample in sampled for c in sample]
    assert after == before


def going_back_and_forth(steps):
    """Return samples of two envs, in which episodes of seven steps come back a lot."""
    env = BackAndForth()
    of = StepSpaces(env.observation_space, env.action_space)
    return samples(small_ppo(BackAndForth), steps, 24 // steps), of


@pytest.mark.parametrize("steps", [2, 4, 6, 24])
def test_chunks_and_episodes_know_what_is_new_in_them(steps):
    sampled, of = going_back_and_forth(steps)
    assembler = EpisodeAssembler(of)
    episodes = [one for sample in sampled for one in assembler.add(sample)]
    assert len(episodes) >= 2
    for episode in episodes:
        expected = first_visits(episode.observations)
        np.testing.assert_array_equal(episode.first_visits, expected)
    pieces = {}
    for chunk in (chunk for sample in sampled for chunk in sample):
        pieces.setdefault(chunk.id_, []).append(read_chunk(chunk, of))
    for chunks in pieces.values():
        seen = np.concatenate([chunk.observations[:-1] for chunk in chunks])
        noted = np.concatenate([chunk.first_visits[:-1] for chunk in chunks])
        np.testing.assert_array_equal(noted, first_visits(seen))
        for one, following in pairwise(chunks):
            assert one.first_visits[-1] == following.first_visits[0]


def test_nothing_is_noted_where_the_beginning_is_missing():
    (_, *later), of = going_back_and_forth(4)
    assembler = EpisodeAssembler(of)
    for sample in later:
        assembler.add(sample)
    chunks = [chunk for sample in later for chunk in sample]
    headless = {chunk.id_ for chunk in later[0] if chunk.t_started > 0}
    assert len(headless) == 2
    for chunk in chunks:
        if chunk.id_ in headless:
            alone = first_visits(chunk.get_observations())
            np.testing.assert_array_equal(read_chunk(chunk, of).first_visits, alone)


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_a_number_that_is_none_is_named(what):
    (sample,) = counting(5, steps=10, times=1)
    episode = sample[0]
    values = episode.rewards if what == "reward" else episode.observations
    values.data[2] = np.nan
    with pytest.raises(EnvError, match=f"NaN or infinite {what} at step 2"):
        EpisodeAssembler(SPACES).add(sample)
