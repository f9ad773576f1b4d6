"""Windows, where there is a screen for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oprl_gym.runs.folder import RunError


@contextmanager
def needs_window() -> Iterator[None]:
    """Say in one line that there is no screen, should pygame find none.

    Raises:
        RunError: There is none.
    """
    import pygame

    try:
        pygame.display.init()
        # What SDL falls back on: it would wait for keys in a window that nobody sees.
        if pygame.display.get_driver() == "offscreen":
            raise RunError("no window can be opened here: there is no screen")
        yield
    except pygame.error as error:
        raise RunError(f"no window can be opened here: {error}") from error
