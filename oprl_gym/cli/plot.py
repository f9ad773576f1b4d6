"""``oprl-gym plot``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.runs.folder import RunError, RunFolder


@dataclass(frozen=True)
class Plot:
    """Redraw the figures of one run, or draw several runs on one figure."""

    directories: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="DIR...")
    ]
    """Run folders. Those that differ in the seed alone share a colour."""

    out: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="FILE.png", help_behavior_hint="(default: comparison.png)"
        ),
    ] = None
    """Where to write the comparison."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Plot."""
        if not self.directories:
            raise RunError("which runs are to be plotted? give one or more folders")
        folders = [RunFolder.open(directory) for directory in self.directories]
        from oprl_gym.figures.of_runs import draw_comparison, draw_run

        if len(folders) == 1 and self.out is None:
            self.trust.vouch(folders[0].config())
            draw_run(folders[0])
            print(folders[0].figures)
            return
        out = Path("comparison.png" if self.out is None else self.out)
        if out.is_dir():
            raise RunError(f"--out {out} is a folder; name a file in it")
        if out.suffix == "":  # as matplotlib would, in silence
            out = out.with_name(f"{out.name}.png")
        draw_comparison(folders, out)
        print(out)
