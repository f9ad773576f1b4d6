"""The files that runs leave behind: one small JSON file each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ladder.settings import settings_of


@dataclass(frozen=True, order=True)
class RunId:
    """Which run: names out of `settings.py`, and a seed."""

    seed: int
    rung: str
    algo: str
    arm: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.algo} {self.rung} {self.arm} seed {self.seed}"

    def path(self, results: Path) -> Path:
        """Return where its result is kept."""
        return results / "runs" / self.algo / self.rung / self.arm / f"{self.seed}.json"

    def failure_path(self, results: Path) -> Path:
        """Return where the words of its failure are kept."""
        name = f"{self.algo}-{self.rung}-{self.arm}-{self.seed}.txt"
        return results / "failures" / name


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file, one line a value, so that at no time there is half of it."""
    lines = [f"{json.dumps(name)}: {json.dumps(v)}" for name, v in values.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    os.replace(beside, path)


def read_run(path: Path) -> dict[str, Any] | None:
    """Return what a finished run wrote, None if there is no such file or it is torn."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) and "settings" in values else None


def state_of(run: RunId, results: Path) -> str:
    """Return "missing" (or torn), "stale" or "finished".

    A run is stale if it was made with other settings than those of today.
    """
    values = read_run(run.path(results))
    if values is None:
        return "missing"
    today = json.loads(json.dumps(settings_of(run.arm, run.rung, run.algo)))
    return "finished" if values["settings"] == today else "stale"


def read_all(results: Path) -> list[dict[str, Any]]:
    """Return all finished runs, in order of algorithm, rung, arm and seed."""
    found = [read_run(path) for path in sorted((results / "runs").rglob("*.json"))]
    runs = [run for run in found if run is not None]
    return sorted(runs, key=lambda r: (r["algo"], r["rung"], r["arm"], r["seed"]))
