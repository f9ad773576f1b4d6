"""How the run fares that is labelled, and what its answers did."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

import numpy as np

from oprl_gym.labelling.session import LabellingSession
from oprl_gym.runs.episode_log import WINDOW, EpisodeLog
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.lock import is_at_work

LATEST = 100
"""Answers by which it is told how far the learned reward agrees with people."""


Stage = Literal["training", "over", "stopped"]


@dataclass(frozen=True)
class RunState:
    """How far a run has come.

    Attributes:
        stage: "training", "over", or "stopped": broken off.
        steps: Env steps taken.
        of: Env steps to be taken.
        resume: The command to go on with a run that stopped.
    """

    stage: Stage
    steps: int
    of: int
    resume: str


@dataclass(frozen=True)
class Change:
    """What an agent did at first and at last, on average.

    Attributes:
        measure: "success", a share of the episodes, or "return".
        before: In the first episodes of training.
        after: In the last ones.
        episodes: How many these are, each time.
    """

    measure: Literal["success", "return"]
    before: float
    after: float
    episodes: int


@dataclass(frozen=True)
class Outcome:
    """What came of people's answers.

    Attributes:
        answers: Of all people, that hold.
        agreed: How often the learned reward saw an order as people did, before it had
            learned from that answer.
        judged: Of how many answers.
        change: What the agent learned by them; None: it was trained without, or it is
            not known.
        again: The command that trains a new agent by them.
    """

    answers: int
    agreed: int
    judged: int
    change: Change | None
    again: str


class RunWatch:
    """Looks at the folder of a run that is labelled, and disturbs nothing.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._config = folder.config()
        self._seen: tuple[int, int] | None = None  # size and time of progress.csv
        self._steps = 0

    def training(self) -> bool:
        """Return whether the run goes on."""
        return self._stage() == "training"

    def state(self) -> RunState:
        """Return how far the run has come."""
        resume = shlex.join(["oprl-gym", "train", "--resume", str(self.folder.path)])
        total = self._config.total_timesteps
        return RunState(self._stage(), self._taken(), total, resume)

    def outcome(self, session: LabellingSession) -> Outcome:
        """Return what the answers did, once the run is over."""
        agreed, judged = session.agreement(LATEST)
        taught = self._config.teaching.teacher == "human"
        store = session.store
        env = shlex.join(["oprl-gym", "train", "--env-id", self._config.env_id])
        answers = shlex.join(["--preferences", str(store.path)])
        return Outcome(
            answers=store.count_answers(),
            agreed=agreed,
            judged=judged,
            change=self._change() if taught else None,
            again=f"{env} \\\n    {answers}",
        )

    def _stage(self) -> Stage:
        if self.folder.is_finished():
            return "over"
        return "training" if is_at_work(self.folder.path) else "stopped"

    def _taken(self) -> int:
        """Return the env steps in the last row of progress.csv, read when it grows."""
        path = self.folder.file("progress.csv")
        try:
            found = path.stat()
            seen = found.st_size, found.st_mtime_ns
            if seen != self._seen and path.is_file():  # a pipe would be waited for
                self._seen = seen
                steps, _ = self.folder.progress("time/total_timesteps")
                self._steps = int(steps[-1]) if len(steps) else 0
        except (OSError, RunError, ValueError, OverflowError):
            return 0  # there is none yet, or half a row
        return self._steps

    def _change(self) -> Change | None:
        try:
            return change_of(self.folder.episodes())
        except RunError:
            return None


def change_of(log: EpisodeLog) -> Change | None:
    """Return what the first and the last training episodes show; None of too few."""
    succeeds = log.reports_success
    values = log.success if succeeds else log.env_returns
    values = values[np.isfinite(values)]
    n = min(WINDOW, len(values) // 2)
    if n == 0:
        return None
    before, after = float(values[:n].mean()), float(values[-n:].mean())
    return Change("success" if succeeds else "return", before, after, n)
