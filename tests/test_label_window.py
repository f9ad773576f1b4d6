"""The window and the terminal, driven by keys that nobody pressed."""

import os
import pty
import re
import select
import subprocess
import sys
import time

import numpy as np
import pytest
from support.label_server import open_store, run_with_pairs

from oprl_gym.cli import main
from oprl_gym.labelling.desktop import label_in_window
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.labelling.terminal import actions


@pytest.fixture
def folder(tmp_path):
    return run_with_pairs(tmp_path / "run", pairs=9)


def side(row) -> str:
    """Return what the person chose."""
    if row.label in (None, 0.5):
        return "skip" if row.label is None else "equal"
    side = "left" if (row.label > 0.5) != row.showing.flipped else "right"
    margins = {0.75: "_little", 0.99: "_much", 1.0: ""}
    return side + margins[max(row.label, round(1 - row.label, 2))]


# --- window -------------------------------------------------------------------------

TYPED = {"EQUALS": "=", "PLUS": "+", "SLASH": "?", "SPACE": " ", "MINUS": "-"}


def in_window(folder, events):
    """Open a window on the run with events waiting in it; returns the answers."""
    import pygame

    pygame.display.init()
    pygame.display.set_mode((10, 10))
    for event in events:
        pygame.event.post(event)
    with open_store(folder) as store:
        session = LabellingSession(store, "ann", np.random.default_rng(0), 0.0)
        label_in_window(session, "Maze \0")
        assert not pygame.display.get_init()
        return [side(row) for row in store.answers()], len(store.log())


def key(name):
    import pygame

    code = getattr(pygame, f"K_{name}")
    typed = TYPED.get(name, name if len(name) == 1 else "")
    return pygame.event.Event(pygame.KEYDOWN, key=code, unicode=typed)


def test_the_window_takes_every_key(folder):
    import pygame

    names = [
        "LEFT",
        "RIGHT",
        "UP",
        "EQUALS",
        "DOWN",
        "s",
        "z",
        "SPACE",
        "MINUS",
        "PLUS",
        "SLASH",
        "x",
    ]
    end = pygame.event.Event(pygame.QUIT)
    answers, rows = in_window(folder, [*map(key, names), end])
    assert answers == ["left", "right", "equal", "equal", "skip"]  # the last undone
    assert rows == 7


def test_the_window_takes_margins_with_shift_and_the_keys_of_the_page(folder):
    import pygame

    def shifted(name):
        event = key(name)
        return pygame.event.Event(event.type, {**event.dict, "mod": pygame.KMOD_LSHIFT})

    def typed(text):
        return pygame.event.Event(pygame.KEYDOWN, key=0, unicode=text)

    events = [shifted("LEFT"), shifted("RIGHT"), *map(typed, ",.<>"), shifted("UP")]
    answers, _ = in_window(folder, [*events, key("ESCAPE")])
    little, much = ["left_little", "right_little"], ["left_much", "right_much"]
    assert answers == [*much, *little, *much, "equal"]


def test_the_better_clip_can_be_clicked(folder):
    import pygame

    def click(x, button=1):
        return pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(x, 300), button=button)

    between = 500
    events = [click(200), click(800), click(between), click(200, button=3)]
    answers, rows = in_window(folder, [*events, key("ESCAPE")])
    assert answers == ["left", "right"]
    assert rows == 2


def test_what_the_window_shows_changes_with_the_step_and_the_help(folder):
    import pygame

    from oprl_gym.labelling.desktop import SIZE, _draw
    from oprl_gym.labelling.player import Player

    pygame.font.init()
    screen = pygame.Surface(SIZE)
    with open_store(folder) as store:
        session = LabellingSession(store, "ann", np.random.default_rng(0), 0.0)
        player = Player(session)
        pictures = []
        for change in (
            {},
            {"step": 20},
            {"help": True},
            {"help": False, "shown": None},
        ):
            vars(player).update(change)
            _draw(pygame, screen, player)
            pictures.append(pygame.image.tobytes(screen, "RGB"))
    pygame.font.quit()
    assert len(set(pictures)) == 4
    blue, orange = bytes((37, 89, 214)), bytes((173, 74, 6))
    assert blue in pictures[0]
    assert orange in pictures[0]
    assert blue not in pictures[2]


# --- terminal -----------------------------------------------------------------------


class Terminal:
    """``oprl-gym label --ui terminal`` in a pseudo-terminal of 80 columns."""

    def __init__(self, folder, *options):
        self.master, slave = pty.openpty()
        self.text = ""
        command = [sys.executable, "-m", "oprl_gym", "label", str(folder.path)]
        options = ("--ui", "terminal", "--annotator", "ann", "--repeats", "0", *options)
        environment = {**os.environ, "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [*command, *options],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            env=environment,
        )
        os.close(slave)

    def wait_for(self, pattern, timeout=20.0):
        """Read the screen until it shows something."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
        self.text = ""

    def press(self, keys):
        os.write(self.master, keys.encode())

    def close(self):
        """Wait for its end; returns its exit status."""
        status = self.process.wait(20)
        os.close(self.master)
        assert self.process.stderr is not None
        assert self.process.stderr.read() == b""
        self.process.stderr.close()
        return status


def test_a_person_labels_in_a_terminal(folder):
    terminal = Terminal(folder, "--instructions", "The nearer to the goal the better.")
    terminal.wait_for(r"The nearer to the goal[\s\S]*0 answered, 9 to go")
    for number, pressed in enumerate(
        ["\x1b[1;2D", "\x1b[C", "\x1b[A", "=", "\x1b[B", "S"]
    ):
        terminal.press(pressed)
        terminal.wait_for(rf"{number + 1} answered, {8 - number} to go")
    terminal.press("z")
    terminal.wait_for(r"5 answered, 4 to go[\s\S]*Taken back")
    terminal.press("\x1bOD")
    terminal.wait_for(r"6 answered")
    terminal.press(" ")
    terminal.wait_for(r"8/s, paused")
    terminal.press("+")
    terminal.wait_for(r"15/s, paused")
    terminal.press("?")
    terminal.wait_for(r"undo the latest answer")
    terminal.press("q")
    terminal.wait_for(r"\x1b\[\?1049l[\s\S]*6 answered, 3 to go")
    assert terminal.close() == 0
    with open_store(folder) as store:
        answers = [side(row) for row in store.answers()]
    assert answers == ["left_much", "right", "equal", "equal", "skip", "left"]


def test_ctrl_c_gives_the_terminal_back(folder):
    terminal = Terminal(folder)
    terminal.wait_for("to go")
    terminal.press("\x03")
    terminal.wait_for(r"\x1b\[\?25h\x1b\[\?1049l")
    assert terminal.close() == 0


def test_a_name_cannot_command_the_terminal(tmp_path):
    """It is refused, as here, wherever a run's settings are read."""
    with pytest.raises(ValueError, match="env_id must be the name of an env"):
        run_with_pairs(tmp_path / "run", pairs=1, env_id="\x1b]0;hacked\x07\x9b2J")


def test_keys_come_apart():
    assert actions("\x1b[D\x1b[C=s") == ["left", "right", "equal", "skip"]
    assert actions("\x1b[Hq") == ["quit"]  # another special key
    assert actions("\x1b[1;2D\x1b[1;2C,.<>") == [
        "left_much",
        "right_much",
        "left_little",
        "right_little",
        "left_much",
        "right_much",
    ]
    assert actions("\x1b[1;5Dq\x1b[3~q") == ["quit", "quit"]  # with Ctrl; Delete
    assert actions("\x1b") == ["quit"]
    assert actions("xyé") == []


def test_without_a_terminal_it_says_what_to_do(folder, capsys):
    assert main(["label", str(folder.path), "--ui", "terminal"]) == 2
    assert "needs a terminal; try --ui web" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["two\nlines", "x" * 301])
def test_instructions_are_one_line(folder, capsys, text):
    assert main(["label", str(folder.path), "--instructions", text]) == 2
    assert "is one line of at most 300 printable characters" in capsys.readouterr().err
