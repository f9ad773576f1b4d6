"""Wrappers of an env, as they are named: ``module:Class(argument, name=value)``."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from oprl_gym.config import shown

MOST_LETTERS = 1_000
_NAME = re.compile(r"([\w.]+):([A-Za-z_]\w*)(\(.*\))?", re.DOTALL)
_EXAMPLE = "minigrid.wrappers:FlatObsWrapper, or mine:Late(steps=3)"


@dataclass(frozen=True)
class NamedWrapper:
    """A wrapper that was named, and the arguments it gets after the env.

    Attributes:
        text: The name as it was given.
        module: Where the class is.
        name: Of the class.
        args: Arguments by place; plain values.
        kwargs: Those by name.
    """

    text: str
    module: str
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @classmethod
    def read(cls, text: str) -> NamedWrapper:
        """Return the wrapper that ``text`` names; nothing is imported.

        Raises:
            ValueError: It names none.

        Example:
            >>> from oprl_gym.runs.env_wrappers import NamedWrapper
            >>> NamedWrapper.read("oprl_gym.wrappers:DelayedReward").name
            'DelayedReward'
        """
        given: Any = text  # out of a file
        right = isinstance(given, str) and len(text) <= MOST_LETTERS
        match = _NAME.fullmatch(text.strip()) if right else None
        if match is None:
            raise ValueError(
                f"env_wrapper must be such as {_EXAMPLE}; got {shown(text)}"
            )
        module, name, arguments = match.groups()
        try:
            call: Any = ast.parse(f"f{arguments or '()'}", mode="eval").body
            args = tuple(ast.literal_eval(value) for value in call.args)
            kwargs = {part.arg: ast.literal_eval(part.value) for part in call.keywords}
        except (ValueError, SyntaxError, AttributeError, RecursionError, MemoryError):
            raise ValueError(
                f"env_wrapper {shown(text)}: its arguments must be plain values, such "
                "as (3) or (name='text')"
            ) from None
        if None in kwargs:  # f(**{...})
            raise ValueError(f"env_wrapper {shown(text)}: name each argument")
        return cls(text, module, name, args, kwargs)

    def holds_text(self) -> bool:
        """Return whether an argument has words: they may name a file, or a module."""
        values: list[Any] = [*self.args, *self.kwargs.values()]
        return any(isinstance(value, str | bytes) for value in _all(values))

    def find(self) -> type[gym.Wrapper[Any, Any, Any, Any]]:
        """Return the class, whose module has to be one that may be imported.

        Raises:
            ValueError: It is none, or no wrapper of Gymnasium's.
        """
        found = getattr(importlib.import_module(self.module), self.name, None)
        if not (isinstance(found, type) and issubclass(found, gym.Wrapper)):
            raise ValueError(f"{self.module} has no gymnasium.Wrapper {self.name}")
        return found

    def wrap(self, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        """Return the env in this wrapper.

        Raises:
            Exception: Whatever its constructor raises.
        """
        return self.find()(env, *self.args, **self.kwargs)


def _all(value: Any) -> list[Any]:
    """Return a plain value and all that it holds."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return [one for part in value for one in _all(part)]
    return [value]
