"""OPRL for Ray RLlib's new API stack: :func:`with_oprl` around an algorithm's config.

Env runners hand their episodes to one :class:`~oprl_gym.rllib.trainer.RewardTrainer`;
before a learner computes advantages, a connector of its pipeline adds the process
reward by the newest weights.
"""

from oprl_gym.extras import how_to_install

try:
    import ray.rllib  # noqa: F401 (only asked whether it is there)
except ImportError as error:
    raise ImportError(
        f"oprl_gym.rllib needs Ray RLlib; run: {how_to_install('rllib')}"
    ) from error

from oprl_gym.rllib.setup import with_oprl

__all__ = ["with_oprl"]
