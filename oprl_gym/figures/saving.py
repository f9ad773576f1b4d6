"""Where the figures of a run go, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.folder import RunError, RunFolder


def figures_of(folder: RunFolder) -> Path:
    """Return the folder for a run's figures, which is made if there is none.

    Raises:
        RunError: It is a link, by which a folder of somebody else's could have files
            written elsewhere; or it cannot be made.
    """
    if folder.figures.is_symlink():
        raise RunError(f"{folder.figures} leads elsewhere; nothing is drawn there")
    try:
        folder.figures.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(folder.figures, error) from error
    return folder.figures


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib, of the kind that the name ends in.

    Raises:
        RunError: It cannot be written, or is of no kind that matplotlib knows.
    """
    image = io.BytesIO()
    try:
        figure.savefig(image, format=path.suffix.removeprefix("."))
    except ValueError as error:
        raise _unwritable(path, error) from error
    save_bytes(path, image.getvalue())


def save_bytes(path: Path, content: bytes) -> None:
    """Write a file, replacing the old one only once the new one is whole.

    Raises:
        RunError: It cannot be written.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} cannot be written: {error}")
