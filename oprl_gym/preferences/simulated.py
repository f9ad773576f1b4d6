"""Judges as imperfect as people are: the simulated teachers of B-Pref."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oprl_gym.preferences.teacher import Teacher
from oprl_gym.types import Trajectory


class SimulatedTeacher(Teacher):
    """Judges by the env's reward, with the faults of a person.

    The family of Lee et al. (2021), "B-Pref: Benchmarking Preference-Based
    Reinforcement Learning", arXiv:2111.03026, section 4, with its parameter names:

    - Stochastic: prefers the first with probability sigmoid(beta * (R1 - R2)).
    - Myopic: R is the sum of gamma^(T - 1 - t) r_t, so the end of a clip counts most.
    - Skip: gives no answer if the better sum of rewards is below a threshold.
    - Equal: answers "equal" if the sums differ by less than a threshold.
    - Mistake: turns an answer (not an "equal") round with probability epsilon.

    Thresholds follow the agent: an epsilon times what the latest episodes were paid on
    average in as many steps as are shown. Until episodes are observed they are 0. Of
    two equal sums, either is preferred as often (the paper's code prefers the first).
    As in the paper that is meant for rewards of 0 and more: where they are costs, so
    are the thresholds, and with ``eps_skip`` hardly a question is answered.

    Args:
        rng: Source of chance.
        beta: Rationality; infinite is an oracle (the paper's 1 is its Stoc teacher).
        gamma: Discount of earlier steps, in (0, 1]; the paper's Myopic has 0.9.
        eps_mistake: Probability of a mistake, in [0, 1]; the paper's Mistake has 0.1.
        eps_skip: Share of the mean pay below which it skips, in [0, 1].
        eps_equal: Share of it below which a difference is none, in [0, 1].

    Raises:
        ValueError: A value is out of range; the message names it.

    Example:
        >>> import numpy as np
        >>> from oprl_gym.preferences import SimulatedTeacher, Trajectory
        >>> def paid(reward):
        ...     return Trajectory(np.zeros(2), [0], np.array([reward]), [0.0], False)
        >>> teacher = SimulatedTeacher(np.random.default_rng(0), eps_mistake=0.1)
        >>> answers = [teacher.judge(paid(1.0), paid(0.0)) for _ in range(1000)]
        >>> round(sum(answers) / 1000, 1)
        0.9
    """

    judges_return = True

    def __init__(
        self,
        rng: np.random.Generator,
        beta: float = np.inf,
        gamma: float = 1.0,
        eps_mistake: float = 0.0,
        eps_skip: float = 0.0,
        eps_equal: float = 0.0,
    ) -> None:
        if not beta > 0:
            raise ValueError(f"beta must be positive, or infinite, got {beta!r}")
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {gamma!r}")
        shares = {
            "eps_mistake": eps_mistake,
            "eps_skip": eps_skip,
            "eps_equal": eps_equal,
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {share!r}")
        self.beta = beta
        self.gamma = gamma
        self.eps_mistake = eps_mistake
        self.eps_skip = eps_skip
        self.eps_equal = eps_equal
        self._rng = rng
        self._reward_mean = 0.0  # per step, of the latest episodes

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Let the thresholds follow what new episodes are paid."""
        if trajectories:
            total = sum(trajectory.env_return for trajectory in trajectories)
            steps = sum(len(trajectory) for trajectory in trajectories)
            self._reward_mean = total / steps

    def state(self) -> dict[str, Any]:
        """Return what episodes were paid, and the state of chance."""
        return {"reward_mean": self._reward_mean, "rng": self._rng.bit_generator.state}

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on judging from there."""
        self._reward_mean = state["reward_mean"]
        self._rng.bit_generator.state = state["rng"]

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return 1.0, 0.0, 0.5 for "equal", or None for a question skipped."""
        usual = self._reward_mean * max(len(first), len(second))
        if max(first.env_return, second.env_return) < self.eps_skip * usual:
            return None
        if abs(first.env_return - second.env_return) < self.eps_equal * usual:
            return 0.5
        preferred = self._rng.random() < self._probability(first, second)
        mistaken = self._rng.random() < self.eps_mistake
        return float(preferred != mistaken)

    def _probability(self, first: Trajectory, second: Trajectory) -> float:
        difference = self._myopic_return(first) - self._myopic_return(second)
        if difference == 0:
            return 0.5
        with np.errstate(over="ignore"):  # exp of a large number is infinite: 0 then
            return float(1 / (1 + np.exp(-self.beta * difference)))

    def _myopic_return(self, trajectory: Trajectory) -> float:
        weights = self.gamma ** np.arange(len(trajectory))[::-1]
        return float(weights @ trajectory.env_rewards)
