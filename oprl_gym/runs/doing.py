"""Saying what is being done, to whoever waits in front of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Show what goes on in here, in a line that is gone afterwards.

    Nothing is shown where standard error is no terminal, as with progress bars.

    Args:
        what: In words, such as "evaluating the agent".
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} ..."):
        yield
