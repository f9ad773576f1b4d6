"""``oprl-gym sweep``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from oprl_gym.runs.folder import RunError

RETRIES = 3
"""How often a run is continued whose process was lost; one that kills its process
each time, as it needs more memory than there is, has to come to an end."""

PRELOAD = ("oprl_gym.training.run", "torch._dynamo", "matplotlib.backends.backend_agg")
"""What a run imports; the last two only as it makes an optimizer, and as it ends."""


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

    jobs: Annotated[
        int | None,
        tyro.conf.arg(metavar="N", help_behavior_hint="(default: one a processor)"),
    ] = None
    """Runs at a time."""

    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or Ray Tune: pip install 'oprl-gym[ray]'."""

    address: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="HOST:PORT", help_behavior_hint="(default: Ray on this machine)"
        ),
    ] = None
    """Ray cluster, of which this machine is a node; or: auto."""

    def run(self) -> None:
        """Sweep."""
        try:
            import scipy  # type: ignore[import-untyped]  # noqa: F401 (to say so first)

            from oprl_gym.sweep import read_sweep
        except ImportError as error:
            raise RunError(
                f"sweep needs more packages ({error}); run: pip install "
                "'oprl-gym[sweep]'"
            ) from error
        from oprl_gym.engines import make_engine
        from oprl_gym.sweep.sweeping import run_sweep

        sweep = read_sweep(self.file)
        devices = {arm.config.device for arm in sweep.arms} - {"cpu"}
        if self.engine == "ray" and devices:
            raise RunError(
                f"device: {', '.join(sorted(devices))} with --engine ray, where a run "
                "gets a processor and no GPU; set device: cpu, or use --engine local"
            )
        out = Path(self.out or Path("runs") / Path(self.file).stem)
        engine = make_engine(self.engine, self.jobs, self.address, RETRIES, PRELOAD)
        try:
            run_sweep(sweep, out, engine)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; what is done is in {out}, and the same command goes on"
            ) from None
