"""What is wrong, in one line: tyro says it in a coloured box of several."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_RULE = re.compile(r"[╭╰].*|[─-]{5,}")
_NESTED = re.compile(r"^Error parsing __tyro[\w.-]*: ")
"""The name that tyro gives a nested config, which says nothing to anybody."""


def in_one_line(box: str) -> str:
    r"""Return what tyro says in a box, with what it says was perhaps meant.

    Args:
        box: Sections between ruled lines, in bars of Unicode or in none. The title
            comes first, as a section or in a ruled line; then what is wrong; then
            perhaps options that look like it; then where help is.

    Example:
        >>> from oprl_gym.cli.one_line import in_one_line
        >>> in_one_line("Bad\n------\nNo --foo.\n------\nFor help ...")
        'No --foo.'
    """
    _, *sections = [*_sections(box), "", ""]
    wrong, meant = _NESTED.sub("", sections[0]), sections[1]
    option = re.match(r"Perhaps you meant: (--[\w.-]+)", meant)
    hint = f"; did you mean {option[1]}?" if option else ""
    return f"{wrong}{hint}" if wrong else "these options cannot be read"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return which of the known words was perhaps meant, or all of them, as a clause.

    Example:
        >>> from oprl_gym.cli.one_line import nearest
        >>> nearest("trian", ["train", "plot"])
        '; did you mean train?'
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _sections(box: str) -> list[str]:
    sections = [""]
    for line in _COLOUR.sub("", box).splitlines():
        text = line.strip().strip("│").strip()
        if _RULE.fullmatch(text):
            sections.append("")
        else:
            sections[-1] = f"{sections[-1]} {text}".strip()
    return sections
