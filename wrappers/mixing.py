"""What the three wrappers share: scoring steps, mixing rewards, recording episodes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from gymnasium import spaces

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE, check_choice
from oprl_gym.preferences.recorder import EpisodeRecorder
from oprl_gym.rewards.process_reward import ProcessReward, RewardState
from oprl_gym.types import Array, BoolArray, FloatArray, Mode, RewardInput, Trajectory


@dataclass(frozen=True)
class Shaping:
    """How the process reward is mixed with the env's.

    Args:
        scale: Weight of the process reward.
        mode: "additive" adds the step's score. "potential" takes the score of a state
            as a potential phi and adds gamma * phi(s') - phi(s), which leaves the
            optimal policy as it is (Ng, Harada & Russell 1999); phi is 0 at a
            terminal state, but not where an episode was truncated.
        gamma: The agent's discount, for "potential" and for ``charge_ends``.
        reward_input: What a step is scored by; None takes what the learner uses.
        charge_ends: Whether, in "additive" mode, a step that ends an episode without
            an env reward in a state scored below 0 gets what staying there for good
            would: score / (1 - gamma), at most 1000 times the score. Otherwise an
            agent that meets scores below 0 everywhere learns to end its episodes,
            say by falling into a hole.

    Raises:
        ValueError: A value makes no sense; the message names it.
    """

    scale: float = DEFAULT_SCALE
    mode: Mode = DEFAULT_MODE
    gamma: float = DEFAULT_GAMMA
    reward_input: RewardInput | None = None
    charge_ends: bool = True

    @property
    def stay(self) -> float:
        """How many times a score is worth that is paid for good: 1 / (1 - gamma)."""
        return min(1000.0, 1.0 / max(1e-9, 1.0 - self.gamma))

    def __post_init__(self) -> None:
        """Check every value."""
        if not math.isfinite(self.scale):
            raise ValueError(f"scale must be a finite number, got {self.scale!r}")
        if not 0.0 <= self.gamma <= 1.0:
            raise ValueError(f"gamma must be in [0, 1], got {self.gamma!r}")
        check_choice("mode", self.mode, get_args(Mode))
        if self.reward_input is not None:
            check_choice("reward_input", self.reward_input, get_args(RewardInput))
        if self.mode == "potential" and self.reward_input == "obs_action":
            raise ValueError(
                "mode='potential' needs a score of the state alone, which "
                "reward_input='obs_action' is not; use 'next_obs' or 'obs'"
            )


@dataclass(frozen=True)
class VectorStep:
    """One step of N envs; ``active`` is False where it only reset an env."""

    observations: Array  # (N, ...)
    actions: Array  # (N, ...)
    env_rewards: FloatArray  # (N,)
    reached: Array  # (N, ...)
    terminated: BoolArray  # (N,)
    truncated: BoolArray  # (N,)
    active: BoolArray | None  # (N,), None: all


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
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        num_envs: int,
        shaping: Shaping,
    ) -> None:
        self.observation_space = observation_space
        self.action_space = action_space
        self.num_envs = num_envs
        self.shaping = shaping
        self.process_reward: ProcessReward | None = None  # None: never fitted
        self._recorder = EpisodeRecorder(num_envs)
        # Steps and mixed rewards (N,) of a rollout; None: none is kept.
        self._kept: list[tuple[VectorStep, FloatArray]] | None = None
        self._env_returns = np.zeros(num_envs)
        self._process_returns = np.zeros(num_envs)

    def load_reward_state(self, state: RewardState) -> None:
        """Take over a process reward.

        Raises:
            ValueError: It scores something else than this wrapper was told to.
        """
        wanted = self.shaping.reward_input
        if wanted is not None and wanted != state.reward_input:
            raise ValueError(
                f"the wrapper was made with reward_input={wanted!r} but the learner "
                f"uses {state.reward_input!r}; give both the same, or leave it out of "
                "the wrapper"
            )
        self.process_reward = ProcessReward.from_state(
            self.observation_space, self.action_space, state
        )

    def pop_episodes(self) -> list[Trajectory]:
        """Return the episodes finished since the last call."""
        return self._recorder.pop()

    def keep_rollout(self) -> None:
        """From now on keep every step, for :meth:`rescore_rollout`."""
        self._kept = []

    def rescore_rollout(self) -> Rescored:
        """Score the steps kept since :meth:`keep_rollout` by the weights of now.

        Raises:
            RuntimeError: No step was kept.
        """
        if not self._kept:
            raise RuntimeError("no rollout was kept: call keep_rollout() before it")
        newest = [
            self.mixed(step.env_rewards, self._score(step)) for step, _ in self._kept
        ]
        return Rescored(
            given=np.stack([given for _, given in self._kept]),
            newest=np.stack(newest),
            truncated=np.stack([step.truncated for step, _ in self._kept]),
        )

    def begin(self, observations: Array, mask: BoolArray | None = None) -> None:
        """Start new episodes, everywhere or where ``mask`` (N,) holds."""
        where = slice(None) if mask is None else mask
        self._env_returns[where] = 0.0
        self._process_returns[where] = 0.0
        self._recorder.begin(observations, mask)

    def step(
        self,
        actions: Array,
        env_rewards: FloatArray,
        next_observations: Array,
        terminated: BoolArray,
        truncated: BoolArray,
        active: BoolArray | None = None,
    ) -> FloatArray:
        """Score and record one step of all N envs.

        Args:
            actions: (N, ...) actions.
            env_rewards: (N,) what the env paid.
            next_observations: (N, ...) observations after the step; where an episode
                ended, the terminal one.
            terminated: (N,) the env ended the episode.
            truncated: (N,) the episode was cut off.
            active: (N,) False where this is no step of an episode but only a reset.

        Returns (N,) process rewards, unscaled; 0 where not active.
        """
        step = VectorStep(
            observations=self._recorder.current(),
            actions=actions,
            env_rewards=env_rewards,
            reached=next_observations,
            terminated=terminated,
            truncated=truncated,
            active=active,
        )
        process_rewards = self._score(step)
        if self._kept is not None:
            mixed = self.mixed(env_rewards, process_rewards)
            copies = replace(
                step,
                observations=step.observations.copy(),
                actions=actions.copy(),
                reached=next_observations.copy(),
            )
            self._kept.append((copies, mixed))
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
        return process_rewards

    def mixed(self, env_rewards: FloatArray, process_rewards: FloatArray) -> FloatArray:
        """Return what the agent gets: env reward + scale * process reward."""
        return env_rewards + self.shaping.scale * process_rewards

    def episode_infos(self, ended: BoolArray) -> dict[str, FloatArray]:
        """Return the (N,) returns of the episodes that just ended; 0 elsewhere."""
        env_returns = np.where(ended, self._env_returns, 0.0)
        process_returns = np.where(ended, self._process_returns, 0.0)
        return {
            "env_return": env_returns,
            "process_return": process_returns,
            "mixed_return": self.mixed(env_returns, process_returns),
        }

    def episode_info(self, env: int, inner_info: dict[str, Any]) -> dict[str, float]:
        """Return the returns of the episode that just ended in ``env``.

        A Monitor inside this wrapper knows the env's own return even if rewards were
        changed between it and us (by VecNormalize, say), so its word is taken.
        """
        env_return = self._env_returns[env]
        process_return = self._process_returns[env]
        mixed_return = env_return + self.shaping.scale * process_return
        monitor = inner_info.get("episode")
        return {
            "env_return": float(env_return if monitor is None else monitor["r"]),
            "process_return": float(process_return),
            "mixed_return": float(mixed_return),
        }

    def _score(self, step: VectorStep) -> FloatArray:
        """Return the (N,) process rewards of a step."""
        if self.process_reward is None:
            return np.zeros(self.num_envs)
        if self.shaping.mode == "additive":
            scores = self._additive(self.process_reward, step)
        else:
            scores = self._potential_difference(self.process_reward, step)
        return scores if step.active is None else np.where(step.active, scores, 0.0)

    def _additive(self, reward: ProcessReward, step: VectorStep) -> FloatArray:
        scores = reward.score_steps(step.observations, step.actions, step.reached)
        scores = scores.astype(np.float64)
        if not self.shaping.charge_ends:
            return scores
        unpaid_end = step.terminated & (step.env_rewards <= 0.0) & (scores < 0.0)
        return np.where(unpaid_end, scores * self.shaping.stay, scores)

    def _potential_difference(
        self, reward: ProcessReward, step: VectorStep
    ) -> FloatArray:
        # Both potentials come from the weights of now, also when they changed within
        # the episode: a rollout's shaping is then that of one potential.
        before = reward.score_states(step.observations)
        after = np.where(step.terminated, 0.0, reward.score_states(step.reached))
        return self.shaping.gamma * after - before


class HasRewardMixer:
    """The methods by which a learner or a callback reaches any of the wrappers."""

    _mixer: RewardMixer

    @property
    def shaping(self) -> Shaping:
        """How this wrapper mixes rewards."""
        return self._mixer.shaping

    def reward_spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """Return the observation and action space that steps are scored in."""
        return self._mixer.observation_space, self._mixer.action_space

    def load_reward_state(self, state: RewardState) -> None:
        """Score by this process reward from the next step on."""
        self._mixer.load_reward_state(state)

    def pop_episodes(self) -> list[Trajectory]:
        """Return the episodes finished since the last call, oldest first."""
        return self._mixer.pop_episodes()

    def keep_rollout(self) -> None:
        """From now on keep every step, for :meth:`rescore_rollout`."""
        self._mixer.keep_rollout()

    def rescore_rollout(self) -> Rescored:
        """Score the steps kept since :meth:`keep_rollout` by the newest weights."""
        return self._mixer.rescore_rollout()
