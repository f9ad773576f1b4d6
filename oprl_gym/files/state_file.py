"""Nested values in one safetensors file: what a checkpoint is made of.

Dicts, lists, tuples, numbers, strings, None and NumPy arrays are written, and nothing
else: reading such a file executes nothing, whoever wrote it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oprl_gym.files.sealed import read_sealed, write_sealed
from oprl_gym.types import Array

FORMAT = "oprl-gym state 2"

# In the JSON, {_ARRAY: name} stands for an array, {_TUPLE: [...]} for a tuple, and
# {_ITEMS: [[key, value], ...]} for a dict whose keys are not all strings.
_ARRAY, _TUPLE, _ITEMS = "$array", "$tuple", "$items"


def write_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write nested values to ``path``, replacing it only once the new file is whole.

    Raises:
        TypeError: A value is of a kind that is not written; the message says where.
        OSError: The file cannot be written; the old one is still there.
    """
    arrays: dict[str, Array] = {}
    skeleton = _packed(state, arrays, "state")
    write_sealed(Path(path), FORMAT, {"state": skeleton}, arrays)


def read_state(path: str | Path) -> dict[str, Any]:
    """Read what :func:`write_state` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or it is damaged.
    """
    path = Path(path)
    try:
        header, arrays = read_sealed(path, FORMAT)
        state = _unpacked(header.get("state"), arrays)
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not a saved state: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} is not a saved state: it holds no names and values")
    return state


def _packed(value: Any, arrays: dict[str, Array], where: str) -> Any:
    """Return ``value`` as JSON knows it, with its arrays put into ``arrays``."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _packed(value.item(), arrays, where)
    if isinstance(value, np.ndarray):
        arrays[str(len(arrays))] = np.array(value, order="C")
        return {_ARRAY: str(len(arrays) - 1)}
    if isinstance(value, list | tuple):
        items = [_packed(v, arrays, f"{where}[{i}]") for i, v in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        pairs = [(k, _packed(v, arrays, f"{where}[{k!r}]")) for k, v in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return dict(pairs)
        return {_ITEMS: [[_packed(k, arrays, where), v] for k, v in pairs]}
    raise TypeError(f"{where} is a {type(value).__name__}, which cannot be saved")


def _unpacked(value: Any, arrays: dict[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return arrays[value[_ARRAY]]
    if _TUPLE in value:
        return tuple(_unpacked(item, arrays) for item in value[_TUPLE])
    if _ITEMS in value:
        return {_unpacked(k, arrays): _unpacked(v, arrays) for k, v in value[_ITEMS]}
    return {key: _unpacked(item, arrays) for key, item in value.items()}
