"""What the pages in docs/ say is so."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "human-feedback.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", "")
COMMANDS = [line for line in SHELL.splitlines() if line.startswith("oprl-gym ")]


@pytest.mark.slow
def test_python_snippets_run_one_after_another(tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "preferences.sqlite").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_parsed(command):
    """They are not run: they wait for somebody."""
    from oprl_gym.cli import _parse

    assert _parse(shlex.split(command, comments=True)[1:]) is not None


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (PAGE.parent / target).exists(), target
