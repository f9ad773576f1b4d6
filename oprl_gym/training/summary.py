"""What is said of a run that is over."""

from __future__ import annotations

import math
import platform
import sys

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

import oprl_gym
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.episode_log import EpisodeLog
from oprl_gym.runs.evaluation import EPISODES, evaluate
from oprl_gym.runs.folder import Summary
from oprl_gym.runs.policy import Player
from oprl_gym.runs.success import GOAL
from oprl_gym.training.log import EpisodeLogger

LONG = 2_000_000
"""Env steps of an evaluation that takes minutes."""
MANY = 10_000
"""Env steps by which some episode should have ended."""


def tell_of_long_evaluation(episodes: EpisodeLog, num_timesteps: int) -> None:
    """Say so on standard error if the evaluation may take as long as the training.

    Args:
        episodes: Those of the training.
        num_timesteps: Env steps of the training.
    """
    wanted = 2 * EPISODES  # greedy, and sampled
    steps = wanted * float(np.mean(episodes.lengths)) if len(episodes) else math.inf
    if steps <= LONG or (steps == math.inf and num_timesteps < MANY):
        return
    known = f"about {steps:,.0f} steps"
    if steps == math.inf:
        known = (
            f"none has ended in {num_timesteps:,} steps of training; give the env a "
            "time limit (max_episode_steps where it is registered)"
        )
    print(
        f"oprl-gym: the agent is evaluated in {wanted} episodes: {known}. Ctrl-C gives "
        "that up; agent and episodes are saved",
        file=sys.stderr,
    )


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
    has_goal = log.success_means == GOAL
    greedy = evaluate(player, config, has_goal=has_goal)
    sampled = evaluate(player, config, deterministic=False, has_goal=has_goal)
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
