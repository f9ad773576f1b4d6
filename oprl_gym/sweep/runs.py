"""The runs of a sweep: where each is kept, how far it is, and how it is done."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from oprl_gym.engines import Task
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.lock import at_work
from oprl_gym.sweep.spec import Arm, Sweep

State = Literal["finished", "half-run", "missing"]

LOCK_TIMEOUT_S = 120.0
"""How long a run waits for the process that had it before: a lost node's may live on
for a little, and a network file system gives its lock back after a minute or so."""


@dataclass(frozen=True)
class SweepRun:
    """One arm with one seed.

    Attributes:
        arm: The arm.
        seed: The seed.
        out: Folder of the sweep.
    """

    arm: Arm
    seed: int
    out: Path

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.arm.name}, seed {self.seed}"

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(self.out / "runs" / self.arm.slug / f"seed-{self.seed}")

    @property
    def config(self) -> TrainConfig:
        """Its settings."""
        return replace(self.arm.config, seed=self.seed).resolved()

    def state(self) -> State:
        """Return how far it is.

        Raises:
            RunError: Its folder holds a run with other settings, or something else.
        """
        if not self.folder.file("config.json").is_file():
            self.folder.check_free()
            return "missing"
        there = self.folder.config()
        if there != self.config:
            raise RunError(
                f"{self.folder.path} holds a run with other settings than the sweep "
                "has now; choose another --out, or move that folder away"
            )
        return "finished" if self.folder.is_finished() else "half-run"

    def task(self) -> Task:
        """Return the call that does it."""
        log = self.out / "failures" / f"{self.arm.slug}-seed-{self.seed}.txt"
        call = functools.partial(do_run, self.config, self.folder.path)
        return Task(str(self), call, log)


def sweep_runs(sweep: Sweep, out: Path) -> list[SweepRun]:
    """Return all runs of a sweep.

    Those of a seed come before those of the next, so that a part of the sweep is the
    whole sweep with fewer seeds.
    """
    return [SweepRun(arm, seed, out) for seed in sweep.seeds for arm in sweep.arms]


def do_run(config: TrainConfig, path: Path) -> None:
    """Train, or go on from the checkpoint if there is a half-run.

    Args:
        config: Of the run.
        path: Its folder.

    Raises:
        RunError: The env failed, or another process has the run.
    """
    import torch
    from tqdm import tqdm  # type: ignore[import-untyped]

    from oprl_gym.runs.env import import_env
    from oprl_gym.training.run import resume, train

    torch.set_num_threads(1)
    # Its own lock is one between processes, which a run that is ended leaves behind.
    tqdm.set_lock(threading.RLock())
    folder = RunFolder(path)
    with at_work(path, LOCK_TIMEOUT_S):
        if folder.is_finished():
            return
        if folder.file("config.json").is_file():
            import_env(config)  # named by whoever wrote the sweep
            resume(path)
        else:
            train(config, path)
