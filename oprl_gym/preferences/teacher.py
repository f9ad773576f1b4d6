"""What every teacher is: someone who says which of two episodes is better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oprl_gym.types import FloatArray, Preference, Trajectory


@dataclass(frozen=True)
class LateAnswers:
    """What became known about questions asked earlier.

    Attributes:
        given: Answers, the oldest first.
        withdrawn: Answers given before that no longer hold; the same objects.
        again: How many of ``given``, from the first on, were taken in before the
            learner's state was saved, and are not new.
    """

    given: Sequence[Preference] = ()
    withdrawn: Sequence[Preference] = ()
    again: int = 0


class Teacher(ABC):
    """Whoever judges: the return, a rule, a person.

    A teacher of your own says in :meth:`judge` which of two trajectories is better. The
    other methods have defaults; one that judges by numbers has less to write as a
    :class:`~oprl_gym.preferences.ScoreTeacher`.

    Attributes:
        answers_again: Whether :meth:`collect` brings all answers once more to a learner
            that goes on from a saved state, which then keeps none of its own.
        judges_return: Whether more return is preferred, so that where the env pays only
            at an episode's end the process reward can take the place of that pay.
        done: Whether no answer is to come any more, whatever is asked. An agent that
            goes on learning from what was answered would find out what the reward model
            overrates, so from then on no episode is held better than the best that was
            judged.

    Example:
        >>> from oprl_gym.preferences import Teacher
        >>> class Shortest(Teacher):
        ...     def judge(self, first, second):
        ...         return float(len(first) < len(second))
        >>> Shortest().labels([]) is None
        True
    """

    answers_again = False
    judges_return = False
    done = False

    def observe(  # noqa: B027 (most teachers need not)
        self, trajectories: Sequence[Trajectory]
    ) -> None:
        """Take note of newly finished episodes, before any of them is judged."""

    def labels(self, trajectories: Sequence[Trajectory]) -> FloatArray | None:
        """Judge M trajectories against each other, if that can be done at once.

        Args:
            trajectories: M of them, the latest last, as they came.

        Returns:
            (M, M) probabilities that the one of the row is preferred to that of the
            column, NaN where there is no answer; None if every pair has to be asked
            about, as of a person.
        """
        return None

    @abstractmethod
    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return P(first is preferred) in [0, 1], or None for "cannot tell".

        A teacher who takes time, such as a person, notes the question and returns None;
        the answer comes out of :meth:`collect` once it is there.
        """

    def collect(self, model_version: int) -> LateAnswers:
        """Return what became known since the last call about questions asked before.

        Args:
            model_version: How often the reward model has been fitted so far; to be
                noted with the questions that follow.
        """
        return LateAnswers()

    def state(self) -> dict[str, Any]:
        """Return what it takes to go on judging alike, where anything does.

        Nested dicts and lists of numbers, strings and arrays.
        """
        return {}

    def load_state(  # noqa: B027 (most teachers have nothing to load)
        self, state: dict[str, Any], trajectories: Sequence[Trajectory]
    ) -> None:
        """Go on from a saved state.

        Args:
            state: What :meth:`state` returned, perhaps in another process.
            trajectories: All that were observed before and are still known.
        """
