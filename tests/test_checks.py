"""Lint and types really look at every folder: a planted breach is found.

That there is none without it is what `make check` says, which `make test` begins with.
"""

import re
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


def test_planted_type_errors_are_found(checkout):
    files = ("oprl_gym/config.py", "wrappers/mixing.py", "callbacks/oprl.py")
    clean = {file: (checkout / file).read_text() for file in files}
    for file, text in clean.items():
        (checkout / file).write_text(text + '\n_planted: int = "no number"\n')
    said = make("types", checkout)
    for file, text in clean.items():
        (checkout / file).write_text(text)
        assert re.search(rf"{re.escape(file)}.*\[assignment\]", said)


def test_planted_lint_errors_are_found(checkout):
    folders = ("oprl_gym/envs", "wrappers", "callbacks", "tests")
    planted = [checkout / folder / "planted.py" for folder in folders]
    for file in planted:
        file.write_text('"""Planted."""\n\nimport os\n')
    said = make("lint", checkout)
    for file in planted:
        file.unlink()
        name = re.escape(str(file.relative_to(checkout)))
        assert re.search(rf"F401.*\n.*{name}", said)
