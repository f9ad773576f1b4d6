"""What flows between the parts: trajectories, preferences, reports, and the teacher.

Axis letters are the same everywhere: N envs, T steps, B pairs, K models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]

Aggregation = Literal["absorbing", "sum", "mean"]
Baseline = Literal["best", "zero"]
Mode = Literal["additive", "potential"]
RewardInput = Literal["obs", "next_obs", "obs_action"]
Ties = Literal["skip", "half", "second"]


class EnvError(ValueError):
    """An env gave what nothing can be learned from; the message says which and what."""


# Two trajectories are the same only if they are the same object, so `eq=False`: that
# also makes them keys of weak dictionaries, where the learner keeps what it derives.
@dataclass(frozen=True, eq=False)
class Trajectory:
    """One finished episode, as the wrapper saw it.

    Attributes:
        observations: (T+1, ...) observations; the last one is the terminal
            observation of the episode, never that of the next reset. Dict and Tuple
            observations are flattened to float32 vectors.
        actions: (T, ...) actions.
        env_rewards: (T,) float64, what the env paid.
        process_rewards: (T,) float64, the learned reward before it was scaled.
        terminated: True if the env ended the episode, False if it was cut off.

    Raises:
        ValueError: The lengths do not fit together, or there is no step.
    """

    observations: Array  # (T+1, ...)
    actions: Array  # (T, ...)
    env_rewards: FloatArray  # (T,)
    process_rewards: FloatArray  # (T,)
    terminated: bool

    def __post_init__(self) -> None:
        """Check the lengths: a shifted row would pair states with wrong rewards."""
        steps = len(self.actions)
        lengths = (
            len(self.observations) - 1,
            len(self.env_rewards),
            len(self.process_rewards),
        )
        if steps == 0 or any(length != steps for length in lengths):
            raise ValueError(
                f"a trajectory of T={steps} actions needs T >= 1, T+1 observations and "
                f"T rewards, got {len(self.observations)} observations, "
                f"{len(self.env_rewards)} env and {len(self.process_rewards)} process "
                "rewards"
            )

    def __len__(self) -> int:
        """Return the number of steps T."""
        return len(self.actions)

    @cached_property
    def env_return(self) -> float:
        """Sum of the env's rewards, undiscounted."""
        return float(self.env_rewards.sum())

    @cached_property
    def process_return(self) -> float:
        """Sum of the process rewards, undiscounted and unscaled."""
        return float(self.process_rewards.sum())


# `eq=False` as above: the same answer given twice is two preferences.
@dataclass(frozen=True, eq=False)
class Preference:
    """A teacher's answer about two trajectories.

    Attributes:
        first: One trajectory.
        second: The other one.
        label: Probability in [0, 1] that ``first`` is the better one; 0.5 is "equal".
        weight: How much it counts beside others, more than 0: one of weight 2 is fitted
            to as if it were there twice.

    Raises:
        ValueError: The label is not a probability, or the weight not positive.
    """

    first: Trajectory
    second: Trajectory
    label: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the label: beyond [0, 1] the loss has no lower bound."""
        if not 0.0 <= self.label <= 1.0:
            raise ValueError(f"a label is a probability in [0, 1], got {self.label!r}")
        if not 0.0 < self.weight < float("inf"):
            raise ValueError(f"a weight is a positive number, got {self.weight!r}")


class Teacher(Protocol):
    """Whoever judges: the return, a rule, a person."""

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Take note of newly finished episodes, before any of them is judged."""
        ...

    def decided_by(self, trajectories: Sequence[Trajectory]) -> FloatArray | None:
        """Return the (M, C) scores that decide every answer, or None if none do.

        Higher is better, earlier columns decide first, and a pair whose rows are equal
        gets no answer: the learner does not ask about it.
        """
        ...

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return P(first is preferred) in [0, 1], or None for "cannot tell"."""
        ...


@runtime_checkable
class StatefulTeacher(Teacher, Protocol):
    """A teacher whose judgement depends on what it has seen, and can be saved."""

    def state(self) -> dict[str, Any]:
        """Return nested dicts and lists of numbers, strings and arrays."""
        ...

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on from a saved state, in which ``trajectories`` were observed."""
        ...


@dataclass(frozen=True)
class LateAnswers:
    """What became known about questions asked earlier.

    Attributes:
        given: New answers.
        withdrawn: Answers given before that no longer hold; the same objects.
    """

    given: Sequence[Preference]
    withdrawn: Sequence[Preference]


@runtime_checkable
class LateTeacher(Teacher, Protocol):
    """A teacher who takes time, such as a person: ``judge`` only notes the question.

    Its ``judge`` returns None; the answer comes out of ``collect`` once it is there.
    """

    def collect(self, model_version: int) -> LateAnswers:
        """Return what became known since the last call.

        Args:
            model_version: How often the reward model has been fitted so far; to be
                noted with the questions that follow.
        """
        ...


@dataclass(frozen=True)
class UpdateReport:
    """What one ``OPRLLearner.update`` did.

    Attributes:
        new_trajectories: Episodes taken in by this update.
        new_preferences: Preferences stored by this update, held-out ones included.
        preferences: Preferences kept now, held-out ones included.
        gradient_steps: Optimiser steps taken; 0 before ``min_preferences``.
        reward_loss: Mean Bradley-Terry loss over those steps in nats, or None.
        accuracy: Share of held-out preferences the model orders as the teacher did,
            or None while none is held out. Answers "equal" do not count.
        reverted: True if the fit gave NaN or infinite numbers and was undone.
    """

    new_trajectories: int
    new_preferences: int
    preferences: int
    gradient_steps: int
    reward_loss: float | None
    accuracy: float | None
    reverted: bool
