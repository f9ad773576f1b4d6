"""rl_zoo3 trains with the process reward from the lines of a configuration file."""

from __future__ import annotations

import csv
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples" / "rl_zoo3"
README = (FOLDER / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
OPTIONS = "-n 2000 --eval-freq 1000 --eval-episodes 2 --log-interval 1 --seed 1"
SHORT = shlex.split(OPTIONS)


def option(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[words.index(name) + 1]


def logged(printed: str, name: str) -> list[float]:
    """Return the values that the tables on the screen give a name."""
    return [float(value) for value in re.findall(rf"\| +{name} +\| (\S+) +\|", printed)]


def returns(folder: Path) -> list[float]:
    """Return what the Monitors of all envs wrote."""
    rows: list[float] = []
    for path in folder.glob("*.monitor.csv"):
        with path.open() as file:
            file.readline()  # a line of JSON
            rows += [float(row["r"]) for row in csv.DictReader(file)]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=["ppo", "a2c", "dqn"])
def test_the_commands_of_the_readme_train_with_a_process_reward(
    command, tmp_path, monkeypatch, capfd
):
    from rl_zoo3.train import train

    (tmp_path / "examples").symlink_to(ROOT / "examples")
    python, *arguments = shlex.split(command)
    assert [python, *arguments[:2]] == ["python", "-m", "rl_zoo3.train"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*arguments[1:], *SHORT])
    train()
    printed = capfd.readouterr().out
    # A reward model was fitted and scored steps; it tells better from worse.
    assert logged(printed, "preferences")[-1] > 32
    assert logged(printed, "process_reward_mean")[-1] < 0
    assert logged(printed, "accuracy")[-1] > 0.6
    # What is reported is the env's own return: 0 or 10 an episode.
    folder = tmp_path / "logs" / option(command, "--algo") / "OPRLMaze-v0_1"
    own = returns(folder)
    assert len(own) < 100  # so that all of them are in the mean
    assert set(own) <= {0.0, 10.0}
    mean = logged(printed, "ep_rew_mean")[-1]
    assert mean == pytest.approx(np.mean(own), rel=1e-2)
    assert set(np.load(folder / "evaluations.npz")["results"].ravel()) <= {0.0, 10.0}


def test_every_file_has_its_command():
    files = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert {Path(option(line, "--conf-file")).name for line in COMMANDS} == files
    for name in files:
        assert f"[{name}]({name})" in README
