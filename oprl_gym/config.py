"""Every default of the method, once, with its unit and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from oprl_gym.types import Aggregation, Baseline, Mode, RewardInput

# What the wrappers use unless told otherwise. The scale is the tutorial's 0.1.
DEFAULT_SCALE = 0.1
DEFAULT_MODE: Mode = "additive"
DEFAULT_GAMMA = 0.99

TieRule = Literal["novelty", "coverage", "skip", "half", "second"]


@dataclass(frozen=True)
class OPRLConfig:
    """How preferences are gathered and the reward model is fitted.

    "Tutorial" below is the published tutorial on which the method rests (see
    :meth:`tutorial`); "measured" means chosen by trial on the mazes.

    ``ties`` says what decides between equal returns: "novelty" prefers the episode that
    saw rarer observations, "coverage" the one that saw more distinct ones; "skip" asks
    about no such pair, "half" calls it equal, "second" calls the second better (which
    is the tutorial's rule). The first two are asked about failures only: episodes whose
    return is the lowest seen so far.

    ``aggregation`` says how two episodes of different length compare. "sum" (tutorial)
    adds their steps, and so tells them apart by length alone; "absorbing" lets a
    terminated episode go on in its last observation for as long as the other takes;
    "mean" averages.

    ``baseline`` says what scores are measured from. From "best", the best step known
    scores 0 and all others less: an agent that lingers where it is good loses nothing,
    but gains nothing either. From "zero", it is paid for every step it stays there.

    Example:
        >>> from oprl_gym import OPRLConfig
        >>> OPRLConfig(update_interval=512).update_interval
        512
        >>> OPRLConfig.tutorial().ties
        'second'

    Raises:
        ValueError: A value is out of range; the message names it.
    """

    reward_input: RewardInput = "next_obs"
    """What a step is scored by: obs before it (tutorial) or after it (measured)."""

    hidden_size: int = 128
    """Units in each of the two hidden layers (tutorial)."""

    ensemble_size: int = 1
    """Reward models K whose mean is used (tutorial: one)."""

    aggregation: Aggregation = "absorbing"
    """How step scores make an episode's: sum with absorbing end, sum, or mean."""

    baseline: Baseline = "best"
    """Score that counts as 0: the best step's (measured), or 0 itself (tutorial)."""

    learning_rate: float = 1.5e-3
    """Step size of Adam (measured; tutorial: 3e-4)."""

    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm (tutorial)."""

    batch_size: int | Literal["all"] = "all"
    """Pairs B in one gradient step (tutorial: 32). "all" (measured): all that are kept,
    where few observations recur so that this costs no more, and 64 elsewhere."""

    trajectory_capacity: int = 200
    """Latest episodes kept to form pairs from (tutorial)."""

    preference_capacity: int = 500
    """Latest preferences kept to fit to (tutorial)."""

    min_preferences: int = 32
    """Preferences needed before the first fit (tutorial)."""

    holdout_fraction: float = 0.1
    """Share of preferences kept from the fit, to measure accuracy."""

    update_interval: int = 256
    """Env steps from one update of the reward model to the next (measured)."""

    interval_growth: float = 0.03
    """The same at least, as a share of all env steps so far; 0: it never grows."""

    pairs_per_update: int = 64
    """Pairs put to the teacher in each update (measured)."""

    elite_pairs: float = 0.5
    """Share of those pairs with one of the best kept episodes in it (measured)."""

    elite_share: float = 0.1
    """Share of the kept episodes that counts as the best (measured)."""

    gradient_steps: int = 10
    """Gradient steps in each update (measured)."""

    ties: TieRule = "novelty"
    """What ranks equal returns: rarer (measured) or more observations, or a rule."""

    return_discount: float = 0.98
    """Discount of the return that ranks episodes: faster successes win (measured)."""

    @classmethod
    def tutorial(cls) -> OPRLConfig:
        """Return the settings of the tutorial the method started from.

        One pair and three gradient steps for every two episodes (here: 120 env steps,
        two episodes at the maze's cap), and the second of two equal returns is called
        the better one. On a sparse reward that last rule teaches mostly noise; the
        settings are kept as the historical reference.
        """
        return cls(
            reward_input="obs",
            aggregation="sum",
            baseline="zero",
            learning_rate=3e-4,
            batch_size=32,
            holdout_fraction=0.0,
            update_interval=120,
            interval_growth=0.0,
            pairs_per_update=1,
            elite_pairs=0.0,
            gradient_steps=3,
            ties="second",
            return_discount=1.0,
        )

    def __post_init__(self) -> None:
        """Check every value."""
        if self.batch_size != "all":
            what = 'an integer of at least 1, or "all"'
            _require(self, "batch_size", what, lambda v: v >= 1, int)
        for name in (
            "hidden_size",
            "ensemble_size",
            "preference_capacity",
            "min_preferences",
            "update_interval",
            "pairs_per_update",
            "gradient_steps",
        ):
            _require(self, name, "an integer of at least 1", lambda v: v >= 1, int)
        _require(self, "trajectory_capacity", "an integer >= 2", lambda v: v >= 2, int)
        for name in ("learning_rate", "max_grad_norm"):
            _require(self, name, "a positive number", lambda v: v > 0)
        _require(self, "interval_growth", "in [0, 1]", lambda v: 0 <= v <= 1)
        _require(self, "elite_pairs", "in [0, 1]", lambda v: 0 <= v <= 1)
        _require(self, "elite_share", "in (0, 1]", lambda v: 0 < v <= 1)
        _require(self, "holdout_fraction", "in [0, 1)", lambda v: 0 <= v < 1)
        _require(self, "return_discount", "in (0, 1]", lambda v: 0 < v <= 1)
        check_choice("reward_input", self.reward_input, get_args(RewardInput))
        check_choice("aggregation", self.aggregation, get_args(Aggregation))
        check_choice("baseline", self.baseline, get_args(Baseline))
        check_choice("ties", self.ties, get_args(TieRule))


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def _require(
    config: OPRLConfig,
    name: str,
    what: str,
    holds: Any,
    kind: type | tuple[type, ...] = (int, float),
) -> None:
    value = getattr(config, name)
    number = isinstance(value, kind) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and holds(value)):
        raise ValueError(f"OPRLConfig.{name} must be {what}, got {value!r}")
