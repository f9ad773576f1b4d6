"""Settings and fixtures that all tests share."""

import multiprocessing
import os
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

# Windows open on no screen, figures are drawn off-screen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

try:
    version("ray")
except PackageNotFoundError:  # `make test-ray` has it, in a venv of its own
    collect_ignore = ["ray", "rllib"]


@pytest.fixture(autouse=True, scope="session")
def _preloaded_processes() -> None:
    """Processes of SubprocVecEnv and of sweeps need not import torch one by one."""
    from oprl_gym.cli.workers import PRELOAD

    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOAD))


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    """Tests run side by side, and sums in one thread do not depend on the machine."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end without figures, which take longer than a short run."""
    from oprl_gym.training import run

    monkeypatch.setattr(run, "draw_run", lambda folder: None)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
