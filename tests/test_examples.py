"""The examples run, and the one that is quick shows what it says."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., str]:
    """Return what runs an example as a program and returns what that prints."""

    def running(name: str, *options: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *options])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return running


@pytest.mark.slow
def test_q_learning_solves_what_it_does_not_solve_alone(run):
    learned = run("q_learning.py", "--total-timesteps", "10000")
    success = re.search(r" 10,000 steps: (\d+)% success", learned)
    assert success is not None
    assert int(success[1]) >= 80  # its docstring speaks of 89 %
    alone = run("q_learning.py", "--total-timesteps", "10000", "--no-oprl")
    assert alone.splitlines()[-1].endswith(" 0% success")


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--no-oprl",)])
def test_ppo_in_a_single_file_runs(options, run):
    printed = run("single_file_ppo.py", "--total-timesteps", "5120", *options)
    assert "5,120 steps" in printed


def test_every_example_is_tested():
    tested = {"my_env.py", "q_learning.py", "single_file_ppo.py"}  # the first: compare
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested
