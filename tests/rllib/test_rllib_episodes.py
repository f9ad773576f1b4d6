"""Chunks of episodes are put together to whole ones."""

import numpy as np
import pytest
from fakes import CountingEnv
from small import samples, small_ppo

from oprl_gym.rllib.episodes import EpisodeAssembler, StepSpaces
from oprl_gym.types import EnvError

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


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_a_number_that_is_none_is_named(what):
    (sample,) = counting(5, steps=10, times=1)
    episode = sample[0]
    values = episode.rewards if what == "reward" else episode.observations
    values.data[2] = np.nan
    with pytest.raises(EnvError, match=f"NaN or infinite {what} at step 2"):
        EpisodeAssembler(SPACES).add(sample)
