"""``oprl-gym inspect``."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.runs.folder import RunFolder

if TYPE_CHECKING:
    from oprl_gym.runs.findings import Finding

WIDTH = 88


@dataclass(frozen=True)
class Inspect:
    """Say whether a run's learned reward is right, and draw what shows it."""

    directory: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DIR")]
    """The run folder; its agent plays some 40 episodes."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Inspect."""
        folder = RunFolder.begun(self.directory)
        self.trust.vouch(folder.config())
        import torch

        from oprl_gym.figures.inspection import draw_inspection
        from oprl_gym.runs.findings import findings
        from oprl_gym.runs.inspection import inspect

        torch.set_num_threads(1)
        inspection = inspect(folder)
        found = findings(inspection)
        written = draw_inspection(folder, inspection, found)
        print("\n".join(map(_text, found)))
        print(f"{'figures':12}{', '.join(map(str, written))}")


def _text(finding: Finding) -> str:
    remedy = finding.remedy[0].upper() + finding.remedy[1:]
    lines = f"{finding.verdict}: {finding.says}. {remedy}."
    return textwrap.fill(
        lines, WIDTH, initial_indent=f"{finding.name:12}", subsequent_indent=" " * 12
    )
