"""imitation as a contestant: a process of its own that works when it is its turn."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

UPDATE = Path(__file__).with_name("imitation_update.py")
TRAINING = Path(__file__).with_name("imitation_training.py")


class ImitationRival:
    """Runs one of the two scripts above; to be used in a ``with`` statement.

    Args:
        python: Interpreter of an environment that has imitation.
        script: What it runs.
        arguments: Of the script.

    Attributes:
        versions: Of the packages found there.

    Raises:
        RuntimeError: It ended early; its own words stand on standard error.
    """

    def __init__(
        self, python: str, script: Path = UPDATE, arguments: Sequence[str] = ()
    ) -> None:
        # -I: neither our folder nor PYTHONPATH, where other versions may lie.
        self._process = subprocess.Popen(
            [python, "-I", str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TQDM_DISABLE": "1"},  # a bar for each update
        )
        found = json.loads(self._answer())
        self.versions = {f"{name} (imitation's)": v for name, v in found.items()}

    def __enter__(self) -> ImitationRival:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process by ending its input."""
        self._process.communicate()

    def rate(self, seconds: float) -> float:
        """Return what it does in a second of its CPU time, working this long."""
        requests = _open(self._process.stdin)
        requests.write(f"{seconds}\n")
        requests.flush()
        return float(self._answer())

    def _answer(self) -> str:
        line = _open(self._process.stdout).readline()
        if not line:
            self._process.communicate()
            raise RuntimeError(
                f"the process with imitation ended, status {self._process.returncode}"
            )
        return line


def _open(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
