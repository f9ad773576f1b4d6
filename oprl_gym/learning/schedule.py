"""When the reward model is due for an update."""

from __future__ import annotations

from oprl_gym.config import OPRLConfig


def rounds_due(config: OPRLConfig, steps: int, updated_at: int) -> tuple[int, int]:
    """Return how many rounds of an update are due, and up to which env step.

    Args:
        config: Says how many env steps lie between two updates.
        steps: Env steps taken so far, over all envs.
        updated_at: Env step that the last update was due at.

    Example:
        >>> from oprl_gym import OPRLConfig
        >>> rounds_due(OPRLConfig(update_interval=256), steps=1024, updated_at=0)
        (4, 1024)
    """
    late = int(config.interval_growth * steps)
    interval = max(config.update_interval, late)
    rounds = (steps - updated_at) // interval
    return rounds, updated_at + rounds * interval
