"""What the connector makes of rewards is what the wrapper makes of them."""

import gymnasium as gym
import numpy as np
import pytest
from fakes import CountingEnv
from oprl_gym.wrappers import ProcessRewardWrapper
from oprl_gym.wrappers.shaping import Shaping
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from small import KnownTrainer, samples, small_ppo

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.rllib.connector import ProcessRewardConnector
from oprl_gym.rllib.episodes import StepSpaces

pytestmark = pytest.mark.usefixtures("ray_here")


ENVS = {
    "terminated": lambda: CountingEnv(length=5),
    "truncated": lambda: CountingEnv(length=5, terminates=False),
    "maze": lambda: gym.make("OPRLMaze-v0", layout="S.G", max_episode_steps=7),
}
SHAPINGS = {
    "default": Shaping(),
    "scaled": Shaping(scale=-2.5, gamma=0.9),
    "ends not charged": Shaping(charge_ends=False),
    "potential": Shaping(mode="potential", gamma=0.9),
    "process reward alone": Shaping(env_reward_weight=0.0),
    "action": Shaping(reward_input="obs_action"),
}


def known_learner(env, shaping):
    config = OPRLConfig(hidden_size=8, reward_input=shaping.reward_input or "next_obs")
    learner = OPRLLearner(env.observation_space, env.action_space, config, seed=1)
    learner.process_reward.fitted = True
    learner.process_reward.best = 0.1  # most scores are then below 0, as once fitted
    return learner


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
        charge_ends=shaping.charge_ends,
        env_reward_weight=shaping.env_reward_weight,
    )
    wrapped.load_reward_state(learner.reward_state())
    wrapped.reset(seed=0)
    return np.array([wrapped.step(action)[1] for action in actions])


@pytest.mark.parametrize("shaping", SHAPINGS.values(), ids=SHAPINGS)
@pytest.mark.parametrize("env_name", ENVS)
def test_rewards_are_those_of_the_wrapper(env_name, shaping):
    """Episodes are scored in chunks of three steps, across their borders too."""
    make_env = ENVS[env_name]
    env = make_env()
    learner = known_learner(env, shaping)
    config = small_ppo(make_env, num_envs=1)
    sampled = [chunk for sample in samples(config, 3, 6) for chunk in sample]
    first = sampled[0].id_
    chunks = [chunk for chunk in sampled if chunk.id_ == first]
    assert len(chunks) > 1
    assert chunks[-1].is_done
    mixed = through_connector(learner, env, shaping, list(chunks))
    actions = np.concatenate([chunk.get_actions() for chunk in chunks])
    expected = wrapper_rewards(learner, make_env, shaping, actions)
    rewards = np.concatenate([chunk.get_rewards() for chunk in mixed])
    own = np.concatenate([chunk.get_rewards() for chunk in chunks])
    np.testing.assert_allclose(rewards - own, expected - own, rtol=1e-6, atol=1e-6)
    assert (rewards != own).any(), "nothing was added: the test shows nothing"


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
    scores = learner.process_reward.score_states(np.array([[3.0], [4.0]], np.float32))
    np.testing.assert_allclose(mixed.get_rewards(), [3, 4] + 0.1 * scores, rtol=1e-6)
    before = mixed.get_rewards([-2, -1], neg_index_as_lookback=True)
    np.testing.assert_array_equal(before, [1, 2])
