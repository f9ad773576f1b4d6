"""How a step is scored, and how its score is mixed with the env's reward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
from gymnasium import spaces

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE, check_choice
from oprl_gym.rewards.process_reward import ProcessReward, RewardState
from oprl_gym.rewards.tensors import available_device
from oprl_gym.types import Array, BoolArray, FloatArray, Mode, RewardInput


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
        env_reward_weight: Weight of the env's own reward; 0 for an agent that learns
            from the process reward alone.

    Raises:
        ValueError: A value makes no sense; the message names it.
    """

    scale: float = DEFAULT_SCALE
    mode: Mode = DEFAULT_MODE
    gamma: float = DEFAULT_GAMMA
    reward_input: RewardInput | None = None
    charge_ends: bool = True
    env_reward_weight: float = 1.0

    def mixed(self, env_rewards: Any, process_rewards: Any) -> Any:
        """Return what the agent gets, of numbers or of arrays."""
        return self.env_reward_weight * env_rewards + self.scale * process_rewards

    @property
    def stay(self) -> float:
        """How many times a score is worth that is paid for good: 1 / (1 - gamma)."""
        return min(1000.0, 1.0 / max(1e-9, 1.0 - self.gamma))

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("scale", "env_reward_weight"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value!r}")
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


SCORED_AT_ONCE = 1024
"""Steps, over all envs, in one pass through the reward model: pictures take room."""


class VectorStep(NamedTuple):
    """One step of N envs; ``active`` is False where it only reset an env."""

    observations: Array  # (N, ...)
    actions: Array  # (N, ...)
    env_rewards: FloatArray  # (N,)
    reached: Array  # (N, ...)
    terminated: BoolArray  # (N,)
    truncated: BoolArray  # (N,)
    active: BoolArray | None = None  # (N,); None: everywhere

    def rows(self, rows: slice) -> VectorStep:
        """Return the step of some of the envs."""
        parts: Any = [None if one is None else one[rows] for one in self]
        return VectorStep(*parts)


def concatenated(steps: Sequence[VectorStep]) -> VectorStep:
    """Return T steps of N envs as one step of T * N envs."""
    columns = zip(*steps, strict=True)
    parts: Any = [None if one[0] is None else np.concatenate(one) for one in columns]
    return VectorStep(*parts)


def in_passes(steps: Iterable[VectorStep]) -> Iterator[VectorStep]:
    """Yield the same steps, as many at a time as are scored at once."""
    waiting: list[VectorStep] = []
    size = 0
    for step in steps:
        for start in range(0, len(step.env_rewards), SCORED_AT_ONCE):
            part = step.rows(slice(start, start + SCORED_AT_ONCE))
            size += len(part.env_rewards)
            if size > SCORED_AT_ONCE and waiting:
                yield concatenated(waiting)
                waiting, size = [], len(part.env_rewards)
            waiting.append(part)
    if waiting:
        yield concatenated(waiting)


class StepScorer:
    """Gives steps their process rewards.

    Args:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        shaping: How rewards are mixed.
        device: Where steps are scored.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        shaping: Shaping,
        device: str = "cpu",
    ) -> None:
        self.device = available_device(device)
        self.observation_space = observation_space
        self.action_space = action_space
        self.shaping = shaping
        self.process_reward: ProcessReward | None = None  # None: never fitted

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
        if self.process_reward is not None and self.process_reward.is_like(state):
            self.process_reward.load_state(state)
        else:
            self.process_reward = ProcessReward.from_state(
                self.observation_space, self.action_space, state, self.device
            )

    def score(self, step: VectorStep) -> FloatArray:
        """Return the (N,) process rewards of a step."""
        if self.process_reward is None:
            return np.zeros(len(step.env_rewards))
        if self.shaping.mode == "additive":
            scores = self._additive(self.process_reward, step)
        else:
            scores = self._potential_difference(self.process_reward, step)
        return scores if step.active is None else np.where(step.active, scores, 0.0)

    def score_mixed(self, steps: Iterable[VectorStep]) -> FloatArray:
        """Return the mixed rewards of several steps, one after another."""
        mixed = [
            self.shaping.mixed(step.env_rewards, self.score(step))
            for step in in_passes(steps)
        ]
        return np.concatenate([np.zeros(0), *mixed])

    def _additive(self, reward: ProcessReward, step: VectorStep) -> FloatArray:
        scores = reward.score_steps(step.observations, step.actions, step.reached)
        scores = scores.astype(np.float64)
        if not (self.shaping.charge_ends and step.terminated.any()):
            return scores
        paid = self.shaping.env_reward_weight * step.env_rewards > 0.0
        bad_end = step.terminated & ~paid & (scores < 0.0)
        return np.where(bad_end, scores * self.shaping.stay, scores)

    def _potential_difference(
        self, reward: ProcessReward, step: VectorStep
    ) -> FloatArray:
        # Both potentials come from the weights of now, also when they changed within
        # the episode: a rollout's shaping is then that of one potential.
        before = reward.score_states(step.observations)
        after = np.where(step.terminated, 0.0, reward.score_states(step.reached))
        return self.shaping.gamma * after - before
