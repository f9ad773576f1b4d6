"""What the pages in docs/ say is so."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "human-feedback.md"
TEXT = PAGE.read_text()
SHELL = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", "")
SCALING, COMPARE = ROOT / "docs" / "scaling.md", ROOT / "docs" / "compare.md"
for page in (SCALING, COMPARE):
    SHELL += "".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL))
COMMANDS = [line for line in SHELL.splitlines() if line.startswith("oprl-gym ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_parsed(command):
    """They are not run: they wait for somebody."""
    from oprl_gym.cli import _parse

    assert _parse(shlex.split(command, comments=True)[1:]) is not None


@pytest.mark.parametrize("page", [PAGE, SCALING, COMPARE], ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_sweeps_that_are_shown_are_sweeps():
    from oprl_gym.sweep import read_sweep
    from oprl_gym.sweep.spec import sweep_from

    assert len(read_sweep(ROOT / "examples" / "sweep.yaml").arms) == 2
    shown = re.findall(r"```yaml\n(.*?)```", SCALING.read_text(), re.DOTALL)
    sweeps = [
        sweep_from(yaml.safe_load(text.replace("1e-", "1.0e-"))) for text in shown
    ]
    assert [len(sweep.arms) * len(sweep.seeds) for sweep in sweeps] == [40, 60]
