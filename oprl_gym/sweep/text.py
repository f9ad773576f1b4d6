"""YAML as its writers mean it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from oprl_gym.config import LONGEST

MOST_BYTES = 50_000
MOST_VALUES = 20_000
"""What a sweep's file may hold; one with an arm for each of 500 settings fits in."""

DEEPEST = 100
"""Brackets within each other; a sweep needs four."""

# YAML 1.1 reads 1e-4 as a word: it wants 1.0e-4.
_FLOAT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def load_yaml(path: Path) -> dict[str, Any]:
    """Return what a YAML file holds.

    Raises:
        ValueError: It cannot be read, is no YAML, or holds no names and values; a name
            stands twice in one place, of which YAML would drop one; or it holds more
            values, aliases counted as often as they stand there, than make sense.
    """
    try:
        with path.open("rb") as file:
            content = _content(file.read(MOST_BYTES + 1))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ValueError("is nested too deep, or in itself") from error
    if content is None:
        raise ValueError("is empty; docs/scaling.md shows what goes into it")
    if not isinstance(content, dict):
        raise ValueError("holds no names and values; docs/scaling.md shows an example")
    return content


def _content(text: bytes) -> Any:
    if len(text) > MOST_BYTES:
        raise ValueError(
            f"has more than the {MOST_BYTES:,} bytes of any sweep; describe it by grid "
            "or random"
        )
    loader = _Loader(text.decode("utf-8"))
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise ValueError(
                f"holds more than {MOST_VALUES:,} values where its aliases (*name) "
                "are put in; write it shorter"
            )
        return _constructed(loader, node)
    finally:
        loader.dispose()


def _constructed(loader: _Loader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
        # What YAML raises of `!!bool perhaps` and the like.
        raise ValueError(f"holds a value that cannot be read: {error!r}") from error


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node holds, those under an alias each time anew.

    Raises:
        RecursionError: It is nested too deep, or holds itself.
    """
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        known[id(node)] = 1 + sum(_values(part, known) for part in inner)
    return known[id(node)]


class _Loader(yaml.SafeLoader):
    """The safe loader, with 1e-4 a number and no name twice."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        # Its time grows with the square of the depth, before it gets anywhere.
        if self.flow_level >= DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(token)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        names = Counter(str(key.value) for key, _ in node.value)
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{', '.join(twice):.{LONGEST}} stands there twice",
                problem_mark=node.start_mark,
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
