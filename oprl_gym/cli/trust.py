"""The two options by which a run folder's env may come from a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from oprl_gym.config import shown
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import import_env, may_name_module
from oprl_gym.runs.folder import RunError


@dataclass(frozen=True)
class Trust:
    """What of a run folder the user vouches for."""

    env_id: Annotated[
        str | None,
        tyro.conf.arg(metavar="MODULE:ENV", help_behavior_hint="(default: none)"),
    ] = None
    """The run's env, named once more, if it comes from a module: it gets imported."""

    trust: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Import whatever module the run's env comes from. It can do all that you can."""

    def vouch(self, config: TrainConfig) -> None:
        """Import the module of a run's env, if that is wanted.

        Args:
            config: Out of the run's folder, which may be somebody else's.

        Raises:
            RunError: Another env was named, or the module cannot be imported; or an
                argument of the env names a module as well.
        """
        if self.env_id not in (None, config.env_id):
            raise RunError(
                f"--env-id {self.env_id} is not the env of this run, {config.env_id}"
            )
        if not self.trust:
            _check_arguments(config)
        if self.trust or self.env_id is not None:
            import_env(config.env_id)


NO_TRUST = Trust()


def _check_arguments(config: TrainConfig) -> None:
    """Refuse what an env that makes another env would import."""
    for name, value in config.env_kwargs.items():
        if may_name_module(value):
            raise RunError(
                f"the run's env_kwargs {name}={shown(value)} may name a module, which "
                "would be executed; if you trust whoever made the folder, give --trust"
            )
