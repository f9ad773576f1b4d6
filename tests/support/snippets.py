"""Runs the Python snippets of a page, in order, each in a process of its own.

    python -W error tests/support/snippets.py PAGE

Processes are forked off this one, which has imported what takes seconds; not oprl_gym,
as a snippet has to do that itself. Not a test by itself: test_readme.py calls it.
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


def runs(code: str) -> bool:
    """Return whether it does, in a process that has nothing of the other snippets'."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    try:
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
    failed = [block for block in python_blocks(Path(sys.argv[1])) if not runs(block)]
    sys.exit(len(failed))
