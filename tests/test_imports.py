"""Imports go downwards only, and heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"oprl_gym": "", "wrappers": "wrappers/", "callbacks": "callbacks/"}
FLOORS = (
    ("types", "visits", "one_hot", "config", "extras"),
    ("files",),
    ("envs", "episodes", "rewards"),
    ("preferences",),
    ("wrappers", "learning"),
    ("callbacks", "rllib"),
    ("runs",),
    ("figures", "labelling"),
    ("training",),
    ("engines",),
    ("sweep",),
    ("cli",),
    ("__main__",),
)
"""Every room of the package, the lowest floor first; see docs/architecture.md."""
RANK = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ABOVE = RANK["callbacks"]
"""From this floor on torch and Stable-Baselines3 are at home."""
SB3_FILES = {
    "wrappers/bonus.py",
    "wrappers/sb3_vec.py",
    "envs/sb3.py",
    "rewards/images.py",
}
TORCH_ROOMS = {"rewards", "learning"}
INSIDE_FUNCTIONS_ONLY = {"pygame", "matplotlib", "PIL"}


def room(path: str) -> str:
    """Return the folder or module of `oprl_gym` that a file belongs to."""
    return path.removesuffix(".py").split("/")[0]


def imports(tree: ast.AST) -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node))
    return found


def breaches(path: str, source: str) -> list[str]:
    """Return what a file (named within the package) imports that it may not."""
    tree = ast.parse(source)
    here = room(path)
    top_level = set(tree.body)
    found = []
    for name, node in imports(tree):
        library, _, rest = name.partition(".")
        if library == "oprl_gym":
            other = rest.split(".")[0]
            same = other in ("", here) or RANK[here] == RANK[other] == 0
            if not same and RANK[other] >= RANK[here]:
                found.append(f"{path} imports {name}, which is not below it")
        elif library == "torch" and RANK[here] < ABOVE and here not in TORCH_ROOMS:
            found.append(f"{path} imports torch")
        elif library == "stable_baselines3":
            if RANK[here] < ABOVE and path not in SB3_FILES:
                found.append(f"{path} imports stable_baselines3")
        elif library in INSIDE_FUNCTIONS_ONLY and node in top_level:
            found.append(f"{path} imports {library} before it is used")
    return found


def sources() -> dict[str, str]:
    """Return every file of the installed package, by its path within it."""
    files = {}
    for folder, prefix in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            files[prefix + file.relative_to(ROOT / folder).as_posix()] = (
                file.read_text()
            )
    return files


@pytest.mark.parametrize("path", [path for path in sources() if path != "__init__.py"])
def test_imports_go_downwards_only(path):
    assert breaches(path, sources()[path]) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("types.py", "from oprl_gym.envs import maze"),
        ("envs/maze.py", "from oprl_gym.rewards.model import ProcessRewardModel"),
        ("envs/maze.py", "import torch"),
        ("rewards/model.py", "from oprl_gym.learning import OPRLLearner"),
        ("preferences/teachers.py", "import torch"),
        ("wrappers/gym_env.py", "import stable_baselines3"),
        ("wrappers/mixing.py", "def f():\n    import torch.nn"),
        ("learning/learner.py", "from stable_baselines3 import PPO"),
        ("learning/learner.py", "from oprl_gym.wrappers.mixing import Shaping"),
        ("callbacks/oprl.py", "from oprl_gym.training.run import train"),
        ("rllib/setup.py", "from oprl_gym.callbacks import OPRLCallback"),
        ("figures/plotting.py", "import matplotlib.pyplot as plt"),
        ("runs/evaluation.py", "from oprl_gym.labelling.album import Album"),
        ("sweep/outcomes.py", "from oprl_gym.cli import main"),
        ("envs/window.py", "from pygame import display"),
    ],
)
def test_a_planted_breach_is_found(path, line):
    assert len(breaches(path, line)) == 1


def test_every_room_has_its_floor():
    assert {room(path) for path in sources()} - {"__init__"} == set(RANK)


def test_every_file_is_looked_at():
    assert {"types.py", "wrappers/sb3_vec.py", "callbacks/oprl.py"} <= set(sources())


HEAVY = [
    "torch",
    "stable_baselines3",
    "pygame",
    "matplotlib",
    "PIL",
    "tyro",
    "tensorboard",
    "starlette",
    "sqlite3",
]


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    statement = "import oprl_gym, gymnasium; gymnasium.make('OPRLMaze-v0').reset()"
    assert loaded_after(statement) == set()


def test_the_check_above_would_notice():
    assert loaded_after("import torch") >= {"torch"}


@pytest.mark.parametrize("library", ["ray", "ray.rllib"])
def test_without_rllib_it_is_said_how_to_install_it(library):
    statement = f"import sys; sys.modules[{library!r}] = None; import oprl_gym.rllib"
    result = subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=False
    )
    assert result.stderr.splitlines()[-1] == (
        "ImportError: oprl_gym.rllib needs Ray RLlib; "
        f"run: {sys.executable} -m pip install 'oprl-gym[rllib]'"
    )


def test_the_names_at_the_top_load_when_they_are_used():
    look = "import oprl_gym; names = dir(oprl_gym)"
    assert not {"torch", "stable_baselines3"} & loaded_after(look)
    assert "torch" in loaded_after("from oprl_gym import ProcessRewardWrapper")
    use = "from oprl_gym import OPRLCallback"
    assert {"torch", "stable_baselines3"} <= loaded_after(use)
    import oprl_gym
    from oprl_gym.callbacks import OPRLCallback
    from oprl_gym.wrappers import ProcessRewardWrapper

    assert oprl_gym.OPRLCallback is OPRLCallback
    assert oprl_gym.ProcessRewardWrapper is ProcessRewardWrapper
    assert dir(oprl_gym) == sorted([*oprl_gym.__all__, "__version__"])


def test_every_public_name_is_there():
    import oprl_gym
    import oprl_gym.callbacks
    import oprl_gym.preferences
    import oprl_gym.rewards
    import oprl_gym.wrappers

    modules = (
        oprl_gym,
        oprl_gym.callbacks,
        oprl_gym.preferences,
        oprl_gym.rewards,
        oprl_gym.wrappers,
    )
    for module in modules:
        assert module.__all__ == sorted(module.__all__)
        for name in module.__all__:
            assert getattr(module, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = oprl_gym.nothing
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = oprl_gym.wrappers.nothing
