"""The options by which a run folder's env, or a wrapper of it, comes from a module."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated

import tyro

from oprl_gym.config import shown
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import (
    import_named,
    import_wrappers,
    may_name_module,
    module_of,
)
from oprl_gym.runs.env_wrappers import NamedWrapper
from oprl_gym.runs.folder import RunError


@dataclass(frozen=True)
class Trust:
    """What of a run folder the user vouches for."""

    env_id: Annotated[
        str | None,
        tyro.conf.arg(metavar="MODULE:ENV", help_behavior_hint="(default: none)"),
    ] = None
    """The run's env, named once more, if it comes from a module: it gets imported."""

    env_wrapper: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="MODULE:CLASS", help_behavior_hint="(default: none)"),
    ] = ()
    """The wrappers of the run's env, named once more: their modules get imported."""

    trust: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Import whatever modules the run's env comes from. They can do all that you can.
    """

    def vouch(self, config: TrainConfig) -> None:
        """Import the modules of a run's env and its wrappers, if that is wanted.

        Args:
            config: Out of the run's folder, which may be somebody else's.

        Raises:
            RunError: Others were named, or a module cannot be imported; or an argument
                of the env or a wrapper may name a module or a file.
        """
        if self.env_id not in (None, config.env_id):
            raise RunError(
                f"--env-id {self.env_id} is not the env of this run, {config.env_id}"
            )
        if self.env_wrapper not in ((), tuple(config.env_wrapper)):
            raise RunError(
                f"--env-wrapper {' '.join(self.env_wrapper)}: the wrappers of this run "
                f"are {' '.join(config.env_wrapper) or 'none'}"
            )
        if not self.trust:
            self._check_arguments(config)
        if self.trust or self.env_id is not None:
            import_named(config.env_id, module_of(config.env_id))
        if self.trust or self.env_wrapper:
            import_wrappers(config)

    def _check_arguments(self, config: TrainConfig) -> None:
        """Refuse what an env that makes another env would import, or a wrapper write.

        A wrapper that records videos takes a folder, say.
        """
        for name, value in config.env_kwargs.items():
            if may_name_module(value):
                raise RunError(
                    f"the run's env_kwargs {name}={shown(value)} may name a module, "
                    "which would be executed; if you trust whoever made the folder, "
                    "give --trust"
                )
        for text in config.env_wrapper:
            if NamedWrapper.read(text).holds_text() and not self.env_wrapper:
                raise RunError(
                    f"the run's env_wrapper {shown(text)} gets text, which may name a "
                    f"file or a module; give --env-wrapper {shlex.quote(text)}, or "
                    "--trust if you trust whoever made the folder"
                )


NO_TRUST = Trust()
