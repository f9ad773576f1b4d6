"""YAML as its writers mean it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

# YAML 1.1 reads 1e-4 as a word: it wants 1.0e-4.
_FLOAT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def load_yaml(path: Path) -> dict[str, Any]:
    """Return what a YAML file holds.

    Raises:
        ValueError: It cannot be read, is no YAML, or holds no names and values; or a
            name stands twice in one place, of which YAML would drop one.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from error
    if content is None:
        raise ValueError("is empty; docs/scaling.md shows what goes into it")
    if not isinstance(content, dict):
        raise ValueError("holds no names and values; docs/scaling.md shows an example")
    return content


class _Loader(yaml.SafeLoader):
    """The safe loader, with 1e-4 a number and no name twice."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = {str(name) for name in names if names.count(name) > 1}
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{', '.join(sorted(twice))} stands there twice",
                problem_mark=node.start_mark,
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
