"""What docs/rllib.md shows runs, and so do the examples in docstrings."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_imports import sources

import oprl_gym.rllib
from oprl_gym.rllib import with_oprl

ROOT = Path(__file__).resolve().parent.parent.parent
(SNIPPET,) = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "rllib.md").read_text(), re.DOTALL
)
MODULES = [
    "oprl_gym." + path.removesuffix(".py").replace("/", ".")
    for path, source in sources().items()
    if path.startswith("rllib/") and ">>>" in source
]


@pytest.mark.slow
def test_the_few_lines_run(tmp_path):
    """They begin with two logical CPUs at least: each env runner asks for one."""
    start = "import ray; ray.init('local', num_cpus=4, include_dashboard=False)\n"
    result = subprocess.run(
        [sys.executable, "-c", start + SNIPPET],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "'preferences': " in result.stdout


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_public_names():
    assert oprl_gym.rllib.__all__ == ["with_oprl"]
    assert ">>>" in with_oprl.__doc__
