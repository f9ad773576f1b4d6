"""Agents measured on the plain env."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C

from oprl_gym.envs import OPRLMazeEnv
from oprl_gym.rewards import ProcessReward, ProcessRewardModel
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import make_env
from oprl_gym.runs.evaluation import (
    cell_rewards,
    evaluate,
    greedy_rollout,
    load_reward,
    step_rewards,
)
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.types import RewardInput


class Always:
    """A policy that takes one action; sampled, it takes another one."""

    def __init__(self, action: int, sampled: int = 0) -> None:
        self.actions = {True: action, False: sampled}

    def predict(self, observation: Any, deterministic: bool, **_: Any) -> Any:
        batch = np.shape(observation)[:-1]
        return np.full(batch, self.actions[deterministic]), None

    def set_random_seed(self, seed: int) -> None:
        np.random.seed(seed)  # noqa: NPY002 (as Stable-Baselines3 does)


MAZE_TEXT = "S..G\n####"
MAZE = TrainConfig(env_kwargs={"layout": MAZE_TEXT})


def fitted(env: gym.Env, reward_input: RewardInput) -> ProcessReward:
    encoder = StepEncoder(env.observation_space, env.action_space, reward_input, True)
    reward = ProcessReward(encoder, ProcessRewardModel(encoder.input_dim))
    reward.fitted = True
    return reward


def test_a_perfect_agent() -> None:
    result = evaluate(Always(1), MAZE, episodes=7)  # type: ignore[arg-type]
    assert result.episodes == 7
    assert result.success_rate == 1.0
    assert result.return_mean == 10.0
    assert result.length_mean == 3.0


def test_the_last_seed_there_is() -> None:
    last = replace(MAZE, seed=2**32 - 1)
    assert evaluate(Always(1), last, episodes=2).success_rate == 1.0  # type: ignore[arg-type]


class Lucky(gym.Env):
    """Speaks of success only where there is one: in the first env of several."""

    observation_space = gym.spaces.Box(0, 1, (1,))
    action_space = gym.spaces.Discrete(2)
    envs = 0

    def __init__(self) -> None:
        self.first = Lucky.envs == 0
        Lucky.envs += 1

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> Any:
        info = {"is_success": True} if self.first else {}
        return np.zeros(1, np.float32), -1.0, True, False, info


def test_an_env_that_speaks_of_success_alone_failed_elsewhere() -> None:
    gym.register("Lucky-v0", Lucky)
    try:
        config = TrainConfig(env_id="Lucky-v0")
        result = evaluate(Always(1), config, episodes=2)  # type: ignore[arg-type]
    finally:
        del gym.registry["Lucky-v0"]
    assert result.success_rate == 0.5


def test_an_agent_that_walks_into_the_wall_is_stopped_by_the_time_limit() -> None:
    result = evaluate(Always(3), MAZE, episodes=2)  # type: ignore[arg-type]
    assert (result.success_rate, result.return_mean) == (0.0, 0.0)
    assert result.length_mean == 60.0


def test_sampled_actions_are_asked_for() -> None:
    agent: Any = Always(3, sampled=1)
    assert evaluate(agent, MAZE, 3, deterministic=True).success_rate == 0.0
    assert evaluate(agent, MAZE, 3, deterministic=False).success_rate == 1.0


def test_short_episodes_are_not_favoured() -> None:
    """Taking the first 10 to end would leave out most of the long ones."""

    class Half(Always):
        def predict(self, observation: Any, deterministic: bool, **_: Any) -> Any:
            return np.arange(len(observation)) % 2, None  # every second one stands

    agent: Any = Half(1)
    result = evaluate(agent, MAZE, episodes=40)
    assert result.success_rate == 0.5
    assert result.length_mean == (60 + 3) / 2


def test_the_same_evaluation_twice() -> None:
    config = TrainConfig(env_id="CartPole-v1", seed=3)
    model = A2C("MlpPolicy", gym.make("CartPole-v1"), seed=0, device="cpu")
    first = evaluate(model, config, 5, deterministic=False)
    assert evaluate(model, config, 5, deterministic=False) == first
    other = evaluate(model, TrainConfig(env_id="CartPole-v1", seed=4), 5, False)
    assert other != first


def test_a_rollout_has_a_picture_of_every_state() -> None:
    env = make_env(MAZE, "rgb_array")
    rollout = greedy_rollout(Always(1), env)  # type: ignore[arg-type]
    assert rollout.cells == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert rollout.env_rewards == [0.0, 0.0, 10.0]
    assert len(rollout.frames) == len(rollout.observations) == 4
    assert [int(np.argmax(o)) for o in rollout.observations] == [0, 1, 2, 3]


def test_an_episode_without_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oprl_gym.runs.evaluation.MAX_STEPS", 70)
    env = OPRLMazeEnv(layout=MAZE_TEXT, max_episode_steps=-1)
    rollout = greedy_rollout(Always(3), env)  # type: ignore[arg-type]
    assert len(rollout.actions) == 70


def test_an_env_whose_actions_are_looked_up_in_a_dict() -> None:
    """FrozenLake cannot hash the 0-d array that a policy returns."""
    config = TrainConfig(env_id="FrozenLake-v1")

    class Right(Always):
        def predict(self, observation: Any, deterministic: bool, **_: Any) -> Any:
            return np.array(2), None

    rollout = greedy_rollout(Right(2), make_env(config))  # type: ignore[arg-type]
    assert len(rollout.actions) >= 1


@pytest.mark.parametrize("reward_input", ["next_obs", "obs"])
def test_the_reward_of_a_cell_is_that_of_its_observation(
    reward_input: RewardInput,
) -> None:
    env = OPRLMazeEnv(layout=MAZE_TEXT)
    reward = fitted(env, reward_input)
    cells = cell_rewards(reward, env.layout)
    assert cells.shape == (2, 4)
    assert np.isnan(cells[1]).all()  # walls
    one_hot = np.eye(8, dtype=np.float32)[2:3]
    first = reward.score(one_hot, np.array([True]))
    assert cells[0, 2] == pytest.approx(float(first[0]))


def test_the_reward_of_a_cell_is_the_mean_over_its_actions() -> None:
    env = OPRLMazeEnv(layout=MAZE_TEXT)
    reward = fitted(env, "obs_action")
    here = np.repeat(np.eye(8, dtype=np.float32)[2:3], 4, axis=0)
    scores = reward.score(here, np.ones(4, bool), np.arange(4))
    assert cell_rewards(reward, env.layout)[0, 2] == pytest.approx(float(scores.mean()))


def test_the_rewards_along_an_episode() -> None:
    env = make_env(MAZE)
    reward = fitted(env, "next_obs")
    rollout = greedy_rollout(Always(1), env)  # type: ignore[arg-type]
    maze = env.unwrapped
    assert isinstance(maze, OPRLMazeEnv)
    along = step_rewards(reward, rollout)
    np.testing.assert_allclose(
        along, cell_rewards(reward, maze.layout)[0, 1:], rtol=1e-6
    )


def test_staying_where_one_is_is_no_first_visit() -> None:
    """Moves against the wall below the start: the map shows first visits only."""
    env = OPRLMazeEnv(layout=MAZE_TEXT, max_episode_steps=3)
    reward = fitted(env, "next_obs")
    rollout = greedy_rollout(Always(2), env)  # type: ignore[arg-type]
    start = np.eye(8, dtype=np.float32)[:1]
    again = float(reward.score(start, np.array([False]))[0])
    np.testing.assert_allclose(step_rewards(reward, rollout), [again] * 3, rtol=1e-6)
    assert cell_rewards(reward, env.layout)[0, 0] != pytest.approx(again)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", TrainConfig())
    with pytest.raises(RunError, match=r"no .*policy\.safetensors"):
        load_policy(folder)
    with pytest.raises(RunError, match=r"reward_model\.safetensors"):
        load_reward(folder)
    folder.file("policy.safetensors").write_bytes(b"nonsense")
    folder.file("reward_model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="not the agent of this run"):
        load_policy(folder)
    with pytest.raises(RunError, match="not a saved process reward"):
        load_reward(folder)
