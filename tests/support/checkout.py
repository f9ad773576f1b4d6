"""A copy of this checkout, for what writes into the folder that it works on."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copied(target: Path) -> Path:
    """Copy the sources, without what was made of them."""
    made = shutil.ignore_patterns(".*venv*", ".git", "build", "dist", "*.egg-info")

    def skip(folder: str, names: list[str]) -> set[str]:
        at_the_top = {"runs"} if Path(folder) == ROOT else set()
        return at_the_top | made(folder, names)

    shutil.copytree(ROOT, target, ignore=skip)
    return target
