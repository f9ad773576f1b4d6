"""One process at a time trains in a run folder."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import filelock

from oprl_gym.runs.folder import LOCK, RunError


@contextlib.contextmanager
def at_work(folder: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other processes from training in a run folder meanwhile.

    The lock is the system's own, which it takes from a process that ends, however that
    ends; the file alone, left by a kill, stops nobody. Within a process the same thread
    may come in again.

    Args:
        folder: The run folder, made if there is none.
        wait_s: How long to wait for another process to leave.

    Raises:
        RunError: Another process is at work there, or no file can be written.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path, is_singleton=True)
        inside = bool(lock.is_locked)
        lock.acquire(timeout=wait_s)
    except filelock.Timeout as error:
        raise RunError(
            f"{_owner(path)} is at work in {folder}; let it end first"
        ) from error
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror or error}"
        ) from error
    try:
        with contextlib.suppress(OSError):  # a full disk: others go without the name
            path.write_text(f"{os.getpid()} on {platform.node()}\n")
        yield
    finally:
        if not inside:
            with contextlib.suppress(OSError):  # gone, or Windows, where it is open
                path.unlink()
        lock.release()


def is_at_work(folder: Path) -> bool:
    """Return whether a process seems to train in a run folder, without disturbing it.

    By the number that it left: one of another machine, or on Windows, counts as alive.
    """
    path = folder / LOCK
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8") as file:
            found = re.fullmatch(r"(\d{1,9}) on ([\w.-]+)\n", file.read(500))
    except (OSError, ValueError):  # Windows does not let others read it
        return True
    if found is None or found[2] != platform.node() or os.name == "nt":
        return True
    try:
        os.kill(int(found[1]), 0)  # no signal: only asks whether it could be sent
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _owner(path: Path) -> str:
    """Return the process that holds a lock, in words."""
    try:
        found = re.fullmatch(r"(\d+ on [\w.-]+)\n", path.read_text())
    except (OSError, ValueError):  # Windows does not let others read it
        found = None
    return f"another process (pid {found[1]})" if found else "another process"
