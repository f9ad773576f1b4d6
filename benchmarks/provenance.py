"""Where a number comes from: commit, versions, machine, command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.paths import ROOT

SOURCES = ("oprl_gym", "wrappers", "callbacks", "benchmarks/**/*.py", "pyproject.toml")
PACKAGES = ("gymnasium", "minigrid", "numpy", "scipy", "stable-baselines3", "torch")


def commit() -> str:
    """Return the commit checked out, `+changes` if the sources differ from it."""
    try:
        head = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--", *SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return the processor's name and how many cores there are."""
    return f"{_processor()}, {os.cpu_count()} cores"


def command(arguments: Sequence[str] | None = None) -> str:
    """Return the command line that this program was started with."""
    spec = sys.modules["__main__"].__spec__
    name = Path(sys.argv[0]).name if spec is None else spec.name
    rest = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", "-m", name.removesuffix(".__main__"), *rest])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()
