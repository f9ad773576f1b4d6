"""What works between rollouts has to be told of them."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback


class BetweenRollouts(BaseCallback):
    """A callback that has its work between rollouts; it says so where it has none.

    ``EveryNTimesteps`` and other callbacks that hold one hand on some steps to it, and
    no rollouts: it would do nothing, in silence.

    Raises:
        ValueError: In a step, no rollout has begun.
    """

    def __init__(self, verbose: int = 0) -> None:
        super().__init__(verbose)
        self._in_rollout = False

    def init_callback(self, model: BaseAlgorithm | None = None) -> None:
        """Begin anew, with no rollout.

        Raises:
            ValueError: It is called on a class, as SB3 does with one in a list.
        """
        if model is None:  # it came in the place of self
            raise ValueError(
                "callback=[...] holds a class: write it with brackets, "
                "as OPRLCallback()"
            )
        self._in_rollout = False
        super().init_callback(model)

    def on_rollout_start(self) -> None:
        """Take note of the rollout."""
        self._in_rollout = True
        super().on_rollout_start()

    def update_locals(self, locals_: dict[str, Any]) -> None:
        """Take over the variables of a step, which also a callback around it does."""
        self._check_told()
        super().update_locals(locals_)

    def on_step(self) -> bool:
        """Take a step."""
        self._check_told()
        return super().on_step()

    def _check_told(self) -> None:
        if self._in_rollout:
            return
        own, around = type(self).__name__, type(self.parent).__name__
        raise ValueError(
            f"{own} inside {around} is not told of rollouts, between which it has its "
            f"work: give it to learn() beside it, as in "
            f"callback=[{own}(...), {around}(...)]"
        )
