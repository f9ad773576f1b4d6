"""The agents of the benchmark, all of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.ladder.settings import Algo
from oprl_gym.callbacks import ProcessRewardReplayBuffer
from oprl_gym.config import DEFAULT_GAMMA
from oprl_gym.wrappers import VecProcessReward

KINDS: dict[str, Any] = {"PPO": PPO, "A2C": A2C, "DQN": DQN, "SAC": SAC}
OFF_POLICY = ("DQN", "SAC")


def make_agent(algo: Algo, venv: VecEnv, seed: int) -> BaseAlgorithm:
    """Return an agent that has learned nothing yet.

    Args:
        algo: Which, and its settings.
        venv: What it learns in. With a learned reward an off-policy agent has a replay
            buffer that scores what is drawn anew.
        seed: Of its weights and actions.
    """
    kwargs = dict(algo.kwargs)
    if algo.name in OFF_POLICY and isinstance(venv, VecProcessReward):
        kwargs["replay_buffer_class"] = ProcessRewardReplayBuffer
    agent: BaseAlgorithm = KINDS[algo.name](
        "MlpPolicy", venv, gamma=DEFAULT_GAMMA, seed=seed, device="cpu", **kwargs
    )
    return agent
