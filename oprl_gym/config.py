"""Every default of the method, once, with its unit and where it comes from."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from oprl_gym.types import Mode, RewardInput

# What the wrappers use unless told otherwise. The scale is the tutorial's 0.1.
DEFAULT_SCALE = 0.1
DEFAULT_MODE: Mode = "additive"
DEFAULT_GAMMA = 0.99

Rule = Literal["utility", "return", "tutorial"]

MOST_INT = 2**32 - 1
"""No count is larger: NumPy's seeds are not, and nothing is kept so many times."""

MOST_WEIGHTS = 2**26
"""Those of a reward model: 256 MiB of them. Its default has 25,000."""

LONGEST = 100
"""Letters of a value in an error."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 4
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = 2 * LONGEST


@dataclass(frozen=True)
class OPRLConfig:
    """How preferences are gathered and the reward model is fitted.

    "Tutorial" below is the published tutorial on which the method rests (see
    :meth:`tutorial`); "measured" means chosen by trial, on other seeds than are
    reported (``benchmarks/README.md``).

    ``rule`` says who judges if no teacher is given: "utility" is
    :class:`~oprl_gym.preferences.UtilityTeacher` (return and novelty, added), "return"
    the return alone, "tutorial" the return, with the second of two equal ones
    preferred.

    ``pairs_per_update`` is "all" where a rule judges all kept episodes at once: every
    gradient step then compares each of them with each other, and no answer grows old. A
    teacher who has to be asked pair by pair, such as a person, is asked about
    64 pairs an update then, and the answers are kept.

    Attributes:
        rule: Who judges, unless a teacher is given.
        return_worth: What the largest return so far is worth by the rule "utility", in
            the largest novelty so far (measured).
        temperature: Spreads of the utility that make an answer fairly sure, by the same
            rule.
        reward_input: What a step is scored by: obs before it (tutorial) or after it
            (measured).
        see_first_visits: Whether the model also sees if that observation is new in the
            episode (measured).
        hidden_size: Units in each of the two hidden layers (tutorial).
        ensemble_size: Reward models K whose mean is used (tutorial: one).
        reach: What the scores of an episode of average length may add up to; that of a
            step reaches to 1 at most (measured; tutorial: to 1 always).
        mean_prior: Weight of the squared mean score in the loss, which draws to 0 what
            the answers leave open (measured; tutorial: none).
        revisit_prior: Weight of the mean squared positive score of coming back to where
            an episode has been: that earns nothing unless the answers insist (measured;
            tutorial: none).
        label_smoothing: How far a bare "this one" is from certain, 0 to 0.5 (tutorial:
            0).
        learning_rate: Step size of Adam (measured; tutorial: 3e-4).
        max_grad_norm: Gradients are clipped to this norm (tutorial).
        gradient_steps: Gradient steps in each update, at most (measured).
        target_error: How far off the model may foretell the answers about each episode,
            on average, for an update to end before that: what is known need not be
            learned again. Only where observations recur and a rule judges all: else a
            gradient step looks at a part alone. 0: none ends early (measured; tutorial:
            0).
        update_interval: Env steps from one update of the reward model to the next
            (measured).
        interval_growth: The same at least, as a share of all env steps so far; 0: it
            never grows (measured).
        trajectory_capacity: Latest episodes kept to form pairs from (tutorial).
        best_capacity: Best episodes kept besides those, where a rule judges all at
            once: what was found once is not forgotten (measured).
        min_preferences: Preferences needed before the first fit (tutorial).
        pairs_per_update: Pairs put to the teacher in each update (tutorial: one);
            "all": see above.
        preference_capacity: Latest answers kept to fit to (tutorial), where pairs are
            asked about.
        batch_size: Answers B in one gradient step (tutorial: 32), where pairs are asked
            about.
        batch_episodes: Episodes compared in one gradient step where observations hardly
            recur; where they do, all that are kept cost no more.

    Example:
        >>> from oprl_gym import OPRLConfig
        >>> OPRLConfig(update_interval=512).update_interval
        512
        >>> OPRLConfig.tutorial().rule
        'tutorial'

    Raises:
        ValueError: A value is out of range; the message names it.
    """

    rule: Rule = "utility"
    return_worth: float = 3.0
    temperature: float = 0.3
    reward_input: RewardInput = "next_obs"
    see_first_visits: bool = True
    hidden_size: int = 128
    ensemble_size: int = 1
    reach: float = 30.0
    mean_prior: float = 1.0
    revisit_prior: float = 10.0
    label_smoothing: float = 0.1
    learning_rate: float = 1.5e-3
    max_grad_norm: float = 1.0
    gradient_steps: int = 10
    target_error: float = 0.02
    update_interval: int = 256
    interval_growth: float = 0.01
    trajectory_capacity: int = 200
    best_capacity: int = 100
    min_preferences: int = 32
    pairs_per_update: int | Literal["all"] = "all"
    preference_capacity: int = 500
    batch_size: int = 64
    batch_episodes: int = 32

    @classmethod
    def tutorial(cls) -> OPRLConfig:
        """Return the settings of the tutorial the method started from.

        One pair and three gradient steps for every two episodes (here: 120 env steps,
        two episodes at the maze's cap), and the second of two equal returns is called
        the better one. On a sparse reward that last rule teaches mostly noise; the
        settings are kept as the historical reference.
        """
        return cls(
            rule="tutorial",
            reward_input="obs",
            see_first_visits=False,
            reach=1e9,
            mean_prior=0.0,
            revisit_prior=0.0,
            label_smoothing=0.0,
            learning_rate=3e-4,
            gradient_steps=3,
            target_error=0.0,
            update_interval=120,
            interval_growth=0.0,
            best_capacity=0,
            pairs_per_update=1,
            batch_size=32,
        )

    def __post_init__(self) -> None:
        """Check every value."""
        take_numpy(self)
        if self.pairs_per_update != "all":
            what = 'an integer of at least 1, or "all"'
            _require_int(self, "pairs_per_update", what, 1)
        for name in (
            "hidden_size",
            "ensemble_size",
            "preference_capacity",
            "min_preferences",
            "update_interval",
            "batch_size",
            "gradient_steps",
        ):
            _require_int(self, name, "an integer of at least 1", 1)
        _require_int(self, "best_capacity", "an integer >= 0", 0)
        for name in ("trajectory_capacity", "batch_episodes"):
            _require_int(self, name, "an integer of at least 2", 2)
        for name in (
            "learning_rate",
            "max_grad_norm",
            "return_worth",
            "temperature",
            "reach",
        ):
            _require(self, name, "a positive number", lambda v: v > 0)
        for name in ("mean_prior", "revisit_prior"):
            _require(self, name, "a number of at least 0", lambda v: v >= 0)
        _require(self, "label_smoothing", "in [0, 0.5)", lambda v: 0 <= v < 0.5)
        _require(self, "interval_growth", "in [0, 1]", lambda v: 0 <= v <= 1)
        _require(self, "target_error", "in [0, 0.5)", lambda v: 0 <= v < 0.5)
        _require(self, "see_first_visits", "true or false", lambda v: True, bool)
        check_choice("reward_input", self.reward_input, get_args(RewardInput))
        check_choice("rule", self.rule, get_args(Rule))
        if self.ensemble_size * self.hidden_size**2 > MOST_WEIGHTS:
            raise ValueError(
                f"hidden_size={self.hidden_size} and ensemble_size={self.ensemble_size}"
                f" make a reward model of more than {MOST_WEIGHTS:,} weights; take less"
            )
        most, why = self._most_preferences()
        if self.min_preferences > most:
            raise ValueError(
                f"OPRLConfig.min_preferences={self.min_preferences} is never reached, "
                f"and nothing ever learned: {why}; lower it or keep more"
            )

    def _most_preferences(self) -> tuple[int, str]:
        """Return how many answers there can be at a time, and why no more."""
        if self.pairs_per_update != "all":
            most = self.preference_capacity
            return most, f"preference_capacity is {most}"
        kept = self.trajectory_capacity + self.best_capacity
        most = kept * (kept - 1) // 2
        return most, f"of {kept} episodes (both capacities) there are {most} pairs"


def shown(value: object) -> str:
    """Return a value as an error names it: in one line that is not too long.

    However large it is, or deep, or often it holds the same: it is not written out.

    Example:
        >>> shown("a word"), shown([1, [2, [3, [4, [5]]]]])
        ("'a word'", '[1, [2, [3, [4, [...]]]]]')
    """
    try:
        words = " ".join(_BRIEF.repr(value).split())
    except ValueError:  # Python writes out no integer of thousands of digits
        words = f"a very large {type(value).__name__}"
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."


def one_line(said: object) -> str:
    """Return what an error or a file says in one line: the beginning if it is long."""
    words = " ".join(str(said).split())
    return words if len(words) <= 3 * LONGEST else f"{words[: 3 * LONGEST]}..."


def is_finite(value: float) -> bool:
    """Return whether a number is finite, as a float too: 10**400 is none."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def take_numpy(config: object) -> None:
    """Put Python's numbers in place of NumPy's in a config: files hold no others."""
    for name, value in vars(config).items():
        object.__setattr__(config, name, _of_python(value))


def _of_python(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_python(one) for name, one in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def check_config(config: object) -> None:
    """Raise ValueError unless ``config`` is an OPRLConfig, or None for the defaults."""
    if config is None or isinstance(config, OPRLConfig):
        return
    of_dict = isinstance(config, Mapping)
    remedy = "OPRLConfig(**config)" if of_dict else "OPRLConfig(update_interval=512)"
    raise ValueError(
        f"config must be an OPRLConfig, got {shown(config)}: write {remedy}"
    )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(choices)}; got {shown(value)}"
        )


def _require_int(config: OPRLConfig, name: str, what: str, least: int) -> None:
    _require(config, name, what, lambda value: least <= value <= MOST_INT, int)


def _require(
    config: OPRLConfig,
    name: str,
    what: str,
    holds: Any,
    kind: type | tuple[type, ...] = (int, float),
) -> None:
    value = getattr(config, name)
    right_kind = isinstance(value, kind) and (kind is bool) == isinstance(value, bool)
    if not (right_kind and is_finite(value) and holds(value)):
        raise ValueError(f"OPRLConfig.{name} must be {what}, got {shown(value)}")
