"""Whatever order wrappers are stacked in: it works, or one error names the remedy.

The weights of the process reward stay as they are, so that every number an agent, a
learner or a log gets can be worked out from the env's own observations and rewards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize
from support.known_weights import SETTINGS, KnownWeights, agent
from support.wrapper_orders import EPISODE_LENGTH, ORDERS, PAID, Order, cells_of

from oprl_gym import OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.types import Trajectory
from oprl_gym.wrappers import VecProcessReward

SCALE = 0.1
STEPS = 60


class Witness(BaseCallback):
    """Notes what each env step told and gave the agent."""

    def __init__(self) -> None:
        super().__init__()
        self.env_rewards: list[list[float]] = []
        self.mixed: list[np.ndarray] = []

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.env_rewards.append([info["env_reward"] for info in infos])
        scores = [info["process_reward"] for info in infos]
        mixed = np.array(self.env_rewards[-1]) + SCALE * np.array(scores)
        self.mixed.append(mixed)
        normalize = self.model.get_vec_normalize_env()
        expected = mixed if normalize is None else normalize.normalize_reward(mixed)
        np.testing.assert_allclose(self.locals["rewards"], expected, rtol=1e-6)
        return True


@pytest.fixture
def build() -> Iterator[Any]:
    """Return what builds an agent, and close its env at the end."""
    built: list[BaseAlgorithm] = []

    def build_agent(order: Order, kind: type[BaseAlgorithm]) -> BaseAlgorithm:
        built.append(agent(kind, order.make()))
        return built[-1]

    yield build_agent
    for model in built:
        model.get_env().close()


def check_episode(episode: Trajectory, learner: OPRLLearner) -> None:
    """Its observations and rewards are the env's own, its scores the learner's."""
    cells = cells_of(episode.observations)
    first = int(cells[0])
    assert first % 4 == 0
    assert cells.tolist() == [first + step for step in range(EPISODE_LENGTH + 1)]
    assert episode.env_rewards.tolist() == PAID
    new = np.ones(EPISODE_LENGTH, dtype=bool)  # a calendar never shows a day twice
    scores = learner.process_reward.score(episode.observations[1:], new)
    assert np.ptp(scores) > 0
    np.testing.assert_allclose(episode.process_rewards, scores, atol=1e-6)


def check_replay(model: OffPolicyAlgorithm, witness: Witness) -> None:
    """What the buffer gives an agent is what the wrapper gave, up to VecNormalize."""
    rows = np.arange(len(witness.mixed))
    buffer = model.replay_buffer
    buffer._get_samples(rows)  # which brings their rewards up to date
    assert buffer.pos == len(rows)
    np.testing.assert_allclose(buffer.rewards[rows], witness.mixed, rtol=1e-6)
    for env in range(buffer.n_envs):
        before = cells_of(buffer.observations[rows, env])
        reached = cells_of(buffer.next_observations[rows, env])
        assert reached.tolist() == (before + 1).tolist()


def cases(works: bool) -> Any:
    chosen = [
        pytest.param(order, kind, id=f"{order}-{kind.__name__}")
        for order in ORDERS
        for kind in order.kinds
        if (order.refusal(kind) is None) is works
    ]
    return pytest.mark.parametrize(("order", "kind"), chosen)


@cases(works=True)
def test_rewards_episodes_and_the_reported_return_are_right(build, order, kind):
    model = build(order, kind)
    learner, witness = (
        KnownWeights.of(model),
        Witness(),
    )
    model.learn(STEPS, callback=[OPRLCallback(learner=learner), witness])

    paid = np.array(witness.env_rewards)
    assert paid.T.tolist() == [(PAID * STEPS)[: len(paid)]] * paid.shape[1]
    assert len(learner.memory.trajectories) >= 15
    for episode in learner.memory.trajectories:
        check_episode(episode, learner)
    ends = [episode.terminated for episode in learner.memory.trajectories]
    assert any(ends) is not ("TimeLimit" in order.code)
    assert not all(ends)
    # What `rollout/ep_rew_mean` is the mean of.
    assert {info["r"] for info in model.ep_info_buffer} == {sum(PAID)}
    if kind is DQN:
        check_replay(model, witness)


@cases(works=False)
def test_an_order_that_cannot_work_is_refused_with_the_remedy(build, order, kind):
    def learn() -> None:
        model = build(order, kind)
        model.learn(STEPS, callback=OPRLCallback(learner=KnownWeights.of(model)))

    with pytest.raises(ValueError, match=re.escape(order.refusal(kind))):
        learn()


NATIVE = {
    "VecProcessReward(VecMonitor(venv))": lambda venv: VecProcessReward(
        VecMonitor(venv)
    ),
    "VecMonitor(VecProcessReward(venv))": lambda venv: VecMonitor(
        VecProcessReward(venv)
    ),
    "VecNormalize(VecProcessReward(VecMonitor(venv)))": lambda venv: VecNormalize(
        VecProcessReward(VecMonitor(venv))
    ),
}


@pytest.mark.parametrize("order", NATIVE)
@pytest.mark.parametrize("kind", SETTINGS)
def test_the_native_maze_is_learned_in_as_single_mazes_are(order, kind):
    """To the bit, through the whole path: same seed, same agent, same report."""
    layout = "S..\n..G"
    single = DummyVecEnv([lambda: gym.make("OPRLMaze-v0", layout=layout)] * 2)
    outcomes = []
    for venv in (OPRLMazeVecEnv(2, layout=layout), single):
        model = agent(kind, NATIVE[order](venv))
        model.learn(400, callback=OPRLCallback(learner=KnownWeights.of(model)))
        outcomes.append((model.policy.state_dict(), list(model.ep_info_buffer)))
    (weights, episodes), (expected_weights, expected_episodes) = outcomes
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensor, expected_weights[name])
    returns = [episode["r"] for episode in episodes]
    assert returns == [episode["r"] for episode in expected_episodes]
    assert 10.0 in returns
    assert set(returns) <= {0.0, 10.0}


def test_the_native_maze_has_no_env_inside_to_wrap():
    model = agent(DQN, OPRLMazeVecEnv(2))
    with pytest.raises(ValueError, match=r"venv = VecProcessReward\(venv\)"):
        KnownWeights.of(model)
