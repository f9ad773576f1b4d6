"""A copy of this checkout, for what writes into the folder that it works on."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copied(target: Path) -> Path:
    """Copy the sources, without what was made of them."""
    made = shutil.ignore_patterns(".*venv*", ".git", "build", "dist", "*.egg-info")

    def skip(folder: str, names: list[str]) -> set[str]:
        results = Path(folder) == ROOT or Path(folder).name == "results"
        of_trainings = {"runs"} if results else set()
        return of_trainings | made(folder, names)

    shutil.copytree(ROOT, target, ignore=skip)
    return target
