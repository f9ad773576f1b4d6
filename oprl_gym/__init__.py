"""Online Process Reward Learning for Gymnasium and Stable-Baselines3.

Importing this package registers the ``OPRLMaze`` environments and nothing more: torch,
Stable-Baselines3, pygame and matplotlib load when a name that needs them is first used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

# `wrappers/` and `callbacks/` stand beside this folder in a checkout and are installed
# as `oprl_gym.wrappers` and `oprl_gym.callbacks`. Python started in the repository root
# finds this folder before the installed package, so it has to look beside it as well.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

from oprl_gym.envs.registration import register_envs  # noqa: E402 (needs __path__)

if TYPE_CHECKING:
    from oprl_gym.callbacks import OPRLCallback
    from oprl_gym.config import OPRLConfig
    from oprl_gym.learning import OPRLLearner
    from oprl_gym.rewards import ProcessRewardModel
    from oprl_gym.wrappers import ProcessRewardWrapper

__version__ = "0.1.0"
__all__ = [
    "OPRLCallback",
    "OPRLConfig",
    "OPRLLearner",
    "ProcessRewardModel",
    "ProcessRewardWrapper",
]

_LAZY = {
    "OPRLCallback": "oprl_gym.callbacks",
    "OPRLConfig": "oprl_gym.config",
    "OPRLLearner": "oprl_gym.learning",
    "ProcessRewardModel": "oprl_gym.rewards",
    "ProcessRewardWrapper": "oprl_gym.wrappers",
}

register_envs()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'oprl_gym' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
