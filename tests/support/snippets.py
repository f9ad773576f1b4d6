"""Runs the Python snippets of pages, in order, each in a process of its own.

    python -W error tests/support/snippets.py STEPS PAGE...

Processes are forked off this one, which has imported what takes seconds; not oprl_gym,
as a snippet has to do that itself. Training takes STEPS env steps at most, however many
the page says. Not a test by itself: test_readme.py calls it.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from pathlib import Path

SLOW = ("stable_baselines3", "torch._dynamo", "matplotlib.backends.backend_agg")


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def shortened(code: str, steps: int) -> str:
    """Return the code with as few env steps of training."""
    fewer = lambda said: f"learn({min(steps, int(said[1]))}"  # noqa: E731
    return re.sub(r"\blearn\(([\d_]+)", fewer, code)


def runs(code: str, folder: Path) -> bool:
    """Return whether it does, in a process that has nothing of the other snippets'."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    try:
        os.chdir(folder)
        exec(code, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        print(code, file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    for module in SLOW:
        importlib.import_module(module)
    steps, *pages = sys.argv[1:]
    failed = 0
    for page in map(Path, pages):
        folder = Path(page.stem)  # of the page's own, in the current one
        folder.mkdir()
        for block in python_blocks(page):
            failed += not runs(shortened(block, int(steps)), folder)
    sys.exit(failed)
