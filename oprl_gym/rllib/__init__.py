"""OPRL for Ray RLlib's new API stack: :func:`with_oprl` around an algorithm's config.

Env runners hand their episodes to one :class:`~oprl_gym.rllib.trainer.RewardTrainer`;
before a learner computes advantages, a connector of its pipeline adds the process
reward by the newest weights.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from oprl_gym.extras import how_to_install

if TYPE_CHECKING:
    from oprl_gym.rllib.setup import with_oprl

__all__ = ["with_oprl"]


def _is_there() -> bool:
    try:
        return find_spec("ray.rllib") is not None
    except ImportError:  # nor is Ray
        return False


if not _is_there():
    raise ImportError(f"oprl_gym.rllib needs Ray RLlib; run: {how_to_install('rllib')}")


# Loaded when it is used: the process of the trainer lives without RLlib, which takes
# two seconds to import.
def __getattr__(name: str) -> Any:
    if name != "with_oprl":
        raise AttributeError(f"module 'oprl_gym.rllib' has no attribute {name!r}")
    from oprl_gym.rllib.setup import with_oprl

    return with_oprl
