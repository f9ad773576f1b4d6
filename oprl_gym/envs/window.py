"""The window of ``render_mode="human"``, drawn by pygame."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray


class Window:
    """Shows frames on the screen until the user or the program closes it.

    Example:
        >>> window = Window("Maze")  # doctest: +SKIP
        >>> window.show(frame, fps=15)  # doctest: +SKIP

    Raises:
        DependencyNotInstalled: pygame is missing.
    """

    def __init__(self, title: str) -> None:
        self._pygame = _import_pygame()
        self._title = title
        self._screen: Any = None
        self._clock: Any = None
        self._closed = False

    def show(self, frame: NDArray[np.uint8], fps: float) -> None:
        """Show one frame and wait until it is due. Does nothing in a closed window.

        Args:
            frame: (height, width, 3) uint8.
            fps: frames per second at most.
        """
        if self._closed:
            return
        height, width, _ = frame.shape
        # pygame has one display: another window may have taken or closed it.
        if self._screen is None or self._pygame.display.get_surface() != self._screen:
            self._open(width, height)
        surface = self._pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
        self._screen.blit(surface, (0, 0))
        self._pygame.display.flip()
        self._clock.tick(fps)
        if self._pygame.event.get(self._pygame.QUIT):
            self.close()

    def close(self) -> None:
        """Close the window for good. Closing twice is fine."""
        if self._screen is not None:
            self._pygame.display.quit()
        self._screen = None
        self._closed = True

    def _open(self, width: int, height: int) -> None:
        self._pygame.display.init()
        self._pygame.display.set_caption(self._title)
        self._screen = self._pygame.display.set_mode((width, height))
        self._clock = self._pygame.time.Clock()


def _import_pygame() -> Any:
    try:
        import pygame
    except ImportError as error:
        raise DependencyNotInstalled(
            'render_mode="human" needs pygame; run `pip install pygame-ce`'
        ) from error
    return pygame
