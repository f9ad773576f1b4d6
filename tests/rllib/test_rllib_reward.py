"""What the connector makes of rewards is what the wrapper makes of them."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.minibatch_utils import ShardEpisodesIterator
from small import KnownTrainer, built, samples, small_ppo
from support.fakes import BackAndForth, CountingEnv
from support.known_weights import KnownWeights

from oprl_gym import OPRLConfig
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.rllib import with_oprl
from oprl_gym.rllib.connector import ProcessRewardConnector
from oprl_gym.rllib.episodes import FIRST_VISITS, EpisodeAssembler, StepSpaces
from oprl_gym.visits import first_visits
from oprl_gym.wrappers import ProcessRewardWrapper

pytestmark = pytest.mark.usefixtures("ray_here")


ENVS = {
    "terminated": lambda: CountingEnv(length=5),
    "truncated": lambda: CountingEnv(length=5, terminates=False),
    "maze": lambda: gym.make("OPRLMaze-v0", layout="S.G", max_episode_steps=7),
    "seen again": BackAndForth,
}
SHAPINGS = {
    "default": Shaping(),
    "scaled": Shaping(scale=-2.5, gamma=0.9),
    "potential": Shaping(mode="potential", gamma=0.9),
    "state before": Shaping(reward_input="obs"),
    "process reward alone": Shaping(env_reward_weight=0.0),
    "action": Shaping(reward_input="obs_action"),
}


def known_learner(env, shaping):
    config = OPRLConfig(hidden_size=8, reward_input=shaping.reward_input or "next_obs")
    spaces = env.observation_space, env.action_space
    return KnownWeights(*spaces, config=config, unit=2.5)


def first_episode(make_env, noted=True):
    """Return the chunks, of three steps each, of an env runner's first episode.

    First visits are noted in them as its callback would do, unless told otherwise.
    """
    env = make_env()
    assembler = EpisodeAssembler(StepSpaces(env.observation_space, env.action_space))
    sampled = samples(small_ppo(make_env, num_envs=1), 3, 6)
    if noted:
        for sample in sampled:
            assembler.add(sample)
    chunks = [chunk for sample in sampled for chunk in sample]
    chunks = [chunk for chunk in chunks if chunk.id_ == chunks[0].id_]
    assert len(chunks) > 1
    assert chunks[-1].is_done
    return chunks


def joined(chunks, what="rewards"):
    return np.concatenate([getattr(chunk, f"get_{what}")() for chunk in chunks])


def through_connector(learner, env, shaping, chunks):
    of = StepSpaces(env.observation_space, env.action_space)
    trainer = KnownTrainer(learner.reward_state())
    connector = ProcessRewardConnector(trainer, of, shaping)
    connector(rl_module=None, batch={}, episodes=chunks)
    return chunks


def wrapper_rewards(learner, make_env, shaping, actions):
    """Return the rewards of an episode with these actions, by the wrapper."""
    wrapped = ProcessRewardWrapper(
        make_env(),
        shaping.scale,
        shaping.mode,
        shaping.gamma,
        env_reward_weight=shaping.env_reward_weight,
    )
    wrapped.load_reward_state(learner.reward_state())
    wrapped.reset(seed=0)
    return np.array([wrapped.step(action)[1] for action in actions])


def assert_as_wrapped(learner, make_env, shaping, chunks, mixed):
    """Check the rewards of all chunks of an episode, and that there is any."""
    actions, own, rewards = joined(chunks, "actions"), joined(chunks), joined(mixed)
    expected = wrapper_rewards(learner, make_env, shaping, actions)
    np.testing.assert_allclose(rewards - own, expected - own, rtol=1e-6, atol=1e-6)
    assert (rewards != own).any(), "nothing was added: the test shows nothing"


@pytest.mark.parametrize("shaping", SHAPINGS.values(), ids=SHAPINGS)
@pytest.mark.parametrize("env_name", ENVS)
def test_rewards_are_those_of_the_wrapper(env_name, shaping):
    """Episodes are scored in chunks of three steps, across their borders too."""
    make_env = ENVS[env_name]
    env = make_env()
    learner = known_learner(env, shaping)
    chunks = first_episode(make_env)
    mixed = through_connector(learner, env, shaping, list(chunks))
    assert_as_wrapped(learner, make_env, shaping, chunks, mixed)


@pytest.mark.parametrize("late", [False, True])
def test_whether_the_env_pays_late_is_the_learners_to_say(late):
    env = BackAndForth()
    learner = known_learner(env, Shaping())
    learner.process_reward.changed(late=late)
    chunks = first_episode(BackAndForth)
    mixed = through_connector(learner, env, Shaping(), list(chunks))
    assert_as_wrapped(learner, BackAndForth, Shaping(), chunks, mixed)


@pytest.mark.parametrize("lookback", [0, 1, 5])
def test_an_episode_divided_between_learners(lookback):
    """RLlib cuts chunks once more, and keeps of them what not all others keep."""
    env = BackAndForth()
    learner = known_learner(env, Shaping())
    chunks = first_episode(BackAndForth)
    shards = ShardEpisodesIterator(chunks, 4, len_lookback_buffer=lookback)
    parts = [
        part
        for shard in shards
        for part in through_connector(learner, env, Shaping(), shard)
    ]
    assert len(parts) > len(chunks)
    parts.sort(key=lambda part: part.t_started)
    assert_as_wrapped(learner, BackAndForth, Shaping(), chunks, parts)


def test_without_a_past_a_chunk_speaks_for_itself():
    """As where a runner came back in the middle: its callback noted nothing."""
    env = BackAndForth()
    learner = known_learner(env, Shaping())
    chunks = first_episode(BackAndForth, noted=False)
    mixed = through_connector(learner, env, Shaping(), list(chunks))
    for given, got in zip(chunks, mixed, strict=True):
        reached = given.get_observations()
        visits = first_visits(reached)
        scores = learner.process_reward.score(reached[1:], visits[1:])
        expected = given.get_rewards() + 0.1 * 2.5 * scores
        np.testing.assert_allclose(got.get_rewards(), expected, rtol=1e-6)


def test_what_was_noted_does_not_get_into_the_batch():
    env = BackAndForth()
    chunks = first_episode(BackAndForth)
    names = [set(chunk.extra_model_outputs) for chunk in chunks]
    learner = known_learner(env, Shaping())
    mixed = through_connector(learner, env, Shaping(), list(chunks))
    assert [set(chunk.extra_model_outputs) for chunk in chunks] == names
    expected = [one - {FIRST_VISITS} for one in names]
    assert [set(chunk.extra_model_outputs) for chunk in mixed] == expected
    assert names != expected


def test_the_given_episodes_stay_as_they_are():
    """An env runner in the same process reads their returns later on."""
    env = CountingEnv()
    learner = known_learner(env, Shaping())
    chunks = [c for sample in samples(small_ppo(CountingEnv), 4, 2) for c in sample]
    before = [chunk.get_return() for chunk in chunks]
    through_connector(learner, env, Shaping(), list(chunks))
    assert [chunk.get_return() for chunk in chunks] == before


def test_whole_numbers_as_rewards_and_a_lookback_buffer():
    env = CountingEnv()
    learner = known_learner(env, Shaping())
    episode = SingleAgentEpisode(
        observations=[np.full(1, i, dtype=np.float32) for i in range(5)],
        actions=[0, 1, 2, 3],
        rewards=[1, 2, 3, 4],
        len_lookback_buffer=2,
        observation_space=env.observation_space,
        action_space=env.action_space,
    ).to_numpy()
    (mixed,) = through_connector(learner, env, Shaping(), [episode])
    reached = np.array([[3.0], [4.0]], np.float32)
    scores = 2.5 * learner.process_reward.score(reached, np.ones(2, dtype=np.bool_))
    np.testing.assert_allclose(mixed.get_rewards(), [3, 4] + 0.1 * scores, rtol=1e-6)
    before = mixed.get_rewards([-2, -1], neg_index_as_lookback=True)
    np.testing.assert_array_equal(before, [1, 2])


class Noting(ConnectorV2):
    """Notes what a learner learns from."""

    def __init__(self):
        super().__init__()
        self.parts = []

    def __call__(self, *, episodes, batch, **kwargs):
        # PPO's own piece has added a step and a number to each episode.
        self.parts += [
            (
                one.id_.split("_")[0],
                one.t_started,
                one.get_observations(0),
                one.get_actions(slice(None, -1)),
                one.get_rewards(slice(None, -1)),
            )
            for one in episodes
        ]
        return batch


def learned_from(algorithm):
    """Return what all learners have learned from, by episode and in its order."""
    noted = algorithm.learner_group.foreach_learner(
        lambda learner: learner._learner_connector[Noting][0].parts
    )
    parts = [part for result in noted.result_or_errors for part in result.get()]
    episodes = {}
    for part in sorted(parts, key=lambda part: part[1]):
        episodes.setdefault(part[0], []).append(part)
    return list(episodes.values())


def use_known_weights(learner, state):
    (piece,) = learner._learner_connector[ProcessRewardConnector]
    piece._trainer = KnownTrainer(state)


def beginning_at(observation):
    env = BackAndForth()
    env.episode = int(observation.argmax()) - 1  # which says where the next one begins
    return env


@pytest.mark.parametrize(("runners", "learners"), [(0, 0), (2, 2)])
def test_the_learners_of_a_run_get_the_wrappers_rewards(runners, learners):
    """Ten steps for each, and episodes of seven: they span samples and learners."""
    learner = known_learner(BackAndForth(), Shaping())
    config = small_ppo(BackAndForth, runners, num_envs=1, steps=10)
    config.training(minibatch_size=5).learners(
        num_learners=learners, learner_connector=lambda *spaces: Noting()
    )
    with built(with_oprl(config)) as algorithm:
        algorithm.learner_group.foreach_learner(
            partial(use_known_weights, state=learner.reward_state())
        )
        for _ in range(5):
            algorithm.train()
        episodes = learned_from(algorithm)
    whole = [parts for parts in episodes if sum(len(part[3]) for part in parts) == 7]
    assert len(whole) >= 5
    assert sum(len(parts) > 1 for parts in whole) >= 3
    for parts in whole:
        make_env = partial(beginning_at, parts[0][2])
        actions = np.concatenate([part[3] for part in parts])
        expected = wrapper_rewards(learner, make_env, Shaping(), actions)
        rewards = np.concatenate([part[4] for part in parts])
        np.testing.assert_allclose(rewards, expected, rtol=1e-6, atol=1e-6)
