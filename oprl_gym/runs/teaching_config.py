"""What is asked of whoever teaches a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from tyro.conf import arg

from oprl_gym.config import MOST_INT, OPRLConfig, check_choice, shown, take_numpy
from oprl_gym.files.fields import check_kinds
from oprl_gym.preferences.queries import Queries, QueryChoice

Who = Literal["rule", "human"]

HUMAN_LEARNER: dict[str, Any] = {
    "update_interval": 1024,
    "pairs_per_update": 2,
    "gradient_steps": 100,
    "learning_rate": 6e-4,
    "batch_size": 64,
    "min_preferences": 4,
}
"""What the learner uses with a person, who gives dozens of answers, not thousands (as
docs/human-feedback.md measured it)."""


@dataclass(frozen=True)
class TeachingConfig:
    """Who teaches, and what they are asked.

    Raises:
        ValueError: A value is out of range, or has no effect.
    """

    teacher: Who = "rule"
    """A rule, or a person: `oprl-gym label RUN_DIR` in another shell."""

    preferences: Annotated[
        str | None, arg(metavar="STORE", help_behavior_hint="(default: none)")
    ] = None
    """Store of answers to learn from, such as RUN_DIR/preferences.sqlite of a run."""

    wait_for_labels: int = 0
    """Answers of a person that training waits for; beyond them it goes on meanwhile."""

    max_questions: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: no limit)")
    ] = None
    """Pairs put to a person, in all."""

    queries: QueryChoice = "challenge"
    """Which pairs those are."""

    segment_length: Annotated[
        int | None, arg(metavar="STEPS", help_behavior_hint="(default: whole episodes)")
    ] = None
    """Steps of each clip."""

    def __post_init__(self) -> None:
        """Check every value."""
        take_numpy(self)
        check_kinds(self)
        check_choice("teacher", self.teacher, get_args(Who))
        self.which_pairs()
        for name in ("wait_for_labels", "max_questions"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= MOST_INT:
                raise ValueError(f"{name} must be an integer >= 0, got {shown(value)}")
            if value and self.teacher != "human":
                raise ValueError(
                    f"{name}={value} has no effect without teacher='human'; leave it "
                    "out, or let a person teach"
                )

    @property
    def by_people(self) -> bool:
        """Whether answers come out of a store."""
        return self.teacher == "human" or self.preferences is not None

    def which_pairs(self) -> Queries:
        """Return how pairs to ask about are drawn."""
        return Queries(self.queries, self.segment_length)

    def usual_learner(self) -> OPRLConfig:
        """Return the learner's defaults: other ones with a person."""
        return OPRLConfig(**HUMAN_LEARNER) if self.by_people else OPRLConfig()
