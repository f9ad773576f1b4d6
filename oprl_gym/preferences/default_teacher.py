"""Which teacher a config describes."""

from __future__ import annotations

from oprl_gym.config import OPRLConfig
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.preferences.teachers import ReturnTeacher
from oprl_gym.preferences.utility import UtilityTeacher


def make_teacher(config: OPRLConfig) -> Teacher:
    """Return the teacher that ``config.rule`` names."""
    if config.rule == "utility":
        return UtilityTeacher(config.return_worth, config.temperature)
    return ReturnTeacher(ties="second" if config.rule == "tutorial" else "skip")
