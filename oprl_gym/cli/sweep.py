"""``oprl-gym sweep``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from oprl_gym.cli.workers import Workers, check_packages


@dataclass(frozen=True)
class Sweep:
    """Run many settings with many seeds, side by side, and compare them.

    A sweep that was broken off, however, goes on where it was when the same command
    is given again.
    """

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SWEEP.yaml")]
    """What to run: docs/scaling.md says how it is written."""

    out: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="DIR", help_behavior_hint="(default: runs/ and the file's name)"
        ),
    ] = None
    """Folder of the sweep. On a cluster, one that all nodes see at the same path."""

    workers: Annotated[Workers, tyro.conf.arg(name="")] = Workers()  # noqa: RUF009

    def run(self) -> None:
        """Sweep."""
        check_packages("sweep")
        from oprl_gym.sweep import read_sweep

        sweep = read_sweep(self.file)
        # After that: its statistics take a second to import.
        from oprl_gym.sweep.sweeping import run_sweep

        out = Path(self.out or Path("runs") / Path(self.file).stem)
        engine = self.workers.make({arm.config.device for arm in sweep.arms})
        try:
            run_sweep(sweep, out, engine)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; what is done is in {out}, and the same command goes on"
            ) from None
