"""The maze behind a gate that stands after 1,500 of an env's steps.

Sweeps of tests have a copy of this file in their folder, and in that folder the files
that open the gate: ``open`` to all, ``one`` to the next process that comes to it. So a
test that breaks runs off half-way waits for no coincidence.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import gymnasium as gym

FOLDER = Path(__file__).parent
STEPS = 1_500


class Gated(gym.Wrapper):
    """Waits at the gate until it is opened."""

    _steps = 0

    def step(self, action):
        self._steps += 1
        while self._steps > STEPS and not may_pass():
            time.sleep(0.01)
        return self.env.step(action)


def may_pass() -> bool:
    passed = FOLDER / f"passed-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        (FOLDER / "one").rename(passed)
    return passed.exists() or (FOLDER / "open").exists()


def make(**maze: object) -> gym.Env:
    return Gated(gym.make("OPRLMaze-v0", **maze))


gym.register("Gated-v0", entry_point="gated:make")
