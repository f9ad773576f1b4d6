"""The options that say who does many runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from oprl_gym.extras import how_to_install
from oprl_gym.runs.folder import RunError

if TYPE_CHECKING:
    from oprl_gym.engines import Engine

RETRIES = 3
"""How often a run is continued whose process was lost; one that kills its process
each time, as it needs more memory than there is, has to come to an end."""

PRELOAD = ("oprl_gym.training.run", "torch._dynamo", "matplotlib.backends.backend_agg")
"""What a run imports; the last two only as it makes an optimizer, and as it ends."""


@dataclass(frozen=True)
class Workers:
    """How many runs at a time, and where."""

    jobs: Annotated[
        int | None,
        tyro.conf.arg(metavar="N", help_behavior_hint="(default: one a processor)"),
    ] = None
    """Runs at a time."""

    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or Ray Tune (extra [ray])."""

    address: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="HOST:PORT", help_behavior_hint="(default: Ray on this machine)"
        ),
    ] = None
    """Ray cluster, of which this machine is a node; or: auto."""

    def make(self, devices: set[str]) -> Engine:
        """Return the engine.

        Args:
            devices: What the runs are to be trained on.

        Raises:
            RunError: The options do not fit together, or Ray is not installed.
        """
        from oprl_gym.engines import make_engine

        others = devices - {"cpu"}
        if self.engine == "ray" and others:
            raise RunError(
                f"device: {', '.join(sorted(others))} with --engine ray, where a run "
                "gets a processor and no GPU; set device: cpu, or use --engine local"
            )
        return make_engine(self.engine, self.jobs, self.address, RETRIES, PRELOAD)


def check_packages(command: str) -> None:
    """Do nothing if what many runs need beyond the rest is installed.

    Raises:
        RunError: It is not; the message says what to install.
    """
    try:
        import scipy  # type: ignore[import-untyped]  # noqa: F401 (to say so first)
        import yaml  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        raise RunError(
            f"{command} needs more packages ({error}); run: {how_to_install('sweep')}"
        ) from error
