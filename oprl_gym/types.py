"""What flows between the parts: trajectories, preferences, reports, and the teacher.

Axis letters are the same everywhere: N envs, T steps, B pairs, K models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oprl_gym.visits import first_visits

Array = NDArray[Any]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]

Mode = Literal["additive", "potential"]
RewardInput = Literal["obs", "next_obs", "obs_action"]
Ties = Literal["skip", "half", "second"]


class EnvError(ValueError):
    """An env gave what nothing can be learned from; the message says which and what."""


def _unknown() -> BoolArray:
    return np.zeros(0, dtype=np.bool_)


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
        first_visits: (T+1,) bool, whether the episode had not had an observation before
            (:mod:`oprl_gym.visits`). Given for a piece of an episode, which began
            earlier; found out for a whole one.

    Raises:
        ValueError: The lengths do not fit together, or there is no step.
    """

    observations: Array  # (T+1, ...)
    actions: Array  # (T, ...)
    env_rewards: FloatArray  # (T,)
    process_rewards: FloatArray  # (T,)
    terminated: bool
    first_visits: BoolArray = field(default_factory=_unknown)  # (T+1,)

    def __post_init__(self) -> None:
        """Check the lengths: a shifted row would pair states with wrong rewards."""
        if not len(self.first_visits):
            object.__setattr__(self, "first_visits", first_visits(self.observations))
        steps = len(self.actions)
        lengths = (
            len(self.observations) - 1,
            len(self.first_visits) - 1,
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


@dataclass(frozen=True)
class UpdateReport:
    """What one ``OPRLLearner.update`` did.

    Attributes:
        new_trajectories: Episodes taken in by this update.
        new_preferences: Preferences that came by this update: answers to pairs asked
            about, or all pairs of kept episodes that have a new one in them.
        preferences: Preferences there are to fit to.
        gradient_steps: Optimiser steps taken; 0 before ``min_preferences``, and where
            all answers were foretold well enough.
        reward_loss: Bradley-Terry loss in nats, of what was looked at last; None where
            there was nothing to fit to, or the steps were undone.
        accuracy: Share of the latest preferences that the model ordered as the teacher
            did before it was fitted to them, or None before the first fit. Answers
            "equal" do not count.
        score_spread: Standard deviation of the scores of the steps fitted to last, as a
            share of what they reach to, or None before the first fit. Near 0 nothing is
            told apart; near 1 all is at an end of the scale, and hardly learns any
            more.
        reverted: True if the fit gave NaN or infinite numbers and was undone.
    """

    new_trajectories: int
    new_preferences: int
    preferences: int
    gradient_steps: int
    reward_loss: float | None
    accuracy: float | None
    score_spread: float | None
    reverted: bool
