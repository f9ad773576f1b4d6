"""Values written as in Python: numbers, lists, True, None. Anything else is text."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Annotated, Any

from tyro.constructors import PrimitiveConstructorSpec


def literal(word: str) -> Any:
    """Return the value that a word is.

    Example:
        >>> from oprl_gym.runs.literals import literal
        >>> literal("[64, 64]"), literal("ReLU")
        ([64, 64], 'ReLU')
    """
    try:
        value = ast.literal_eval(word)
        return json.loads(json.dumps(value))  # a tuple is a list there
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return word


def _first(words: Sequence[str]) -> Any:
    return literal(words[0])


Plain = Annotated[
    Any,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="VALUE",
        instance_from_str=_first,
        is_instance=lambda _: True,
        str_from_instance=lambda value: [str(value)],
    ),
]
"""Such a value on the command line."""
