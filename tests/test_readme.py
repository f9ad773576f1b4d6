"""Every snippet of README and docs runs, and every command of the command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import snippets
from support.snippets import python_blocks

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = (ROOT / "docs/command-line.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPETS = [
    page
    for page in PAGES
    if python_blocks(page) and page.name != "rllib.md"  # tests/rllib runs those
]
THREE_LINES = python_blocks(ROOT / "docs/index.md")[0]
SHELL_BLOCK = r"(<!-- Not run[^\n]*\n)?```sh\n(.*?)```"
SHELL = re.findall(SHELL_BLOCK, COMMANDS, re.DOTALL)
# `make test` would run itself, and `make train` is what it takes to get here.
SET_UP = ("make train", "make test")


@pytest.mark.slow
def test_python_snippets_run(tmp_path):
    snippets_run(tmp_path, steps=500)


@pytest.mark.long
def test_python_snippets_print_what_their_pages_say(tmp_path):
    printed = snippets_run(tmp_path, steps=10**9)
    for page in SNIPPETS:
        for said in re.findall(r"It prints `(.*?)`", page.read_text()):
            assert said in printed.splitlines()


def snippets_run(folder: Path, steps: int) -> str:
    """Run them all with so many steps of training at most; returns what they print."""
    result = subprocess.run(
        [sys.executable, "-W", "error", snippets.__file__, str(steps), *SNIPPETS],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # forks want no threads
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_shell_commands_run(tmp_path):
    """They run in one shell, in order, as somebody would type them."""
    commands = [text for skipped, text in SHELL if not skipped]
    assert len("".join(commands).splitlines()) >= 5
    script = "set -eu\n" + "".join(commands)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for file in ("runs/a2c/summary.json", "runs/compared.png", "runs/agent.gif"):
        assert (tmp_path / file).stat().st_size > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_readmes_commands_are_among_those_that_run():
    """But for what sets up, and what waits for a person."""
    for skipped, text in re.findall(SHELL_BLOCK, README, re.DOTALL):
        for line in text.splitlines():
            assert skipped or line.startswith(SET_UP) or line in COMMANDS


def test_every_registered_maze_is_in_the_table():
    from oprl_gym.envs.registration import ENV_IDS

    guide = (ROOT / "docs/guide.md").read_text()
    for env_id in ENV_IDS:
        assert f"`{env_id}`" in guide or f"`-{env_id.split('-', 1)[1]}`" in guide


def test_names_of_files_in_a_run_folder_are_those_written():
    from oprl_gym.runs import folder as run_folder

    source = Path(run_folder.__file__).read_text()
    for name in ("summary.json", "config.json", "episodes.csv", "policy.zip"):
        assert name in COMMANDS
        assert name in source
