"""Lint and types really look at every folder: a planted breach is found."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import copied

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    copy = copied(tmp_path_factory.mktemp("checkout") / "copy")
    # `make` takes these for the environment it would otherwise set up.
    (copy / ".venv").mkdir()
    (copy / ".venv" / "bin").symlink_to(BIN)
    for stamp in (".installed", ".installed-test"):
        (copy / ".venv" / stamp).touch()
    return copy


def make(target: str, checkout: Path) -> str:
    """Return what a failing `make target` prints; an empty string if it passes."""
    result = subprocess.run(
        ["make", target], cwd=checkout, capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


@pytest.mark.parametrize(
    "file", ["oprl_gym/config.py", "wrappers/mixing.py", "callbacks/oprl.py"]
)
def test_a_planted_type_error_is_found(checkout, file):
    path = checkout / file
    clean = path.read_text()
    path.write_text(clean + '\n_planted: int = "no number"\n')
    try:
        said = make("types", checkout)
    finally:
        path.write_text(clean)
    assert "[assignment]" in said
    assert Path(file).name in said


@pytest.mark.parametrize("folder", ["oprl_gym/envs", "wrappers", "callbacks", "tests"])
def test_a_planted_lint_error_is_found(checkout, folder):
    planted = checkout / folder / "planted.py"
    planted.write_text('"""Planted."""\n\nimport os\n')
    try:
        said = make("lint", checkout)
    finally:
        planted.unlink()
    assert "F401" in said


def test_without_a_breach_both_pass(checkout):
    assert make("lint", checkout) == ""
    assert make("types", checkout) == ""
