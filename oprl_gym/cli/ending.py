"""Being told to end by who runs the machine, as by who sits in front of it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def ends_by_sigterm() -> Iterator[list[int]]:
    """Let SIGTERM, in here, end what goes on as Ctrl-C does: what there is is saved.

    A scheduler sends it some seconds before it kills, and may send it more than once:
    only the first counts, so that none breaks off the saving.

    Yields a list that holds its number once it came. Does nothing outside of the main
    thread, where Python hands on no signals.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise KeyboardInterrupt("terminated")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
