"""What the window and the terminal share: playing a pair, and what each key does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, cast, get_args

from oprl_gym.labelling.session import (
    Choice,
    LabellingSession,
    Progress,
    Scores,
    Shown,
)
from oprl_gym.preferences.store.opening import LockedError

Action = Choice | Literal["undo", "pause", "faster", "slower", "help", "quit"]

SPEEDS = (1, 2, 4, 8, 15, 30, 60)
"""Steps a second."""
REST_S = 0.9
"""Pause at the end of a loop."""
POLL_S = 1.0
"""Between two looks for a pair, while there is none."""

TYPED_KEYS: dict[str, Action] = {
    ",": "left_little",
    ".": "right_little",
    "<": "left_much",
    ">": "right_much",
    "=": "equal",
    "s": "skip",
    "z": "undo",
    " ": "pause",
    "+": "faster",
    "-": "slower",
    "?": "help",
    "q": "quit",
}
"""What characters stand for; arrows and Escape are something else everywhere."""

SAID: dict[Choice, str] = {
    "left": "left is better",
    "left_little": "left is a little better",
    "left_much": "left is much better",
    "right": "right is better",
    "right_little": "right is a little better",
    "right_much": "right is much better",
    "equal": "equally good",
    "skip": "cannot tell",
}
"""Each answer in words."""

HELP = (
    "left / right   that clip is better",
    ", / .          left, right is a little better",
    "< / >          left, right is much better (or shift and an arrow)",
    "up or =        equally good",
    "down or s      cannot tell",
    "z              undo the latest answer",
    "space          pause",
    "+ / -          faster, slower",
    "?              this help",
    "q or Escape    stop; answers are kept",
)


class Player:
    """Plays the current pair, both clips in step, and does what keys ask for.

    Args:
        session: The person's session.
        clock: Seconds, from anywhere.

    Attributes:
        shown: The pair; None while there is none.
        step: Step that is shown; the shorter clip waits at its end.
        paused: Whether it stands still.
        message: What to tell the person.
        help: Whether the keys are to be shown.
    """

    def __init__(
        self, session: LabellingSession, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.session = session
        self.shown: Shown | None = None
        self.step = 0
        self.paused = False
        self.message = ""
        self.help = False
        self._speed = SPEEDS.index(8)
        self._progress = Progress(0, 0, 0, 0)
        self._clock = clock
        self._since = clock()  # when this step, or the wait for a pair, began
        self._load()

    @property
    def steps(self) -> int:
        """Steps of the longer clip; 0 while there is none."""
        if self.shown is None:
            return 0
        return max(self.shown.left.steps, self.shown.right.steps)

    @property
    def speed(self) -> int:
        """Steps a second."""
        return SPEEDS[self._speed]

    def counter(self) -> str:
        """Return the step, the speed and the progress in words."""
        done = self._progress
        more = done.to_come is None
        to_go = done.waiting + (done.to_come or 0)
        text = f"{done.answered} answered, {to_go}{' or more' if more else ''} to go"
        if done.repeats:
            text += f", same answer again {done.consistent} of {done.repeats}"
        if done.aside:
            text += f", {done.aside} cannot be shown"
        if self.shown is None:
            return text
        paused = ", paused" if self.paused else ""
        return f"step {self.step} of {self.steps}, {self.speed}/s{paused} - {text}"

    def nothing(self) -> str:
        """Return why there is no pair to be shown."""
        if self.session.training():
            if self._progress.all_answered:
                return "Training... All questions are answered."
            return "Training... The next pair appears here by itself."
        return "Nothing to compare just now. New pairs appear here by themselves."

    def do(self, action: Action) -> bool:
        """Do what a key stands for; returns False for "quit".

        While the store is locked by another program nothing is kept, which is said.
        """
        try:
            self._do(action)
        except LockedError as error:
            self.message = f"Not saved. {error}"
        return action != "quit"

    def _do(self, action: Action) -> None:
        if action in get_args(Choice):
            self._answer(cast(Choice, action))
        elif action == "undo":
            undone = self.session.undo()
            self.message = "Taken back." if undone else "There is nothing to undo."
            self._load()
        elif action == "pause":
            self.paused = not self.paused
        elif action == "help":
            self.help = not self.help
        elif action in ("faster", "slower"):
            change = 1 if action == "faster" else -1
            self._speed = min(len(SPEEDS) - 1, max(0, self._speed + change))

    def tick(self) -> None:
        """Go on with time: to the next step, to the start, to a new pair."""
        waited = self._clock() - self._since
        if self.shown is None:
            if waited >= POLL_S:
                self._load()
        elif not self.paused:
            at_end = self.step >= self.steps
            if waited >= (REST_S if at_end else 1 / self.speed):
                self.step = 0 if at_end else self.step + 1
                self._since = self._clock()

    def _answer(self, choice: Choice) -> None:
        if self.shown is None:
            return
        scores = self.session.answer(self.shown.showing, choice)
        self.message = f"Saved: {SAID[choice]}. {told(scores)}".strip()
        self._load()

    def _load(self) -> None:
        try:
            self.shown = self.session.current()
            self._progress = self.session.progress()
        except LockedError as error:
            self.shown = None  # until the next look
            self.message = str(error)
        self.step = 0
        self._since = self._clock()


def told(scores: Scores | None) -> str:
    """Return in words what the learned reward made of a pair."""
    if scores is None:
        return ""
    verdict = {True: ": it agrees", False: ": it disagrees", None: ""}[scores.agrees]
    left, right = scores.left, scores.right
    digits = 1 if max(abs(left), abs(right)) >= 1 else 2
    sums = f"{left:.{digits}f} left, {right:.{digits}f} right"
    return f"Learned reward: {sums}{verdict}."
