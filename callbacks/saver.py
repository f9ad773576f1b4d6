"""Saves checkpoints while an agent learns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oprl_gym.callbacks.between import BetweenRollouts
from oprl_gym.callbacks.checkpoint import HasState, save_checkpoint

SAVE_EVERY = 10_000


class CheckpointSaver(BetweenRollouts):
    """Writes a checkpoint every so many env steps, and one at the end.

    It does so at the start of a rollout, when the agent has learned from all before.
    A file that cannot be written is warned of, and tried again at the next; only the
    one at the end has to succeed.

    Args:
        path: The file, replaced each time.
        parts: What is to be saved beside the agent and its envs, by name.
        every: Env steps from one checkpoint to the next.

    Raises:
        ValueError: ``every`` is no positive integer, there is no folder for the
            file, or it is one. In a step: it stands inside another callback, such as
            EveryNTimesteps.
    """

    def __init__(
        self, path: str | Path, parts: Mapping[str, HasState], every: int = SAVE_EVERY
    ) -> None:
        super().__init__()
        given: Any = every  # by a script that no type checker reads
        if not (isinstance(given, int) and given >= 1):
            raise ValueError(
                f"save_every must be an integer of at least 1 env step, got {every!r}"
            )
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise ValueError(f"{self.path.parent} is no folder; make it first")
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder; name a file in it")
        self.every = every
        self._parts = parts
        self._saved_at = 0  # num_timesteps of the last one

    def _on_training_start(self) -> None:
        self._saved_at = self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        # Not `self.num_timesteps`, which stands still where another callback owns this.
        done = self.model.num_timesteps
        if done - self._saved_at < self.every:
            return
        try:
            self._save()
        except OSError as error:
            warnings.warn(
                f"no checkpoint at {done:,} steps: {self.path} cannot "
                f"be written ({error.strerror or error}); the last one is kept, and "
                f"the next is tried in {self.every:,} steps",
                stacklevel=2,
            )
        self._saved_at = done

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._save()

    def _save(self) -> None:
        save_checkpoint(self.path, self.model, self._parts)
