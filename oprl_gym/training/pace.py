"""How often a run writes: rows of progress.csv, and checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

LOG_EVERY = 1024
"""Env steps from one row of progress.csv to the next, in whole rollouts."""

SAVE_EVERY = 5_000
"""Env steps from one checkpoint to the next, in whole rows of progress.csv."""


@dataclass(frozen=True)
class Pace:
    """In which steps a run goes on.

    Attributes:
        own_rows: Whether the agent writes its rows by itself, counted in rollouts; it
            counts episodes if it has a replay buffer.
        rollout: Env steps in a rollout, over all envs.
        log_interval: Rollouts from one row of progress.csv to the next.
        total: Env steps that will be taken: whole rollouts.
        save_every: Env steps from one checkpoint to the next: whole rows, so that a
            resumed run goes on writing the same ones.
    """

    own_rows: bool
    rollout: int
    log_interval: int
    total: int
    save_every: int


def pace_of(model: BaseAlgorithm, total_timesteps: int) -> Pace:
    """Return the pace of a run.

    Args:
        model: The untrained agent.
        total_timesteps: Env steps that are wanted.
    """
    rollout = _steps(model) * model.n_envs
    log_interval = max(1, LOG_EVERY // rollout)
    row = log_interval * rollout
    return Pace(
        isinstance(model, OnPolicyAlgorithm),
        rollout,
        log_interval,
        total=rollout * math.ceil(total_timesteps / rollout),
        save_every=row * math.ceil(SAVE_EVERY / row),
    )


def _steps(model: BaseAlgorithm) -> int:
    """Return the steps of each env in a rollout."""
    if isinstance(model, OnPolicyAlgorithm):
        return model.n_steps
    assert isinstance(model, OffPolicyAlgorithm)
    every: Any = model.train_freq  # a pair by now, whatever was given
    return int(every.frequency)


class RowWriter(BaseCallback):
    """Writes the rows of an agent that does not: then all stand at whole rollouts.

    Args:
        pace: Of the run.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        rollouts = self.num_timesteps // self._pace.rollout
        if not self._pace.own_rows and rollouts % self._pace.log_interval == 0:
            write_row(self.model, rollouts)


def write_row(model: BaseAlgorithm, rollouts: int) -> None:
    """Write a row of progress.csv after so many rollouts."""
    if isinstance(model, OnPolicyAlgorithm):
        model.dump_logs(rollouts)
    elif isinstance(model, OffPolicyAlgorithm):
        model.dump_logs()
