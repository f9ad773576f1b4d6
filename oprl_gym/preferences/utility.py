"""The default teacher: what an episode is worth, as one number, and by how much."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from oprl_gym.files.fields import check_values
from oprl_gym.preferences.novelty import NoveltyTeacher
from oprl_gym.preferences.pay import SMALLEST
from oprl_gym.preferences.teachers import ScoreTeacher
from oprl_gym.types import FloatArray, Trajectory

_STATE = {
    "novelty": dict,
    "largest_return": float,
    "least_return": float,
    "largest_novelty": float,
    "latest": np.ndarray,
}

LATEST = 200
"""Episodes whose utilities say what is a large difference, unless fewer are kept."""


class UtilityTeacher(ScoreTeacher):
    """Prefers the higher utility, the more surely the larger the difference.

    The utility of an episode is ``return_worth`` times its return plus its novelty,
    each in units of the largest one so far: of returns that of either sign (at least
    1); novelty is the rarity of :class:`~oprl_gym.preferences.NoveltyTeacher`, a first
    visit being worth 1 / sqrt(episodes that have been there). So before any return
    tells episodes apart novelty does, a hair of cost does not silence it, and a success
    decides, however long an episode lasts; as all becomes known, novelty fades.

    An episode a is preferred to b with probability sigmoid((U_a - U_b) / tau), tau
    being ``temperature`` standard deviations of the utilities of the latest, or
    half of what these earn on average above the least return so far, if that is more:
    once nearly all succeed, what is left to tell them apart is little, and is not blown
    up. By the latest, as a success that was luck and long ago must not make novelty,
    which has to lead back to it, count for nothing.
    Fitted to such answers, the learned rewards of an episode add up to U / tau, but for
    a constant: those of the latest spread by 1 / ``temperature`` at most, whatever the
    env pays and however long an episode lasts.

    Args:
        return_worth: What the largest return so far is worth, in the largest novelty.
        temperature: In standard deviations of the utility.
        latest: Episodes whose utilities say what is a large difference, the last ones
            of those that are judged together.

    Raises:
        ValueError: An argument is not positive.

    Example:
        >>> import numpy as np
        >>> from oprl_gym.preferences import Trajectory, UtilityTeacher
        >>> def walk(*states, pay=0.0):
        ...     steps = len(states) - 1
        ...     rewards = np.append(np.zeros(steps - 1), pay)
        ...     return Trajectory(
        ...         np.array(states), np.zeros(steps), rewards, np.zeros(steps), False
        ...     )
        >>> teacher = UtilityTeacher()
        >>> near, far, goal = walk(0, 0, 1), walk(0, 1, 2), walk(0, 1, 3, pay=5.0)
        >>> teacher.observe([near, far, goal])
        >>> teacher.scores([near, far, goal]).round(2).ravel().tolist()
        [0.54, 1.0, 4.0]
    """

    judges_return = True

    def __init__(
        self,
        return_worth: float = 3.0,
        temperature: float = 0.3,
        latest: int = LATEST,
    ) -> None:
        super().__init__("half")
        for name, value in (
            ("return_worth", return_worth),
            ("temperature", temperature),
            ("latest", latest),
        ):
            if not value > 0:
                raise ValueError(f"{name} must be a positive number, got {value!r}")
        self.return_worth = return_worth
        self.temperature = temperature
        self.latest = latest
        self._novelty = NoveltyTeacher("rarity")
        self._largest_return = SMALLEST  # of either sign
        self._least_return = math.inf
        self._largest_novelty = 1.0
        # (utility, return) of the latest, as they came
        self._latest: deque[tuple[float, float]] = deque(maxlen=latest)

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count what new episodes have seen, and note their returns."""
        self._novelty.observe(trajectories)
        returns = [one.env_return for one in trajectories]
        self._largest_return = max([self._largest_return, *map(abs, returns)])
        self._least_return = min([self._least_return, *returns])
        new = self._novelty.scores(trajectories)
        self._largest_novelty = max(self._largest_novelty, float(new.max(initial=0.0)))
        utilities = self.scores(trajectories).ravel().tolist()
        self._latest.extend(zip(utilities, returns, strict=True))

    def scores(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, 1) utilities; 1 is the largest novelty so far."""
        returns = np.array([trajectory.env_return for trajectory in trajectories])
        of_returns = returns.reshape(-1, 1) / self._largest_return
        novelty = self._novelty.scores(trajectories) / self._largest_novelty
        return novelty + self.return_worth * of_returns

    def labels(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return (M, M) probabilities that the one of the row is preferred."""
        utility = self.scores(trajectories)
        returns = np.array([trajectory.env_return for trajectory in trajectories])
        tau = self._tau(utility[-self.latest :], returns[-self.latest :])
        return self._surely(utility - utility.T, tau)

    def judge(self, first: Trajectory, second: Trajectory) -> float:
        """Return the probability that the first is preferred."""
        one, other = self.scores([first, second])
        latest = np.array(self._latest).reshape(-1, 2)
        return float(self._surely(one - other, self._tau(*latest.T))[0])

    def _tau(self, utility: FloatArray, returns: FloatArray) -> float:
        """Return how far utilities lie apart for an answer that is fairly sure."""
        if not len(returns):
            return 1.0
        earned = float(returns.mean() - self._least_return) / self._largest_return
        spread = max(float(utility.std()), self.return_worth * earned / 2.0)
        return self.temperature * spread or 1.0

    def _surely(self, difference: FloatArray, tau: float) -> FloatArray:
        # Beyond 30 nothing changes any more, and exp would overflow.
        return 1.0 / (1.0 + np.exp(-np.clip(difference / tau, -30.0, 30.0)))

    def state(self) -> dict[str, Any]:
        """Return the counts, and the largest return and novelty so far."""
        return {
            "novelty": self._novelty.state(),
            "largest_return": self._largest_return,
            "least_return": self._least_return,
            "largest_novelty": self._largest_novelty,
            "latest": np.array(self._latest).reshape(-1, 2),
        }

    def load_state(
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on judging from there.

        Raises:
            ValueError: It is no such state.
        """
        check_values(state, _STATE, "teacher.")
        self._novelty.load_state(state["novelty"], trajectories)
        self._largest_return = float(state["largest_return"])
        self._least_return = float(state["least_return"])
        self._largest_novelty = float(state["largest_novelty"])
        largest = (self._largest_return, self._largest_novelty)
        if not all(1.0 <= one < math.inf for one in largest):
            raise ValueError(f"the largest return and novelty cannot be {largest}")
        if math.isnan(self._least_return) or not np.isfinite(state["latest"]).all():
            raise ValueError("a return or a utility is no number")
        self._latest.clear()
        self._latest.extend((float(u), float(r)) for u, r in state["latest"])
