"""Words for what came out of a run."""

from __future__ import annotations

from oprl_gym.runs.config import TrainConfig

_ADDED = {"none": "plain", "step-cost": "+ step cost", "first-visit": "+ first visits"}


def name_of(config: TrainConfig) -> str:
    """Return what a run is called in legends, titles and reports.

    Example:
        >>> from oprl_gym.runs.config import TrainConfig
        >>> name_of(TrainConfig(algo="a2c"))
        'A2C + OPRL'
    """
    added = "+ OPRL" if config.oprl else _ADDED[config.bonus]
    return f"{config.algo.upper()} {added}"


def rate(value: float | None) -> str:
    """Return a share as a percentage, "n/a" if it is unknown."""
    return "n/a" if value is None else f"{100 * value:.0f} %"
