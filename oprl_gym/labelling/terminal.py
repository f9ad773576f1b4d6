"""Labelling in a terminal: coloured characters, one key an answer, good over SSH."""

from __future__ import annotations

import os
import re
import select
import shutil
import sys
import termios
import textwrap
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from oprl_gym.labelling.clips import Clip
from oprl_gym.labelling.pictures import lines
from oprl_gym.labelling.player import HELP, TYPED_KEYS, Action, Player
from oprl_gym.labelling.session import LabellingSession

BLUE, ORANGE, FAINT, RESET = "\x1b[1;34m", "\x1b[1;38;5;208m", "\x1b[2m", "\x1b[0m"
FRAME_S = 1 / 30
GAP = 4
MAX_WIDTH = 64

KEYS: dict[str, Action] = {
    **TYPED_KEYS,
    "\x1b[D": "left",
    "\x1b[C": "right",
    "\x1b[A": "equal",
    "\x1b[B": "skip",
    "\x1b[1;2D": "left_much",  # with shift
    "\x1b[1;2C": "right_much",
    "\x1bOD": "left",  # as some terminals send them
    "\x1bOC": "right",
    "\x1bOA": "equal",
    "\x1bOB": "skip",
    "\x1b": "quit",
    "\x03": "quit",  # Ctrl-C, which arrives as a character here
}


_SPECIAL = re.compile(r"\x1b(\[[\d;]*[^\d;]?|O.?)", re.DOTALL)
"""What terminals send for an arrow, or another special key."""


def label_in_terminal(
    session: LabellingSession, title: str, instructions: str = ""
) -> None:
    """Show pairs in this terminal until the person stops.

    Args:
        session: The person's session.
        title: What is labelled.
        instructions: What the person is to go by.

    Raises:
        ValueError: Standard input or output is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ValueError("--ui terminal needs a terminal; try --ui web")
    player = Player(session)
    with _whole_screen():
        before = ""
        while all(player.do(action) for action in _pressed()):
            player.tick()
            screen = _screen(player, title, instructions)
            if screen != before:
                sys.stdout.write(screen)
                sys.stdout.flush()
                before = screen
    done = session.progress()
    print(f"{done.answered} answered, {done.waiting} to go")


def actions(keys: str) -> list[Action]:
    """Return what a string of key presses stands for; unknown ones are left out.

    Example:
        >>> actions("sxz")
        ['skip', 'undo']
    """
    found: list[Action] = []
    while keys:
        # An arrow begins with the character that Escape is.
        special = _SPECIAL.match(keys)
        key = special[0] if special else keys[0]
        action = KEYS.get(key if key in KEYS else key.lower())
        if action is not None:
            found.append(action)
        keys = keys[len(key) :]
    return found


def _pressed() -> list[Action]:
    """Wait for a frame's time; returns what was asked for meanwhile."""
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], FRAME_S)[0]:
        return []
    data = os.read(descriptor, 1024)
    return actions(data.decode(errors="ignore")) if data else ["quit"]


@contextmanager
def _whole_screen() -> Iterator[None]:
    """Take the screen, and give it back as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()


def _screen(player: Player, title: str, instructions: str) -> str:
    columns = shutil.get_terminal_size().columns
    text = [f"Which is better? {FAINT}{title[: columns - 20]}{RESET}"]
    text += [*textwrap.wrap(instructions, columns), ""]
    if player.help:
        text += HELP
    elif player.shown is None:
        text += [player.nothing()]
    else:
        width = min(MAX_WIDTH, (columns - GAP) // 2)
        sides = player.shown.left, player.shown.right
        text += _side_by_side(sides, player.step, width)
    counter = player.counter()[:columns]
    text += ["", counter, player.message[:columns], f"{FAINT}? help, q stop{RESET}"]
    return "\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in text) + "\x1b[J"


def _side_by_side(clips: tuple[Clip, Clip], step: int, width: int) -> list[str]:
    left, right = (lines(clip, step, width) for clip in clips)
    # Characters that only colour take no room, so the columns are counted by moving.
    column = f"\x1b[{width + GAP + 1}G"
    heads = [
        f"{color}{name}{' (ended)' if step >= clip.steps else ''}{RESET}"
        for color, name, clip in zip(
            (BLUE, ORANGE), ("< left", "right >"), clips, strict=True
        )
    ]
    rows = [heads[0] + column + heads[1]]
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else ""
        two = right[number] if number < len(right) else ""
        rows.append(one + column + two)
    return rows
