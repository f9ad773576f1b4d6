"""Which teacher a config describes."""

from __future__ import annotations

from typing import Literal

from oprl_gym.config import OPRLConfig
from oprl_gym.preferences.novelty import NoveltyTeacher
from oprl_gym.preferences.teachers import LexicographicTeacher, ReturnTeacher
from oprl_gym.types import Teacher


def make_teacher(config: OPRLConfig) -> Teacher:
    """Return the teacher that ``config.ties`` and ``return_discount`` describe."""
    discount = config.return_discount
    if config.ties == "novelty" or config.ties == "coverage":
        measure: Literal["rarity", "coverage"]
        measure = "rarity" if config.ties == "novelty" else "coverage"
        novelty = NoveltyTeacher(measure, failures_only=True)
        return LexicographicTeacher([ReturnTeacher(discount), novelty])
    return ReturnTeacher(discount, ties=config.ties)
