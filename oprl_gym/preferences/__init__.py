"""Where preferences come from: episodes, pairs of them, and teachers who judge."""

from oprl_gym.episodes.recorder import EpisodeRecorder
from oprl_gym.episodes.segments import random_segment, segment
from oprl_gym.preferences.default_teacher import make_teacher
from oprl_gym.preferences.human import HumanTeacher, answer_all
from oprl_gym.preferences.novelty import NoveltyTeacher
from oprl_gym.preferences.pairs import uniform_pairs
from oprl_gym.preferences.progress import ProgressTeacher
from oprl_gym.preferences.queries import Queries
from oprl_gym.preferences.simulated import SimulatedTeacher
from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.teacher import LateAnswers, Teacher
from oprl_gym.preferences.teachers import (
    LexicographicTeacher,
    ReturnTeacher,
    ScoreTeacher,
)
from oprl_gym.preferences.utility import UtilityTeacher
from oprl_gym.types import Preference, Trajectory

__all__ = [
    "EpisodeRecorder",
    "HumanTeacher",
    "LateAnswers",
    "LexicographicTeacher",
    "NoveltyTeacher",
    "Preference",
    "PreferenceStore",
    "ProgressTeacher",
    "Queries",
    "ReturnTeacher",
    "ScoreTeacher",
    "SimulatedTeacher",
    "Teacher",
    "Trajectory",
    "UtilityTeacher",
    "answer_all",
    "make_teacher",
    "random_segment",
    "segment",
    "uniform_pairs",
]
