"""How numbers are printed."""

from __future__ import annotations


def rate(value: float | None) -> str:
    """Return a share as a percentage, "n/a" if it is unknown."""
    return "n/a" if value is None else f"{100 * value:.0f} %"
