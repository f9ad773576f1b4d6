"""Is the learned reward of a run right? What there is to see of it, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from oprl_gym.config import MOST_INT
from oprl_gym.rewards import ProcessReward
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import EnvFacts, drawable_env, env_facts
from oprl_gym.runs.episode_log import WINDOW
from oprl_gym.runs.evaluation import SEED_OFFSET, load_reward, play, step_rewards
from oprl_gym.runs.folder import POLICY, RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.types import Array, FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import PolicyPredictor

EPISODES = 40
FEWEST, MOST_STEPS = 8, 6_000
"""No further episode begins after so many steps, once there are the fewest."""

FRAMES = 6
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, less their whole part, are spread evenly, however many they are."""

AT_AN_END = 0.95
"""Share of what a score can reach from which it counts as at an end of the scale."""


@dataclass(frozen=True)
class PlayedEpisode:
    """One episode of T steps played to look at the reward.

    Attributes:
        env_rewards: (T,) what the env paid.
        scores: (T,) what the learned reward made of each step, unscaled.
        luck: Share of its actions that were drawn at random.
        frames: Pictures, as many as can be drawn; ``frame_steps`` says after how many
            steps each was taken.
    """

    env_rewards: FloatArray
    scores: FloatArray
    luck: float
    frames: Sequence[Array]
    frame_steps: Sequence[int]

    @property
    def env_return(self) -> float:
        """Sum of the env's rewards."""
        return float(self.env_rewards.sum())

    @property
    def learned_return(self) -> float:
        """Sum of the scores."""
        return float(self.scores.sum())


@dataclass(frozen=True)
class Inspection:
    """What there is to see of the learned reward of a run.

    Attributes:
        config: Of the run.
        answers: Answers that it was last fitted to.
        accuracy: (U,) env steps and the share of new answers that it foretold, which
            it had not been fitted to yet (``oprl/accuracy``).
        training: (M,) env steps, env returns and learned returns of the training
            episodes, as they were scored while they were played; those before the first
            fit are left out.
        fitted: Whether it was fitted at all.
        reach: The largest score of a step.
        played: Episodes played now, scored by the reward as it was saved.
    """

    config: TrainConfig
    answers: int
    accuracy: tuple[FloatArray, FloatArray]
    training: tuple[Array, FloatArray, FloatArray]
    fitted: bool
    reach: float
    played: Sequence[PlayedEpisode]

    @property
    def returns(self) -> tuple[FloatArray, FloatArray]:
        """The (E,) env returns and (E,) learned returns of the episodes played."""
        pairs = [(one.env_return, one.learned_return) for one in self.played]
        array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        return array[:, 0], array[:, 1]

    @property
    def alike(self) -> bool:
        """Whether the env paid the latest training episodes all the same."""
        latest = self.training[1][-WINDOW:]
        return len(latest) > 0 and not np.ptp(latest)

    @property
    def size(self) -> float:
        """Root mean square of the scores of the steps played, as a share of reach."""
        scores = np.concatenate([one.scores for one in self.played])
        return float(np.sqrt(np.mean(np.square(scores))) / self.reach)

    @property
    def at_an_end(self) -> float:
        """Share of the steps played whose score is at an end of the scale."""
        scores = np.concatenate([one.scores for one in self.played])
        return float(np.mean(np.abs(scores) > AT_AN_END * self.reach))

    def best_middling_worst(self) -> list[PlayedEpisode]:
        """Return three episodes by what the env paid, equal ones by learned return."""
        order = np.lexsort(self.returns[::-1])
        return [self.played[order[place]] for place in (-1, len(order) // 2, 0)]


def played_episodes(
    policy: PolicyPredictor,
    reward: ProcessReward,
    env: gym.Env[Any, Any],
    seed: int,
) -> Iterator[PlayedEpisode]:
    """Yield episodes from good to bad, in no order: an agent that is often helped out.

    An agent that has learned does the same each time, and of equal episodes none is
    better. So of each episode's actions another share is drawn at random, from none to
    nearly all; the others are drawn as in training.

    Args:
        policy: The agent.
        reward: What scores the episodes.
        env: The plain env.
        seed: Of all that is random, but for what the agent draws.
    """
    rng = np.random.default_rng(seed)
    env.action_space.seed(seed)
    steps = 0
    for number in range(EPISODES):
        if number >= FEWEST and steps >= MOST_STEPS:
            return
        luck = number * GOLDEN % 1.0

        def choose(seen: Any, luck: float = luck) -> Any:
            if rng.random() < luck:
                return env.action_space.sample()
            return policy.predict(seen)[0]

        rollout = play(env, choose, SEED_OFFSET + seed + number, FRAMES)
        steps += len(rollout.actions)
        yield PlayedEpisode(
            np.array(rollout.env_rewards),
            step_rewards(reward, rollout).astype(np.float64),
            luck,
            rollout.frames,
            rollout.frame_steps,
        )


def inspect(folder: RunFolder) -> Inspection:
    """Look at the learned reward of a run, for which its agent plays.

    The same folder gives the same numbers; torch's random state is left as it was.

    Args:
        folder: Of a run that is over, or was broken off by Ctrl-C.

    Raises:
        RunError: It learned no reward, or a file is missing or damaged.
    """
    config = folder.config()
    if not config.oprl:
        raise RunError(
            f"the run in {folder.path} was trained with --no-oprl, so there is no "
            "learned reward to inspect"
        )
    if not folder.file(POLICY).is_file():
        raise RunError(
            f"the run in {folder.path} is still going on or was killed: it has not "
            "written its agent and its reward yet; to go on: oprl-gym train --resume "
            f"{folder.path}"
        )
    facts = env_facts(config)
    reward = load_reward(folder, facts)
    assert reward is not None  # it was trained with OPRL
    preferences = _within(folder.progress("oprl/preferences"), 0.0, MOST_INT)[1]
    return Inspection(
        config,
        answers=int(preferences[-1]) if len(preferences) else 0,
        accuracy=_within(folder.progress("oprl/accuracy"), 0.0, 1.0),
        training=folder.episodes().scored(),
        fitted=reward.fitted,
        reach=abs(float(reward.model.reach)) or 1.0,
        played=_played(folder, reward, facts) if reward.fitted else [],
    )


def _within(
    column: tuple[FloatArray, FloatArray], low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """Return the rows of a column that can be: anybody may have written it."""
    steps, values = column
    known = np.isfinite(steps) & (values >= low) & (values <= high)
    return steps[known], values[known]


def _played(
    folder: RunFolder, reward: ProcessReward, facts: EnvFacts
) -> list[PlayedEpisode]:
    config, policy = folder.config(), load_policy(folder)
    env = drawable_env(config, facts)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            episodes = played_episodes(policy, reward, env, config.seed)
            # `disable=None` is tqdm's word for "unless standard error is a terminal".
            shown = tqdm(episodes, "playing", EPISODES, leave=False, disable=None)
            return [_checked(episode) for episode in shown]
    finally:
        env.close()


def _checked(episode: PlayedEpisode) -> PlayedEpisode:
    for what, values in (("env", episode.env_rewards), ("model", episode.scores)):
        if not np.isfinite(values).all():
            raise RunError(f"the {what} gave a reward that is NaN or infinite")
    return episode
