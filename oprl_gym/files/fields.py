"""Dataclasses from what a file holds: names and kinds are checked, whoever wrote it."""

from __future__ import annotations

import types
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from oprl_gym.config import LONGEST, shown

T = TypeVar("T")
WORDS = {
    bool: "true or false",
    dict: "KEY: VALUE pairs",
    float: "a number",
    int: "an integer",
    str: "text",
    type(None): "null",
}


def from_dict(kind: type[T], values: Any, prefix: str = "") -> T:
    """Return the dataclass ``kind`` filled with ``values``.

    Args:
        kind: A dataclass.
        values: Its fields by name; those with a default may be absent.
        prefix: What stands before the names in messages.

    Raises:
        ValueError: There is a key too many or too few, or a value of another kind than
            the field's annotation says.

    Example:
        >>> from oprl_gym import OPRLConfig
        >>> from oprl_gym.files.fields import from_dict
        >>> from_dict(OPRLConfig, {"hidden_size": 16}).hidden_size
        16
    """
    values = as_object(values, prefix)
    hints = _hints(kind)
    unknown = ", ".join(f"{prefix}{name}" for name in values if name not in hints)
    if unknown:
        raise ValueError(
            f"unknown key {unknown[:LONGEST]}; the known ones are {', '.join(hints)}"
        )
    _check(hints, values, prefix)
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def check_kinds(instance: Any) -> None:
    """Check that the fields of a dataclass hold what their annotations say.

    Raises:
        ValueError: One does not; the message names it.
    """
    _check(_hints(type(instance)), vars(instance), "")


def check_values(values: Any, kinds: dict[str, Any], prefix: str = "") -> None:
    """Check that values read from a file have the names and kinds they should.

    Args:
        values: By name.
        kinds: By name, each as an annotation.
        prefix: What stands before the names in messages.

    Raises:
        ValueError: One is missing, or of another kind, or one too many.

    Example:
        >>> from oprl_gym.files.fields import check_values
        >>> check_values({"unit": 1.5}, {"unit": float})
    """
    values = as_object(values, prefix)
    if values.keys() != kinds.keys():
        other = sorted(map(str, values.keys() ^ kinds.keys()))
        raise ValueError(f"{prefix}{other[0]:.{LONGEST}} is missing, or one too many")
    _check(kinds, values, prefix)


def as_object(values: Any, prefix: str) -> dict[str, Any]:
    """Return names and values as they were read.

    Raises:
        ValueError: They are something else.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{prefix or 'it'} is no object with names and values")
    return values


def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _check(hints: dict[str, Any], values: dict[str, Any], prefix: str) -> None:
    for name, value in values.items():
        if not _fits(value, hints[name]):
            wanted = _words(hints[name])
            raise ValueError(f"{prefix}{name} must be {wanted}, got {shown(value)}")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a kind; what a dict holds is not looked at."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:  # which of the words, its owner checks
        return isinstance(value, str)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, get_origin(hint) or hint)


def _words(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_words, get_args(hint))))
    if get_origin(hint) is Literal:
        return WORDS[str]
    kind = get_origin(hint) or hint
    return WORDS.get(kind, f"a {kind.__name__}")
