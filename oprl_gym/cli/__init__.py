"""The command line: parse, call, and say in one line what is wrong.

Each command is a dataclass in a file of its own: its fields are the options, its
``run`` does the work. Torch, Stable-Baselines3, matplotlib and pygame are imported in
``run``, so that ``--help`` comes at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Protocol

import oprl_gym
from oprl_gym.cli.compare import Compare
from oprl_gym.cli.ending import ends_by_sigterm
from oprl_gym.cli.evaluate import Evaluate
from oprl_gym.cli.inspect import Inspect
from oprl_gym.cli.label import Label
from oprl_gym.cli.one_line import in_one_line, nearest
from oprl_gym.cli.play import Play
from oprl_gym.cli.plot import Plot
from oprl_gym.cli.sweep import Sweep
from oprl_gym.cli.train import Resume, Train
from oprl_gym.cli.watch import Watch
from oprl_gym.runs.folder import RunError

__all__ = ["main"]

COMMANDS: dict[str, Any] = {
    "train": Train,
    "evaluate": Evaluate,
    "plot": Plot,
    "inspect": Inspect,
    "watch": Watch,
    "play": Play,
    "label": Label,
    "sweep": Sweep,
    "compare": Compare,
}
USER_ERROR = 2
INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended
TERMINATED = 143  # and for one that SIGTERM did


class Command(Protocol):
    """What is in ``COMMANDS``."""

    def run(self) -> None:
        """Do the work; raises RunError for what the user can put right."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``oprl-gym`` and return its exit status.

    Args:
        arguments: What follows ``oprl-gym``; None takes this process's own.

    Returns:
        0; 2 if the user has to change something; 130 after Ctrl-C, 143 after SIGTERM.
    """
    # pygame greets on standard output, which `evaluate --json` has for JSON alone.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # Without a desktop, what looks for one complains that this is not set.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a folder may have letters that the terminal has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if arguments == ["--version"]:
        print(f"oprl-gym {oprl_gym.__version__}")
        return 0
    try:
        _check_command(arguments[0])
        return _run(_parse(arguments))
    except (RunError, OSError) as error:  # the latter: a name too long, no permission
        return _say(str(error), USER_ERROR)
    except MemoryError as error:  # what a hostile file may ask for
        return _say(f"there is not enough memory for that: {error}", USER_ERROR)
    except KeyboardInterrupt as error:
        return _say(str(error) or "interrupted", INTERRUPTED)


def _run(command: Command | None) -> int:
    if command is None:
        return 0
    if not isinstance(command, Train | Resume):
        command.run()
        return 0
    with ends_by_sigterm() as signals:
        try:
            command.run()
        except KeyboardInterrupt as error:
            if not signals:
                raise
            return _say(str(error), TERMINATED)
    return 0


def _check_command(word: str) -> None:
    if not word.startswith("-") and word not in COMMANDS:
        raise RunError(f"there is no command {word}{nearest(word, COMMANDS)}")


def _parse(arguments: list[str]) -> Command | None:
    """Return the command to run; None after ``--help``."""
    command = _read(COMMANDS, arguments)
    if not isinstance(command, Train):
        return command
    kind = command.read_as()
    try:
        return (
            command if kind is Train else _read(COMMANDS | {"train": kind}, arguments)
        )
    except RunError as error:
        if kind is not Resume:
            raise
        raise RunError(
            "--resume keeps the settings of the run; the only other options that go "
            "with it are --total-timesteps, --track and, for what comes from a module, "
            "--env-id, --env-wrapper or --trust"
        ) from error


def _read(commands: dict[str, Any], arguments: list[str]) -> Command | None:
    import tyro

    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            command: Command = tyro.extras.subcommand_cli_from_dict(
                commands,
                prog="oprl-gym",
                description="Online Process Reward Learning: train, look, compare. "
                "--version says which this is.",
                args=arguments,
            )
            return command
    except ValueError as error:  # raised by a config's own checks
        raise RunError(str(error)) from error
    except SystemExit as error:
        if not error.code:
            return None
        raise RunError(in_one_line(errors.getvalue())) from None


def _say(message: str, status: int) -> int:
    line = " ".join(message.split())
    # What a file said may hold what moves a terminal's cursor.
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    print(f"oprl-gym: {shown}", file=sys.stderr)
    return status
