"""Small agents, and a learner whose weights are known: any number can be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import ProcessRewardReplayBuffer
from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.types import Trajectory, UpdateReport

SETTINGS: dict[type[BaseAlgorithm], dict[str, Any]] = {
    A2C: {"n_steps": 10},
    PPO: {"n_steps": 10, "batch_size": 10, "n_epochs": 1},
    DQN: {
        "replay_buffer_class": ProcessRewardReplayBuffer,
        "buffer_size": 1000,
        "learning_starts": 10,
        "batch_size": 8,
    },
}


def agent(kind: type[BaseAlgorithm], env: Any) -> BaseAlgorithm:
    settings = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
    return kind("MlpPolicy", env, **settings, **SETTINGS[kind])


class KnownWeights(OPRLLearner):
    """A learner that keeps its random weights, and the episodes that it is given."""

    def __init__(
        self,
        *reward_spaces: spaces.Space[Any],
        config: OPRLConfig | None = None,
        **known: Any,
    ) -> None:
        config = config or OPRLConfig(hidden_size=8, update_interval=1)
        super().__init__(*reward_spaces, config, seed=1)
        self.process_reward.changed(fitted=True, **known)

    @classmethod
    def of(cls, model: BaseAlgorithm) -> KnownWeights:
        """Return a learner for the wrappers in the agent's env."""
        env = model.get_env()
        assert env is not None
        return cls(*RewardWrappers.find(env).spaces())

    def observe(self, episodes: Sequence[Trajectory]) -> None:
        """Keep the episodes."""
        self.memory.trajectories.extend(episodes)

    def update(self, episodes: Sequence[Trajectory], rounds: int = 1) -> UpdateReport:
        """Learn nothing."""
        self.observe(episodes)
        return UpdateReport(len(episodes), 0, 0, 0, None, None, None, False)
