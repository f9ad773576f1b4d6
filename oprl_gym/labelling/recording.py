"""Questions about a finished run: its agent plays, and pairs of episodes are chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.utils import set_random_seed
from tqdm import tqdm  # type: ignore[import-untyped]

from oprl_gym.labelling.album import Album, Photographer, stride_of
from oprl_gym.labelling.clips import Clip, from_bytes, maze_picture
from oprl_gym.preferences.human import Picture, ask_once
from oprl_gym.preferences.queries import Pair, Queries
from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.rewards import ProcessReward
from oprl_gym.rewards.encoding import to_array
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.doing import doing
from oprl_gym.runs.env import EnvFacts, env_facts, make_env
from oprl_gym.runs.evaluation import MAX_STEPS, SEED_OFFSET, load_reward
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.types import Array, FloatArray, Trajectory

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import PolicyPredictor

EPISODES = 40
"""At most; a few that are compared with each other make as many pairs."""
PAIRS_EACH = 1.5
"""Pairs of episodes there are for each one that is wanted: some choice."""
CLIP_STEPS = 1000
"""Steps after which the episode that is shown at the end is broken off."""
RANDOM_SHARES = (0.0, 0.2, 0.5, 1.0)
"""Shares of actions drawn at random, in turn: one agent alone does much the same."""


def ask_about_run(
    folder: RunFolder,
    store: PreferenceStore,
    n_pairs: int,
    queries: Queries,
    rng: np.random.Generator,
) -> int:
    """Let a run's agent play and put pairs of its episodes into a store.

    Args:
        folder: A finished run.
        store: Where the questions go.
        n_pairs: How many are wanted.
        queries: How they are chosen.
        rng: Source of actions, and of the choice.

    Returns how many questions were added.

    Raises:
        RunError: The run cannot be read, or its env has no pictures.
    """
    config = folder.config()
    facts = env_facts(config)
    reward = load_reward(folder, facts)
    env, picture = photographed_env(config, facts, queries.segment_length)
    try:
        model = load_policy(folder)
        set_random_seed(int(rng.integers(2**31)))
        numbers = range(episodes_for(n_pairs, queries))
        # `disable=None` is tqdm's word for "unless standard error is a terminal".
        bar = tqdm(numbers, "recording clips", unit="episode", disable=None)
        episodes = [
            _play(model, env, reward, RANDOM_SHARES[n % len(RANDOM_SHARES)], rng)
            for n in bar
        ]
    finally:
        env.close()
    pairs = queries.draw(episodes, n_pairs, _predict, rng)
    fitted = int(reward is not None and reward.fitted)
    with doing("making clips"):
        return sum(ask_once(store, *pair, picture, fitted) for pair in pairs)


def episodes_for(n_pairs: int, queries: Queries) -> int:
    """Return how many episodes to record: it takes time, where each step is drawn.

    Example:
        >>> episodes_for(40, Queries("entropy"))
        12
    """
    if queries.choice == "challenge":  # it takes the tenth that is rarest
        return EPISODES
    fewest = (1 + math.sqrt(1 + 8 * PAIRS_EACH * n_pairs)) / 2  # n (n - 1) / 2 pairs
    return min(EPISODES, max(4, math.ceil(fewest)))


def newest_clip(folder: RunFolder) -> Clip | None:
    """Let a run's agent play an episode as it does now; None if it has no pictures.

    Raises:
        RunError: The run cannot be read.
    """
    config = folder.config()
    env, picture = photographed_env(config, env_facts(config))
    rng = np.random.default_rng(config.seed)
    try:
        set_random_seed(config.seed)
        episode = _play(load_policy(folder), env, None, 0.0, rng, CLIP_STEPS)
    finally:
        env.close()
    clip = picture(episode)
    return None if clip is None else from_bytes(clip)


def photographed_env(
    config: TrainConfig, facts: EnvFacts, clip_steps: int | None = None
) -> tuple[gym.Env[Any, Any], Picture]:
    """Return the env of a run, and what makes clips of segments recorded in it.

    Args:
        config: Of the run.
        facts: Those of its env.
        clip_steps: Steps of a clip; None: whole episodes.

    Raises:
        RunError: The env has no pictures.
    """
    if facts.layout is not None:
        return make_env(config), maze_picture(facts.layout)
    album = new_album(config, facts)
    env = make_env(config, "rgb_array")
    limit = env.spec.max_episode_steps if env.spec else None
    # What no clip would show is not drawn.
    album.every = stride_of(min(clip_steps or MAX_STEPS, limit or 0))
    return Photographer(env, album), album.picture


def new_album(config: TrainConfig, facts: EnvFacts) -> Album:
    """Return where pictures of an env are to be kept that is no maze.

    Raises:
        RunError: The env has no pictures.
    """
    if "rgb_array" not in facts.render_modes:
        raise RunError(f"{config.env_id} cannot be shown to a person: no rgb_array")
    return Album()


def _play(
    model: PolicyPredictor,
    env: gym.Env[Any, Any],
    reward: ProcessReward | None,
    random_share: float,
    rng: np.random.Generator,
    max_steps: int = MAX_STEPS,
) -> Trajectory:
    """Play one episode, some actions drawn at random."""
    observation, _ = env.reset(seed=SEED_OFFSET + int(rng.integers(2**30)))
    observations: list[Array] = [_array(env.observation_space, observation)]
    actions: list[Array] = []
    rewards: list[float] = []
    terminated = truncated = False
    env.action_space.seed(int(rng.integers(2**30)))
    while not (terminated or truncated) and len(actions) < max_steps:
        action: Any = model.predict(observation)[0]
        if rng.random() < random_share:
            action = env.action_space.sample()
        if isinstance(env.action_space, gym.spaces.Discrete):
            action = int(action)
        observation, paid, terminated, truncated, _ = env.step(action)
        observations.append(_array(env.observation_space, observation))
        actions.append(to_array(env.action_space, action))
        rewards.append(float(paid))
    return _trajectory(observations, actions, rewards, terminated, reward)


def _trajectory(
    observations: list[Array],
    actions: list[Array],
    rewards: list[float],
    terminated: bool,
    reward: ProcessReward | None,
) -> Trajectory:
    seen, taken = np.stack(observations), np.stack(actions)
    none: FloatArray = np.zeros(len(actions))
    episode = Trajectory(seen, taken, np.array(rewards), none, terminated)
    if reward is None:
        return episode
    scores = reward.score_episode(episode).astype(np.float64)
    return replace(episode, process_rewards=scores)


def _array(space: gym.spaces.Space[Any], observation: Any) -> Array:
    array = to_array(space, observation)
    return array if space.dtype is None else array.astype(space.dtype)


def _predict(pairs: Sequence[Pair]) -> FloatArray:
    """Return (1, B) probabilities by the rewards noted in the episodes themselves."""
    returns = [(first.process_return, second.process_return) for first, second in pairs]
    differences = np.array([first - second for first, second in returns])
    probabilities: FloatArray = 1 / (1 + np.exp(-np.clip(differences, -50, 50)))
    return probabilities[None]
