"""How an env pays: how much, and whether only when all is over."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

from oprl_gym.files.fields import check_values
from oprl_gym.types import FloatArray, Trajectory

EPISODES = 10
"""First episodes by which it is decided."""

MEMORY = 200
"""Latest episodes by which it may be taken back, and by which costs are told."""

SHARE, LEAST = 0.9, 50
"""How many of those have to bear it out, once there are so many."""


_STATE = {
    "late": bool | None,
    "paid": bool,
    "largest_payment": float,
    "returns": list,
    "paid_at_end": list,
}

SMALLEST = 1.0
"""Less is not blown up: before the first success it may be hairs of cost."""


class EnvPay:
    """What is known of an env's reward by its episodes.

    How much: a learned reward has to mean the same beside a goal of 1 and one of 500,
    so a score of 1 is worth what an episode of late has cost on average, so that going
    out into the unknown is not silenced by what it costs, or the most that a single
    step has been paid, if that is more. Many small payments do not add up: they teach
    an agent by themselves, at each step. Nor does one episode that cost a lot.

    When: a reward paid for a whole episode is told from one paid for reaching
    something. Both may come with the last step alone. But what is paid for reaching
    something, a goal say, is not paid where an episode ends otherwise, and while an
    agent knows nothing most do. What every episode is paid, and at its end alone, is
    paid for the whole of it: it says little of the step it comes with, and
    beside a learned reward, which has shared it out among the steps, it is noise. So:
    the reward is late if each of the first ten episodes was paid with its last step and
    not before. An agent that succeeds nearly always, later on, changes nothing; but
    that is taken back once less than 90 % of the latest 200 were, or of the first 50
    and more.

    Attributes:
        late: Whether the reward is late; None until it is decided.
        paid: Whether any step has been paid for.

    Example:
        >>> import numpy as np
        >>> from oprl_gym.types import Trajectory
        >>> def episode(*rewards):
        ...     steps, zeros = len(rewards), np.zeros(len(rewards))
        ...     seen, paid = np.arange(steps + 1), np.array(rewards)
        ...     return Trajectory(seen, zeros, paid, zeros, terminated=True)
        >>> pay = EnvPay()
        >>> pay.observe([episode(0.0, 0.0, end) for end in (-8.0, -4.0)])
        >>> pay.unit
        6.0
        >>> pay.observe([episode(0.0, 0.0, 9.0)] * 8)
        >>> pay.unit, pay.late
        (9.0, True)
    """

    def __init__(self) -> None:
        self.late: bool | None = None
        self.paid = False
        self._largest_payment = SMALLEST
        self._returns: deque[float] = deque(maxlen=MEMORY)
        self._paid_at_end: deque[bool] = deque(maxlen=MEMORY)

    @property
    def unit(self) -> float:
        """What a score of 1 is worth beside the env's reward, at least 1."""
        cost = -sum(self._returns) / max(1, len(self._returns))
        return max(self._largest_payment, cost)

    def observe(self, episodes: Sequence[Trajectory]) -> None:
        """Take note of newly finished episodes."""
        self.observe_rewards([episode.env_rewards for episode in episodes])

    def observe_rewards(self, episodes: Sequence[FloatArray]) -> None:
        """Take note of newly finished episodes, by what each of their steps was paid.

        Args:
            episodes: (T,) rewards of the env each.
        """
        for rewards in episodes:
            most = float(rewards.max(initial=0.0))
            self.paid |= most > 0.0
            self._largest_payment = max(self._largest_payment, most)
            self._returns.append(float(rewards.sum()))
            self._paid_at_end.append(_paid_at_end(rewards))
            if self.late is None and len(self._paid_at_end) == EPISODES:
                self.late = all(self._paid_at_end)
            elif self.late and len(self._paid_at_end) >= LEAST:
                paid = sum(map(bool, self._paid_at_end))
                self.late = paid >= SHARE * len(self._paid_at_end)

    def state(self) -> dict[str, Any]:
        """Return what is to be saved."""
        return {
            "late": self.late,
            "paid": self.paid,
            "largest_payment": self._largest_payment,
            "returns": list(self._returns),
            "paid_at_end": list(self._paid_at_end),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is something else.
        """
        check_values(state, _STATE)
        numbers = [state["largest_payment"], *state["returns"]]
        finite = all(isinstance(x, float) and math.isfinite(x) for x in numbers)
        if not finite or numbers[0] < SMALLEST:
            raise ValueError("payments and returns must be numbers")
        self._largest_payment = state["largest_payment"]
        self._returns.clear()
        self._returns.extend(state["returns"])
        self.late = state["late"]
        self.paid = state["paid"]
        self._paid_at_end.clear()
        self._paid_at_end.extend(map(bool, state["paid_at_end"]))


def _paid_at_end(rewards: FloatArray) -> bool:
    """Whether there were steps before the last, and only the last was paid for."""
    earlier = rewards[:-1]
    return len(earlier) > 0 and not earlier.any() and rewards[-1] != 0
