"""What is said of a run that is over."""

from __future__ import annotations

import platform

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

import oprl_gym
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.evaluation import evaluate
from oprl_gym.runs.folder import Summary
from oprl_gym.runs.policy import Player
from oprl_gym.training.log import EpisodeLogger


def summary_of(
    config: TrainConfig, model: BaseAlgorithm, log: EpisodeLogger, seconds: float
) -> Summary:
    """Return the summary of a run, for which the agent plays on the plain env.

    Args:
        config: Of the run.
        model: The trained agent.
        log: Its episodes.
        seconds: What the training took.
    """
    player = Player(model.policy, model.get_vec_normalize_env())
    greedy = evaluate(player, config)
    sampled = evaluate(player, config, deterministic=False)
    episodes = log.log()
    return Summary(
        env_id=config.env_id,
        algo=config.algo,
        seed=config.seed,
        oprl=config.oprl,
        total_timesteps=model.num_timesteps,
        episodes=len(episodes),
        first_success_step=episodes.first_success_step(),
        steps_to_90=episodes.steps_to(),
        final_success_rate=greedy.success_rate,
        sampled_success_rate=sampled.success_rate,
        success_means=log.success_means,
        eval_episodes=greedy.episodes,
        eval_return_mean=greedy.return_mean,
        eval_length_mean=greedy.length_mean,
        wall_time_s=round(seconds, 3),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "oprl-gym": oprl_gym.__version__,
        "gymnasium": gym.__version__,
        "stable-baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
