"""What the agent of an RLlib run gets, what is logged, what stays the user's."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.connectors.env_to_module import FlattenObservations, MeanStdFilter
from small import built, small_ppo
from support.fakes import QUICK, CountingEnv

from oprl_gym.preferences import ReturnTeacher, ScoreTeacher
from oprl_gym.rllib import with_oprl
from oprl_gym.rllib.connector import ProcessRewardConnector

pytestmark = pytest.mark.usefixtures("ray_here")
CONNECTORS = {"flatten": FlattenObservations, "filter": MeanStdFilter}


class Lengths(ScoreTeacher):
    """Prefers the episode that ended sooner."""

    def scores(self, trajectories):
        return np.array([[-len(trajectory)] for trajectory in trajectories])


class LongOrShort(CountingEnv):
    """Pays 1 a step, in episodes of 7 and of 3 steps by turns."""

    def reset(self, *, seed=None, options=None):
        self.length = 10 - self.length  # 3 at first, so it begins with 7
        return super().reset(seed=seed, options=options)

    def step(self, action):
        observation, _, *others = super().step(action)
        return observation, 1.0, *others


def of_learners(algorithm, function):
    """Return what a function gives for the process reward's piece in each learner."""

    def call(learner):
        (piece,) = learner._learner_connector[ProcessRewardConnector]
        return function(piece)

    results = algorithm.learner_group.foreach_learner(call).result_or_errors
    return [result.get() for result in results]


def train(config, iterations=4):
    with built(config) as algorithm:
        return [algorithm.train() for _ in range(iterations)]


class Spy(ConnectorV2):
    """Notes the rewards of the episodes that pass."""

    seen: list = []  # noqa: RUF012 (a learner makes its own; the test reads this)

    def __call__(self, *, episodes, batch, **kwargs):
        # PPO's own piece has added a step to each episode, which pays nothing.
        self.seen += [list(episode.get_rewards()[:-1]) for episode in episodes]
        return batch


@pytest.mark.parametrize("runners", [0, 2])
def test_returns_stay_the_envs_own_and_the_agent_gets_the_mixed_reward(runners):
    Spy.seen.clear()
    config = small_ppo(LongOrShort, runners, steps=128)
    config.learners(learner_connector=lambda *spaces: Spy())
    results = train(with_oprl(config, QUICK, teacher=Lengths(), scale=-5.0))
    for result in results:
        env_runners = result["env_runners"]
        assert env_runners["episode_return_mean"] == env_runners["episode_len_mean"]
        assert env_runners["episode_return_max"] == 7
    assert results[-1]["oprl"]["process_reward_mean"] != 0
    assert (np.concatenate(Spy.seen[-10:]) != 1).mean() > 0.5


def test_what_is_logged():
    results = train(with_oprl(small_ppo(LongOrShort, steps=128), QUICK))
    logged = results[-1]["oprl"]
    assert set(logged) == {
        "reward_loss",
        "accuracy",
        "score_spread",
        "preferences",
        "process_reward_mean",
        "env_reward_mean",
        "env_reward_weight",
        "mixed_return",
    }
    assert logged["env_reward_mean"] == logged["env_reward_weight"] == 1.0
    assert logged["preferences"] > 0


class Mine(RLlibCallback):
    """A user's callback."""

    def on_train_result(self, *, result, **kwargs):
        result["mine"] = "class"


def mine_too(*, result, **kwargs):
    result["mine too"] = "function"


def test_the_users_callbacks_stay():
    config = small_ppo().callbacks(Mine, on_train_result=mine_too)
    (result,) = train(with_oprl(config), 1)
    assert (result["mine"], result["mine too"]) == ("class", "function")
    assert "oprl" in result


@pytest.mark.parametrize("learners", [1, 2])
def test_remote_learners_score_by_the_same_weights(learners):
    config = small_ppo(num_env_runners=1, steps=128).learners(num_learners=learners)
    with built(with_oprl(config, QUICK)) as algorithm:
        for _ in range(3):
            result = algorithm.train()
        versions = of_learners(algorithm, lambda piece: piece._version)
        biases = of_learners(
            algorithm,
            lambda piece: [
                float(weights.sum())
                for weights in piece._scorer.process_reward.model.parameters()
            ],
        )
    assert len(versions) == learners
    assert versions[0] >= 3
    assert len(set(versions)) == 1
    assert all(bias == biases[0] for bias in biases)
    assert result["oprl"]["reward_loss"] is not None


def test_the_discount_is_the_algorithms():
    config = small_ppo().training(gamma=0.5)
    with built(with_oprl(config, mode="potential")) as algorithm:
        (shaping,) = of_learners(algorithm, lambda piece: piece._scorer.shaping)
    assert (shaping.gamma, shaping.mode) == (0.5, "potential")


def test_evaluation_is_not_learned_from():
    config = small_ppo(num_env_runners=1).evaluation(
        evaluation_num_env_runners=1, evaluation_interval=1, evaluation_duration=2
    )
    with built(with_oprl(config)) as algorithm:
        result = algorithm.train()
        state = algorithm.get_state(components="oprl")["oprl"]
    assert result["evaluation"]["env_runners"]["num_episodes"] == 2
    assert state["steps"] == result["num_env_steps_sampled_lifetime"]


def dict_env():
    """Return an env with Dict observations, as RLlib flattens them."""
    box = spaces.Box(-1, 1, (2,), dtype=np.float32)
    space = spaces.Dict(here=box, key=spaces.Discrete(3))
    return gym.wrappers.TransformObservation(
        gym.make("CartPole-v1"),
        lambda observation: {"here": np.clip(observation[:2], -1, 1), "key": 1},
        space,
    )


@pytest.mark.parametrize(
    ("env", "connector", "values"),
    [
        (lambda: gym.make("FrozenLake-v1"), "flatten", 16),
        (dict_env, "flatten", 5),
        ("Pendulum-v1", "filter", 3),
    ],
)
def test_connectors_that_rlllibs_networks_need(env, connector, values):
    make = CONNECTORS[connector]
    config = small_ppo(env).env_runners(
        env_to_module_connector=lambda env, spaces, device: make()
    )
    with built(with_oprl(config, QUICK)) as algorithm:
        algorithm.train()
        (rows,) = of_learners(
            algorithm, lambda piece: piece._scorer.process_reward.encoder.input_dim
        )
    assert rows == values + 1, "the last one tells of first visits"


def test_a_teacher_that_compares_returns_reaches_the_trainer():
    config = with_oprl(small_ppo(steps=128), QUICK, teacher=ReturnTeacher())
    (result,) = train(config, 1)
    assert result["oprl"]["preferences"] == 0, "all failed; equal returns say nothing"
