"""Labelling in a window, drawn by pygame."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from oprl_gym.labelling.clips import Clip
from oprl_gym.labelling.pictures import pixels
from oprl_gym.labelling.player import HELP, TYPED_KEYS, Action, Player
from oprl_gym.labelling.session import LabellingSession

SIZE = (1000, 660)
CLIP = 460
"""Pixels of the longer side of a clip."""
FPS = 30
KEYS = (
    "left, right: that one   with shift: much better   up: equal   down: cannot tell   "
    "z: undo   ?: all keys"
)
PAPER, INK, SOFT = (244, 242, 236), (29, 36, 51), (83, 92, 112)
BLUE, ORANGE = (37, 89, 214), (173, 74, 6)

_WITH_SHIFT: dict[Action, Action] = {"left": "left_much", "right": "right_much"}
_NAMED_KEYS: dict[str, Action] = {
    "K_LEFT": "left",
    "K_RIGHT": "right",
    "K_UP": "equal",
    "K_DOWN": "skip",
    "K_ESCAPE": "quit",
}


def label_in_window(
    session: LabellingSession, title: str, instructions: str = ""
) -> None:
    """Show pairs in a window until the person closes it.

    The clips can be clicked as well: the better one; with shift: by far.

    Args:
        session: The person's session.
        title: What is labelled.
        instructions: What the person is to go by.
    """
    import pygame

    pygame.display.init()
    pygame.font.init()
    try:
        screen = pygame.display.set_mode(SIZE)
        pygame.display.set_caption(f"Which is better? {title}".replace("\0", ""))
        player, clock = Player(session), pygame.time.Clock()
        before = None
        while all(player.do(action) for action in _asked(pygame)):
            player.tick()
            state = player.shown, player.counter(), player.message, player.help
            if state != before:
                _draw(pygame, screen, player, instructions)
                pygame.display.flip()
                before = state
            clock.tick(FPS)
    finally:
        pygame.font.quit()
        pygame.display.quit()


def _asked(pygame: Any) -> list[Action]:
    """Return what keys and mouse ask for since the last look."""
    found = []
    for event in pygame.event.get():
        action = _action(pygame, event)
        if getattr(event, "mod", pygame.key.get_mods()) & pygame.KMOD_SHIFT:
            action = _WITH_SHIFT.get(action, action) if action else None
        if action is not None:
            found.append(action)
    return found


def _action(pygame: Any, event: Any) -> Action | None:
    if event.type == pygame.QUIT:
        return "quit"
    if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
        for side, area in _areas(pygame).items():
            if area.collidepoint(event.pos):
                return side
    if event.type != pygame.KEYDOWN:
        return None
    for name, action in _NAMED_KEYS.items():
        if event.key == getattr(pygame, name):
            return action
    return TYPED_KEYS.get(event.unicode.lower())


def _areas(pygame: Any) -> dict[Action, Any]:
    """Return where the clips are drawn."""
    top = 70
    gap = (SIZE[0] - 2 * CLIP) // 3
    left = pygame.Rect(gap, top, CLIP, CLIP)
    return {"left": left, "right": left.move(CLIP + gap, 0)}


def _draw(pygame: Any, screen: Any, player: Player, instructions: str = "") -> None:
    screen.fill(PAPER)
    _write(pygame, screen, "Which is better?", (26, 22), INK, 34)
    for number, line in enumerate(textwrap.wrap(instructions, 90)[:3]):
        _write(pygame, screen, line, (260, 8 + 18 * number), SOFT, 22)
    if player.help:
        for number, line in enumerate(HELP):
            _write(pygame, screen, line, (60, 110 + 40 * number), INK, 26)
    elif player.shown is None:
        _write(pygame, screen, player.nothing(), (60, 260), SOFT, 26)
    else:
        areas = _areas(pygame)
        clips = player.shown.left, player.shown.right
        for area, clip, color in zip(
            areas.values(), clips, (BLUE, ORANGE), strict=True
        ):
            _draw_clip(pygame, screen, area, clip, player.step, color)
    _write(pygame, screen, player.counter(), (26, 570), SOFT, 24)
    _write(pygame, screen, player.message or KEYS, (26, 606), INK, 24)


def _draw_clip(
    pygame: Any, screen: Any, area: Any, clip: Clip, step: int, color: Any
) -> None:
    picture = pixels(clip, step)
    # pygame's first axis is the width.
    surface = pygame.surfarray.make_surface(np.swapaxes(picture, 0, 1))
    scale = CLIP / max(surface.get_size())
    size = [round(scale * side) for side in surface.get_size()]
    place = pygame.Rect((0, 0), size)
    place.center = area.center
    screen.blit(pygame.transform.smoothscale(surface, size), place)
    pygame.draw.rect(screen, color, area.inflate(12, 12), width=4, border_radius=12)


def _write(
    pygame: Any, screen: Any, text: str, place: tuple[int, int], color: Any, size: int
) -> None:
    font = pygame.font.Font(None, size)
    screen.blit(font.render(text, True, color), place)
