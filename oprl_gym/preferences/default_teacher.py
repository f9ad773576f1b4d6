"""Which teacher a config describes, and whether what was given is one."""

from __future__ import annotations

from oprl_gym.config import OPRLConfig, shown
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.preferences.teachers import ReturnTeacher
from oprl_gym.preferences.utility import LATEST, UtilityTeacher


def make_teacher(config: OPRLConfig) -> Teacher:
    """Return the teacher that ``config.rule`` names."""
    if config.rule == "utility":
        return UtilityTeacher(
            config.return_worth,
            config.temperature,
            latest=min(LATEST, config.trajectory_capacity),
        )
    return ReturnTeacher(ties="second" if config.rule == "tutorial" else "skip")


def check_teacher(teacher: object) -> None:
    """Raise ValueError unless ``teacher`` can judge, or is None for the config's."""
    if isinstance(teacher, type):
        name = teacher.__name__
        raise ValueError(f"teacher was given the class {name}: write {name}()")
    if not (teacher is None or isinstance(teacher, Teacher)):
        raise ValueError(
            f"the teacher {shown(teacher)} is no Teacher: write one of "
            "oprl_gym.preferences, such as ReturnTeacher(), or a subclass of Teacher "
            "with a method judge()"
        )
