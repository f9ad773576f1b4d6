"""``oprl-gym compare``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from oprl_gym.cli.workers import Workers, check_packages
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Compare:
    """Does it help in your env? Train plain, two cheap rivals and OPRL, and say so.

    What was broken off goes on when the same command is given again.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(
        default_factory=TrainConfig
    )

    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Runs of each kind, with seeds from --seed on. Fewer than 3 tell nothing."""

    out: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/compare-ENV)"),
    ] = None
    """Folder for all of it. On a cluster, one that all nodes see at the same path."""

    workers: Annotated[Workers, tyro.conf.arg(name="")] = Workers()  # noqa: RUF009

    def run(self) -> None:
        """Compare."""
        self._check()
        check_packages("compare")
        from oprl_gym.sweep.compare.comparing import compare

        name = re.sub(r"[^\w.-]+", "-", f"compare-{self.config.env_id}")
        out = Path(self.out or Path("runs") / name)
        engine = self.workers.make({self.config.device})
        try:
            compare(self.config, self.seeds, out, engine)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; what is done is in {out}, and the same command goes on"
            ) from None

    def _check(self) -> None:
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise RunError(
                f"--seeds must be from 1 to {MOST_SEEDS:,}, got {self.seeds}"
            )
        if not self.config.oprl or self.config.bonus != "none":
            option = "--bonus" if self.config.oprl else "--no-oprl"
            raise RunError(
                "compare tries runs with and without a learned reward by itself; leave "
                f"out {option}"
            )
        if self.config.teaching.by_people:
            raise RunError(
                "compare needs nobody to answer; leave out --teacher and --preferences"
            )
