"""What the three wrappers share: mixing rewards, recording episodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from oprl_gym.episodes.recorder import EpisodeRecorder
from oprl_gym.rewards.encoding import array_shape, flat_size, left_out
from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.rewards.scoring import Shaping, StepScorer, VectorStep
from oprl_gym.types import Array, BoolArray, EnvError, FloatArray, Trajectory
from oprl_gym.visits import VisitTracker
from oprl_gym.wrappers.checks import (
    as_reward,
    as_rewards,
    check_observations,
    check_rewards,
)

UNLEARNED = 100
"""Episodes, and at least 10 of each env, after which it is said that none was asked for
and no process reward came."""


@dataclass(frozen=True)
class Rescored:
    """The rewards of a rollout of T steps, as given and by the newest weights.

    Attributes:
        given: (T, N) mixed rewards that the agent got as it stepped.
        newest: (T, N) mixed rewards by the process reward of now.
        truncated: (T, N) bool, where an episode was cut off.
    """

    given: FloatArray  # (T, N)
    newest: FloatArray  # (T, N)
    truncated: BoolArray  # (T, N)


class RewardMixer:
    """Adds the process reward to the steps of N envs and records their episodes.

    Args:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        num_envs: N.
        shaping: How rewards are mixed.
        device: Where steps are scored.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        num_envs: int,
        shaping: Shaping,
        device: str = "cpu",
    ) -> None:
        self.num_envs = num_envs
        flat_size(observation_space, "observation")
        _warn_of_text(observation_space)
        self.scorer = StepScorer(observation_space, action_space, shaping, device)
        self._recorder = EpisodeRecorder(num_envs)
        self._visits = VisitTracker(num_envs)
        # Where the latest step started from, and what it led to, are new: (N,) bool
        # each.
        self.first_visits = (self._visits.latest, self._visits.latest)
        self._shape = array_shape(observation_space)
        # Steps and mixed rewards (N,) of a rollout, and how many it is to have.
        self._kept: list[tuple[VectorStep, FloatArray]] = []
        self._to_keep = 0
        self._env_returns: FloatArray = np.zeros(num_envs)
        self._process_returns: FloatArray = np.zeros(num_envs)
        # Whether nobody has asked for episodes or given weights, nor was that said.
        self._left_alone = True

    def pop_episodes(self) -> list[Trajectory]:
        """Return the episodes finished since the last call."""
        self._left_alone = False
        return self._recorder.pop()

    def load_reward_state(self, state: RewardState) -> None:
        """Score by this process reward from the next step on."""
        self._left_alone = False
        self.scorer.load_reward_state(state)

    def state(self) -> dict[str, Any]:
        """Return the recorded episodes, those that are going on included."""
        return {
            "recorder": self._recorder.state(),
            "env_returns": self._env_returns.copy(),
            "process_returns": self._process_returns.copy(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned, in the middle of the episodes.

        Raises:
            ValueError: It is that of other envs.
        """
        self._recorder.load_state(state["recorder"])
        for env, observations in enumerate(self._recorder.running()):
            self._visits.resume(env, observations)
        self._env_returns = as_rewards(state["env_returns"], self.num_envs)
        check_rewards(self._env_returns, np.zeros(self.num_envs))
        self._process_returns = as_rewards(state["process_returns"], self.num_envs)

    def keep_rollout(self, steps: int) -> None:
        """Keep the next T steps, for :meth:`rescore_rollout`."""
        self._kept = []
        self._to_keep = steps

    def rescore_rollout(self) -> Rescored:
        """Score the steps kept since :meth:`keep_rollout` by the weights of now.

        One more than was asked for tells that there were too many.

        Raises:
            RuntimeError: No step was kept.
        """
        if not self._kept:
            raise RuntimeError("no rollout was kept: call keep_rollout() before it")
        newest = self.scorer.score_mixed(step for step, _ in self._kept)
        return Rescored(
            given=np.stack([given for _, given in self._kept]),
            newest=newest.reshape(-1, self.num_envs),
            truncated=np.stack([step.truncated for step, _ in self._kept]),
        )

    def check_begun(self, remedy: str, resetting: BoolArray | None = None) -> None:
        """Check that the next step is one of an episode, in every env.

        Args:
            remedy: What to write where none has begun.
            resetting: (N,) where it only resets the env.

        Raises:
            EnvError: No episode is going on in an env that is not resetting.
        """
        over = self._recorder.over
        if not over:
            return
        idle = [env for env in sorted(over) if resetting is None or not resetting[env]]
        if idle:
            raise EnvError(
                f"step() while no episode is going on in env {idle}: {remedy}"
            )

    def begin(self, observations: Array, mask: BoolArray | None = None) -> None:
        """Start new episodes, everywhere or where ``mask`` (N,) holds.

        Raises:
            EnvError: An observation has the wrong shape or is not finite.
        """
        check_observations(observations, self._shape)
        where = slice(None) if mask is None else mask
        self._env_returns[where] = 0.0
        self._process_returns[where] = 0.0
        self._recorder.begin(observations, mask)
        self._visits.begin(observations, mask)

    def step(
        self,
        actions: Array,
        env_rewards: FloatArray,
        next_observations: Array,
        terminated: BoolArray,
        truncated: BoolArray,
        active: BoolArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Score and record one step of all N envs.

        Args:
            actions: (N, ...) actions.
            env_rewards: (N,) what the env paid.
            next_observations: (N, ...) observations after the step; where an episode
                ended, the terminal one.
            terminated: (N,) the env ended the episode.
            truncated: (N,) the episode was cut off.
            active: (N,) False where this is no step of an episode but only a reset.

        Returns (N,) process rewards, unscaled, 0 where not active; and the (N,) mixed
        rewards that the agent gets.

        Raises:
            EnvError: An observation has the wrong shape, or it or a reward is not
                finite, or an episode's rewards come to more than can be learned from.
                Nothing of the step is recorded then.
        """
        check_observations(next_observations, self._shape)
        check_rewards(env_rewards, self._env_returns)
        before = self._visits.latest.copy()
        self.first_visits = before, self._visits.step(next_observations)
        step = VectorStep(
            observations=self._recorder.current(),
            first_visits=before,
            actions=actions,
            env_rewards=env_rewards,
            reached=next_observations,
            reached_first=self.first_visits[1],
            terminated=terminated,
            truncated=truncated,
            active=active,
        )
        process_rewards = self.scorer.score(step)
        mixed: FloatArray = self.scorer.mixed(env_rewards, process_rewards)
        if self._to_keep and len(self._kept) <= self._to_keep:
            # Copies: what is given out, or came from the env, may be changed in place.
            self._kept.append((step.copy(), mixed.copy()))
        self._env_returns += env_rewards
        self._process_returns += process_rewards
        self._recorder.step(
            actions,
            env_rewards,
            process_rewards,
            next_observations,
            terminated,
            truncated,
        )
        if self._left_alone:
            self._say_if_unlearned()
        return process_rewards, mixed

    def _say_if_unlearned(self) -> None:
        waiting = self._recorder.waiting
        if waiting < max(UNLEARNED, 10 * self.num_envs):
            return
        self._left_alone = False
        warnings.warn(
            f"nothing learns this reward: it is still 0 after {waiting} episodes, and "
            "nobody has asked for one; pass callback=OPRLCallback() to learn(), or "
            "give pop_episodes() to an OPRLLearner (an env that is for evaluation "
            "alone needs neither)",
            stacklevel=2,
        )

    def episode_infos(self, ended: BoolArray) -> dict[str, FloatArray]:
        """Return the (N,) returns of the episodes that just ended; 0 elsewhere."""
        env_returns = np.where(ended, self._env_returns, 0.0)
        process_returns = np.where(ended, self._process_returns, 0.0)
        return {
            "env_return": env_returns,
            "process_return": process_returns,
            "mixed_return": self.scorer.mixed(env_returns, process_returns),
        }

    def episode_info(self, env: int, inner_info: Mapping[str, Any]) -> dict[str, float]:
        """Return the returns of the episode that just ended in ``env``.

        A Monitor inside this wrapper knows the env's own return even if rewards were
        changed between it and us (by ClipReward, say), so its word is taken.
        """
        env_return = self._env_returns[env]
        process_return = self._process_returns[env]
        mixed_return = self.scorer.mixed(env_return, process_return)
        monitor = inner_info.get("episode")
        if isinstance(monitor, Mapping) and "r" in monitor:
            env_return = as_reward(monitor["r"])
        return {
            "env_return": float(env_return),
            "process_return": float(process_return),
            "mixed_return": float(mixed_return),
        }


def _warn_of_text(space: spaces.Space[Any]) -> None:
    names = left_out(space)
    if names:
        warnings.warn(
            f"the process reward does not read {', '.join(names)} of the observation, "
            "which is no fixed number of numbers; the rest is read",
            stacklevel=2,
        )


class HasRewardMixer:
    """The methods by which a learner or a callback reaches any of the wrappers."""

    _mixer: RewardMixer

    @property
    def shaping(self) -> Shaping:
        """How this wrapper mixes rewards."""
        return self._mixer.scorer.shaping

    @property
    def env_reward_weight(self) -> float:
        """What the env's own reward counts now."""
        return self._mixer.scorer.env_reward_weight

    @property
    def process_reward_fitted(self) -> bool:
        """Whether steps are scored by a process reward that was fitted."""
        return self._mixer.scorer.fitted

    def reward_spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """Return the observation and action space that steps are scored in."""
        scorer = self._mixer.scorer
        return scorer.observation_space, scorer.action_space

    def load_reward_state(self, state: RewardState) -> None:
        """Score by this process reward from the next step on."""
        self._mixer.load_reward_state(state)

    def pop_episodes(self) -> list[Trajectory]:
        """Return the episodes finished since the last call, oldest first."""
        return self._mixer.pop_episodes()

    def recording_state(self) -> dict[str, Any]:
        """Return the recorded episodes, those going on included, for a checkpoint."""
        return self._mixer.state()

    def load_recording_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`recording_state` returned."""
        self._mixer.load_state(state)

    def keep_rollout(self, steps: int) -> None:
        """Keep the next T steps, for :meth:`rescore_rollout`; 0 forgets those kept."""
        self._mixer.keep_rollout(steps)

    def rescore_rollout(self) -> Rescored:
        """Score the steps kept since :meth:`keep_rollout` by the newest weights."""
        return self._mixer.rescore_rollout()


TWICE = (
    "the env already has a wrapper that adds the process reward, so every one would be "
    "added twice: leave out one of the two"
)


NORMALISED = (gym.wrappers.NormalizeReward, gym.wrappers.vector.NormalizeReward)
MOVES = (
    "there is a NormalizeReward inside the reward wrapper, by whose moving scale an "
    "early return is no longer what a late one is: take it out; where rewards have to "
    "be scaled, Stable-Baselines3's VecNormalize(VecProcessReward(venv)) does it"
)


def check_alone(env: Any) -> None:
    """Check that no wrapper in an env, or in one of a vector, is at odds with ours.

    Raises:
        ValueError: One adds the process reward too, or scales rewards as it goes.
    """
    while isinstance(env, gym.Wrapper | gym.vector.VectorWrapper):
        if isinstance(env, HasRewardMixer):
            raise ValueError(TWICE)
        if isinstance(env, NORMALISED):
            raise ValueError(MOVES)
        env = env.env
    if isinstance(env, gym.vector.SyncVectorEnv):
        for one in env.envs:
            check_alone(one)
