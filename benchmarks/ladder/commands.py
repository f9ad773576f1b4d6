"""Which commands the runs in a results folder were made with."""

from __future__ import annotations

from pathlib import Path

FILE = "commands.txt"


def commands(results: Path) -> list[str]:
    """Return the commands noted so far, each after the commit it was called at."""
    path = results / FILE
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def note_command(results: Path, command: str, commit: str) -> None:
    """Add a command, unless the same was called at the same commit before."""
    line = f"{commit}: {command}"
    if line in commands(results):
        return
    results.mkdir(parents=True, exist_ok=True)
    with (results / FILE).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
