"""What does not work is refused, and the remedy named."""

import sqlite3
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module.observation_preprocessor import (
    SingleAgentObservationPreprocessor as ObservationPreprocessor,
)
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from small import built, small_ppo

from oprl_gym import OPRLConfig
from oprl_gym.preferences import ReturnTeacher
from oprl_gym.rllib import with_oprl
from oprl_gym.types import EnvError


class Numbers(gym.Env):
    """Gives observations that nobody can learn from."""

    observation_space = spaces.Box(-1, 1, (2,), dtype=np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, observation_space=None, reward=0.0):
        if observation_space is not None:
            self.observation_space = observation_space
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), self.reward, False, False, {}


class TwoAgents(MultiAgentEnv):
    """Two agents who do nothing."""

    def __init__(self):
        super().__init__()
        self.agents = self.possible_agents = ["left", "right"]
        box = spaces.Box(-1, 1, (2,), dtype=np.float32)
        self.observation_spaces = dict.fromkeys(self.agents, box)
        self.action_spaces = dict.fromkeys(self.agents, spaces.Discrete(2))


@pytest.mark.parametrize("config", [{"lr": 1e-3}, PPOConfig, None])
def test_what_is_no_config(config):
    with pytest.raises(TypeError, match=r"takes the config .* PPOConfig\(\), got"):
        with_oprl(config)


def test_another_algorithm():
    with pytest.raises(ValueError, match=r"PPOConfig, got DQNConfig.*OPRLCallback"):
        with_oprl(DQNConfig())


@pytest.mark.parametrize(
    "old", ["enable_rl_module_and_learner", "enable_env_runner_and_connector_v2"]
)
def test_the_old_api_stack(old):
    config = PPOConfig().api_stack(**{old: False})
    message = rf"new API stack.*'{old}': False.*config.api_stack"
    with pytest.raises(ValueError, match=message):
        with_oprl(config)


def test_several_agents_by_the_config():
    config = PPOConfig().multi_agent(
        policies={"left", "right"}, policy_mapping_fn=lambda agent, *_: agent
    )
    message = r"single agent.*\['left', 'right'\].*leave out config.multi_agent"
    with pytest.raises(ValueError, match=message):
        with_oprl(config)


def test_several_agents_by_the_env():
    config = PPOConfig().environment(TwoAgents)
    with pytest.raises(ValueError, match=r"single agent.*TwoAgents.*leave out"):
        with_oprl(config)


def test_a_teacher_that_cannot_travel():
    teacher = ReturnTeacher()
    teacher.database = sqlite3.connect(":memory:")
    with pytest.raises(ValueError, match=r"ReturnTeacher.*cannot be sent.*databases"):
        with_oprl(PPOConfig(), teacher=teacher)
    teacher.database.close()


def test_two_of_them():
    with pytest.raises(ValueError, match="added twice; call with_oprl once"):
        with_oprl(with_oprl(PPOConfig()))


def test_shaping_that_makes_no_sense():
    with pytest.raises(ValueError, match="scale must be a finite number, got inf"):
        with_oprl(PPOConfig(), scale=float("inf"))
    with pytest.raises(ValueError, match="needs a score of the state alone"):
        with_oprl(PPOConfig(), OPRLConfig(reward_input="obs_action"), mode="potential")


def test_the_given_config_stays_as_it_is():
    config = PPOConfig()
    assert with_oprl(config) is not config
    with_oprl(config)


class Readable(ObservationPreprocessor):
    """Lets RLlib's network see zeros, whatever the env gives."""

    def recompute_output_observation_space(self, observation_space, action_space):
        return spaces.Box(-1, 1, (2,), dtype=np.float32)

    def preprocess(self, observation, episode):
        return np.zeros(2, dtype=np.float32)


def rewritten(observation_space):
    config = small_ppo(lambda: Numbers(observation_space))
    return config.env_runners(
        env_to_module_connector=lambda env, spaces, device: Readable()
    )


@pytest.mark.usefixtures("ray_here")
class TestWhenBuilt:
    def test_a_space_that_cannot_be_read(self):
        config = with_oprl(rewritten(spaces.Sequence(spaces.Discrete(3))))
        message = r"cannot read the observation space Sequence.*wrap the env so that"
        with pytest.raises(ValueError, match=message), built(config):
            pass

    def test_observations_rewritten_by_a_connector(self):
        space = spaces.Box(-1, 1, (3,), dtype=np.float32)
        message = r"of shape \(2,\), but the env's .* says \(3,\).*a wrapper of the env"
        with (
            built(with_oprl(rewritten(space))) as algorithm,
            pytest.raises(EnvError, match=message),
        ):
            algorithm.train()

    @pytest.mark.filterwarnings("ignore:.*The reward is a NaN value")  # Gymnasium's
    @pytest.mark.parametrize("runners", [0, 1])
    def test_a_reward_that_is_no_number(self, runners):
        """Also where RLlib would restart an env runner that fails, time and again."""
        make_env = partial(Numbers, reward=float("nan"))
        config = with_oprl(small_ppo(make_env, runners))
        with (
            built(config) as algorithm,
            pytest.raises(EnvError, match="gave a NaN or infinite reward at step 0"),
        ):
            algorithm.train()
