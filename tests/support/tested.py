"""Tests told of by their own parameters, as rows of a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gymnasium import spaces

Cell = Callable[..., str]
ParameterSet = type(pytest.param())


def cases(test: Any) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each case of a test; "label" is the id it was given."""
    marks = [
        _options(*mark.args, **mark.kwargs)
        for mark in getattr(test, "pytestmark", [])
        if mark.name == "parametrize"
    ]
    for options in itertools.product(*marks):
        yield {name: value for option in options for name, value in option.items()}


def _options(names: Any, sets: Any, ids: Any = ()) -> list[dict[str, Any]]:
    """Return what one mark of a test gives its parameters."""
    one = isinstance(names, str)
    options = []
    for given, name in itertools.zip_longest(sets, ids):
        values = given.values if isinstance(given, ParameterSet) else given
        option = {names: values} if one else dict(zip(names, values, strict=True))
        options.append(option if name is None else {**option, "label": name})
    return options


def describe(space: spaces.Space[Any]) -> str:
    """Return a space in a few characters."""
    if isinstance(space, spaces.Box):
        shape = " x ".join(map(str, space.shape))
        return f"Box({shape})" + (" uint8" if space.dtype == "uint8" else "")
    if isinstance(space, spaces.Dict):
        parts = (f"{key}: {describe(inner)}" for key, inner in space.items())
        return f"Dict({', '.join(parts)})"
    if isinstance(space, spaces.Tuple):
        return f"Tuple({', '.join(map(describe, space))})"
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.size > 4:
        return f"MultiDiscrete({space.nvec.size} values)"
    return str(space)


def spaces_of(env: Any) -> str:
    """Return what is observed in an env, and what is done."""
    return f"{describe(env.observation_space)}; {describe(env.action_space)}"


def always(text: str) -> Cell:
    """Return a cell that says the same of all cases."""
    return lambda **_: text


def works(**_: Any) -> str:
    """Return what becomes of most."""
    return "works"


def code(text: object) -> str:
    """Return text in the type for code."""
    return f"`{text}`"


def agent_of(kind: type | None = None, algo: type | None = None, **_: Any) -> str:
    """Return the name of the agent among a case's parameters."""
    found = kind or algo
    return "" if found is None else found.__name__


@dataclass(frozen=True)
class Tested:
    """A test, and how its cases are told of."""

    test: Any
    space: Cell
    wrappers: Cell
    agent: Cell = agent_of
    outcome: Cell = works

    def rows(self) -> list[str]:
        """Return the test's rows; those that differ in the agent alone are one."""
        agents: dict[tuple[str, str, str], list[str]] = {}
        for case in cases(self.test):
            key = (self.space(**case), self.wrappers(**case), self.outcome(**case))
            agents.setdefault(key, []).append(self.agent(**case))
        file = Path(self.test.__code__.co_filename).name
        name = code(f"{file}::{self.test.__name__}")
        return [
            row(space, wrappers, ", ".join(dict.fromkeys(kinds)), outcome, name)
            for (space, wrappers, outcome), kinds in agents.items()
        ]


def row(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
