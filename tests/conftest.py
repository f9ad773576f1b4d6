"""Settings and fixtures that all tests share."""

import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

# Windows open on no screen, figures are drawn off-screen.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

try:
    from hypothesis import settings
except ModuleNotFoundError:  # in the venv for Ray, whose tests do without
    pass
else:  # `make test-long` asks for more; a busy machine is no fault
    settings.register_profile("quick", max_examples=30, deadline=None)
    settings.register_profile("long", max_examples=500, deadline=None)
    settings.load_profile("quick")

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


@pytest.fixture(autouse=True, scope="session")
def _few_evaluations() -> Iterator[None]:
    """Runs end with ten episodes; a hundred take longer than a short run itself."""
    from oprl_gym.training import summary

    with pytest.MonkeyPatch.context() as patch:
        few = functools.partial(summary.evaluate, episodes=10)
        patch.setattr(summary, "evaluate", few)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end without figures, which take longer than a short run."""
    from oprl_gym.training import run

    monkeypatch.setattr(run, "draw_run", lambda folder: None)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that expects exit status 2 and returns the one line."""
    from oprl_gym.cli import main

    def check(*arguments: str) -> str:
        capsys.readouterr()
        assert main(list(arguments)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return check


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
