"""YAML as its writers mean it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from oprl_gym.config import LONGEST, one_line

MOST_BYTES = 20_000
MOST_VALUES = 10_000
"""What a sweep's file may hold; one with an arm for each of 300 settings fits in."""

DEEPEST = 100
"""Brackets within each other; a sweep needs four."""

# YAML 1.1 reads 1e-4 as a word: it wants 1.0e-4. No digit may be matched in two ways:
# of 20,000 of them each would be tried.
_FLOAT = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


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
        raise ValueError(f"is no YAML: {one_line(error)}") from error
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
        node = _read(loader.get_single_node)
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise ValueError(
                f"holds more than {MOST_VALUES:,} values where its aliases (*name) "
                "are put in; write it shorter"
            )
        return _read(lambda: loader.construct_document(node))
    finally:
        loader.dispose()


def _read(part: Callable[[], Any]) -> Any:
    """Return what YAML reads; it raises all kinds of errors of `!!int ''` and such."""
    try:
        return part()
    except (yaml.YAMLError, RecursionError):
        raise
    except Exception as error:
        raise ValueError(
            f"holds a value that cannot be read: {one_line(repr(error))}"
        ) from error


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
    """The safe loader, with 1e-4 a number, all names text, and none twice.

    Of names that are not text, such as yes and true, or 1 and 0x1, it would drop one,
    and a run's folder would hold other settings than were asked for: JSON has no such.
    """

    def fetch_flow_collection_start(self, token: Any) -> None:
        # Its time grows with the square of the depth, before it gets anywhere.
        if self.flow_level >= DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(token)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            node.value = [(_as_text(key), value) for key, value in node.value]
        names = Counter(str(key.value) for key, _ in node.value)
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{', '.join(twice):.{LONGEST}} stands there twice",
                problem_mark=node.start_mark,
            )
        return super().construct_mapping(node, deep)


def _as_text(key: yaml.Node) -> yaml.Node:
    """Return a name as it is written; `<<`, and what is no word, stay as they are."""
    if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
        return key
    return yaml.ScalarNode(_TEXT, key.value, key.start_mark, key.end_mark)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
