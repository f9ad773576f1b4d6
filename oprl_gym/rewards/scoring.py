"""How a step is scored, and how its score is mixed with the env's reward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
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
        gamma: The agent's discount, for "potential".
        reward_input: What a step is scored by; None takes what the learner uses.
        env_reward_weight: Weight of the env's own reward; 0 for an agent that learns
            from the process reward alone, which a potential is not enough for. None is
            1, and 0 once an added process reward is fitted to returns that the env pays
            only with the end of each episode
            (:class:`~oprl_gym.preferences.pay.EnvPay`): it has then shared out that pay
            among the steps.

    Raises:
        ValueError: A value makes no sense; the message names it.
    """

    scale: float = DEFAULT_SCALE
    mode: Mode = DEFAULT_MODE
    gamma: float = DEFAULT_GAMMA
    reward_input: RewardInput | None = None
    env_reward_weight: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("scale", "env_reward_weight"):
            value = getattr(self, name)
            left_out = name == "env_reward_weight" and value is None
            if not (left_out or _is_number(value)):
                raise ValueError(f"{name} must be a finite number, got {value!r}")
        if not (_is_number(self.gamma) and 0.0 <= self.gamma <= 1.0):
            raise ValueError(f"gamma must be in [0, 1], got {self.gamma!r}")
        check_choice("mode", self.mode, get_args(Mode))
        if self.reward_input is not None:
            check_choice("reward_input", self.reward_input, get_args(RewardInput))
        if self.mode == "potential" and self.reward_input == "obs_action":
            raise ValueError(
                "mode='potential' needs a score of the state alone, which "
                "reward_input='obs_action' is not; use 'next_obs' or 'obs'"
            )
        if self.mode == "potential" and self.env_reward_weight == 0:
            raise ValueError(
                "mode='potential' with env_reward_weight=0 leaves nothing to learn: a "
                "potential adds up to the same whatever the agent does; use "
                "mode='additive'"
            )


def _is_number(value: Any) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and math.isfinite(value)


ALONE = 10.0
"""What a score of 1 is worth to an agent that learns from nothing else (measured)."""

SCORED_AT_ONCE = 1024
"""Steps, over all envs, in one pass through the reward model: pictures take room."""


class VectorStep(NamedTuple):
    """One step of N envs; ``active`` is False where it only reset an env.

    ``first_visits`` and ``reached_first`` say where ``observations`` and ``reached``
    are new in their episode.
    """

    observations: Array  # (N, ...)
    first_visits: BoolArray  # (N,)
    actions: Array  # (N, ...)
    env_rewards: FloatArray  # (N,)
    reached: Array  # (N, ...)
    reached_first: BoolArray  # (N,)
    terminated: BoolArray  # (N,)
    truncated: BoolArray  # (N,)
    active: BoolArray | None = None  # (N,); None: everywhere

    def copy(self) -> VectorStep:
        """Return the step with arrays of its own."""
        parts: Any = [None if one is None else one.copy() for one in self]
        return VectorStep(*parts)

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
        scores = self.unit * scores
        return scores if step.active is None else np.where(step.active, scores, 0.0)

    @property
    def fitted(self) -> bool:
        """Whether steps are scored by a process reward that was fitted."""
        return self.process_reward is not None and self.process_reward.fitted

    @property
    def env_reward_weight(self) -> float:
        """What the env's own reward counts now."""
        if self.shaping.env_reward_weight is not None:
            return self.shaping.env_reward_weight
        reward = self.process_reward
        if self.shaping.mode == "potential" or reward is None:
            return 1.0
        return 0.0 if reward.fitted and reward.late else 1.0

    @property
    def unit(self) -> float:
        """What a score of 1 is worth, by how the env pays (EnvPay)."""
        if self.process_reward is None or not self.process_reward.unit:
            return 1.0
        return self.process_reward.unit if self.env_reward_weight else ALONE

    def mixed(self, env_rewards: Any, process_rewards: Any) -> Any:
        """Return what the agent gets, of numbers or of arrays."""
        return (
            self.env_reward_weight * env_rewards + self.shaping.scale * process_rewards
        )

    def score_mixed(self, steps: Iterable[VectorStep]) -> FloatArray:
        """Return the mixed rewards of several steps, one after another."""
        mixed = [
            self.mixed(step.env_rewards, self.score(step)) for step in in_passes(steps)
        ]
        return np.concatenate([np.zeros(0), *mixed])

    def _additive(self, reward: ProcessReward, step: VectorStep) -> FloatArray:
        if reward.encoder.reads_next:
            scores = reward.score(step.reached, step.reached_first, step.actions)
        else:
            scores = reward.score(step.observations, step.first_visits, step.actions)
        return scores.astype(np.float64)

    def _potential_difference(
        self, reward: ProcessReward, step: VectorStep
    ) -> FloatArray:
        # Both potentials come from the weights of now, also when they changed within
        # the episode: a rollout's shaping is then that of one potential.
        before = reward.score(step.observations, step.first_visits)
        reached = reward.score(step.reached, step.reached_first)
        after = np.where(step.terminated, 0.0, reached)
        return self.shaping.gamma * after - before
