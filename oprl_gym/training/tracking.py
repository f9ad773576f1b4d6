"""A run's numbers, sent to wandb or trackio as they come."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from stable_baselines3.common.logger import KVWriter

from oprl_gym.extras import how_to_install
from oprl_gym.runs.folder import RunError, RunFolder

Tracker = Literal["wandb", "trackio"]
PROJECT = "oprl-gym"


class TrackingWriter(KVWriter):
    """Writes each row of progress.csv to a tracker; the two are called alike.

    Args:
        tracker: Which.
        folder: Of the run: its name there, its settings. A run that goes on does so
            there as well.

    Raises:
        RunError: The tracker cannot be reached.
    """

    def __init__(self, tracker: Tracker, folder: RunFolder) -> None:
        place = str(folder.path.resolve())
        name = f"{folder.path.name}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        own = {"id": name} if tracker == "wandb" else {}
        try:
            self._run: Any = importlib.import_module(tracker).init(
                project=PROJECT,
                name=name,
                config=asdict(folder.config()),
                resume="allow",
                **own,
            )
        except Exception as error:  # whatever a service's client raises
            raise RunError(f"--track {tracker}: {error}") from error

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Send the numbers of a row."""
        numbers = {
            name: float(value)
            for name, value in key_values.items()
            if isinstance(value, int | float | np.number)
        }
        self._run.log(numbers, step=step)

    def close(self) -> None:
        """Tell the tracker that the run is over."""
        self._run.finish()


def check_tracker(tracker: Tracker | None) -> None:
    """Do nothing if what is to track a run is installed.

    Raises:
        RunError: It is not.
    """
    if tracker is not None and importlib.util.find_spec(tracker) is None:
        raise RunError(
            f"--track {tracker} needs a package; run: {how_to_install(tracker)}"
        )
