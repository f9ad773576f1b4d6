"""Which teacher a config describes, and whether what was given is one."""

from __future__ import annotations

from oprl_gym.config import OPRLConfig, shown
from oprl_gym.preferences.teachers import ReturnTeacher
from oprl_gym.preferences.utility import UtilityTeacher
from oprl_gym.types import Teacher


def make_teacher(config: OPRLConfig) -> Teacher:
    """Return the teacher that ``config.rule`` names."""
    if config.rule == "utility":
        return UtilityTeacher(config.return_worth, config.temperature)
    return ReturnTeacher(ties="second" if config.rule == "tutorial" else "skip")


def check_teacher(teacher: object) -> None:
    """Raise ValueError unless ``teacher`` can judge, or is None for the config's."""
    if isinstance(teacher, type):
        name = teacher.__name__
        raise ValueError(f"teacher was given the class {name}: write {name}()")
    lacks = [
        name
        for name in ("observe", "labels", "judge")
        if teacher is not None and not hasattr(teacher, name)
    ]
    if lacks:
        raise ValueError(
            f"the teacher {shown(teacher)} has no method {', '.join(lacks)}: write one "
            "of oprl_gym.preferences, such as ReturnTeacher(), or a class with the "
            "methods of oprl_gym.types.Teacher"
        )
