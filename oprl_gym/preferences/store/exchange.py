"""Answers in and out of a store: JSON Lines with all that is shown, or a CSV table."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TextIO

from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.store.records import Answer, Record

Exchange = Callable[[PreferenceStore, str | Path], int]

FORMAT = "oprl-gym preferences 1"
COLUMNS = tuple(field.name for field in fields(Record))
"""What is told of an answer; ``label`` is empty (null) for "cannot tell"."""


def export_answers(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold to a ``.jsonl`` or ``.csv`` file; returns how many.

    Raises:
        ValueError: The name of the file ends otherwise.
    """
    return _by_ending(path, export_jsonl, export_csv)(store, path)


def import_answers(store: PreferenceStore, path: str | Path) -> int:
    """Add the answers of a ``.jsonl`` or ``.csv`` file to a store; returns how many.

    Raises:
        ValueError: The name of the file ends otherwise, or a line is damaged.
    """
    return _by_ending(path, import_jsonl, import_csv)(store, path)


def export_jsonl(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold, and the segments they are about.

    The first line names the format, then comes a line for each segment (arrays in the
    safetensors format, in base 64) and a line for each answer (:data:`COLUMNS`).

    Args:
        store: Where they are.
        path: The file; replaced only once the new one is whole.

    Returns how many answers were written.
    """
    answers = store.answers()
    sides = {s for row in answers for s in (row.question.first, row.question.second)}

    def lines() -> Iterator[dict[str, Any]]:
        yield {"format": FORMAT}
        for digest in sorted(sides):
            yield _segment(store, digest)
        yield from map(_row, answers)

    def write(file: TextIO) -> None:
        file.writelines(json.dumps(line, allow_nan=False) + "\n" for line in lines())

    _replace(path, write)
    return len(answers)


def import_jsonl(store: PreferenceStore, path: str | Path) -> int:
    """Add the answers that :func:`export_jsonl` wrote; those that are there are not.

    Raises:
        ValueError: A line is damaged; the message names it. What stood before it stays.

    Returns how many answers were added.
    """
    path = Path(path)
    added = 0
    known = _known(store)
    for number, line in enumerate(_read(path).splitlines(), start=1):
        try:
            values = json.loads(line)
            if number == 1:
                _check_format(values)
            elif "arrays" in values:
                arrays = base64.b64decode(values["arrays"], validate=True)
                clip = values["clip"]
                shown = None if clip is None else base64.b64decode(clip, validate=True)
                store.add_packed(values["hash"], arrays, shown)
            else:
                added += _add(store, values, known)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise ValueError(f"{path}, line {number}: {_say(error)}") from error
    return added


def export_csv(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold as a table; returns how many.

    Args:
        store: Where they are.
        path: The file; replaced only once the new one is whole.
    """
    answers = store.answers()

    def write(file: TextIO) -> None:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(map(_row, answers))

    _replace(path, write)
    return len(answers)


def import_csv(store: PreferenceStore, path: str | Path) -> int:
    """Add the answers in a table, about segments that are in the store.

    Raises:
        ValueError: A line is damaged or about unknown segments; the message names it.

    Returns how many answers were added.
    """
    path = Path(path)
    added = 0
    known = _known(store)
    table = csv.DictReader(io.StringIO(_read(path), newline=""))
    for row in table:
        try:
            added += _add(store, _typed(row), known)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {table.line_num}: {_say(error)}") from error
    return added


def _row(answer: Answer) -> dict[str, Any]:
    return asdict(Record.of(answer))


def _segment(store: PreferenceStore, digest: str) -> dict[str, Any]:
    clip = store.clip(digest)
    return {
        "hash": digest,
        "arrays": base64.b64encode(store.packed(digest)).decode(),
        "clip": None if clip is None else base64.b64encode(clip).decode(),
    }


def _known(store: PreferenceStore) -> set[tuple[Any, ...]]:
    return {_key(_row(answer)) for answer in store.answers()}


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells one answer from another."""
    names = ("first", "second", "annotator", "answered_at", "repeat")
    return tuple(values[name] for name in names)


def _add(
    store: PreferenceStore, values: Mapping[str, Any], known: set[tuple[Any, ...]]
) -> int:
    key = _key(values)
    if key in known:
        return 0
    store.add_record(Record(**values))
    known.add(key)
    return 1


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of a table with numbers in place of their text."""
    values: dict[str, Any] = dict(row)
    values["label"] = float(row["label"]) if row["label"] else None
    for name in ("shown_at", "answered_at", "weight"):
        values[name] = float(row[name])
    for name in ("flipped", "repeat"):
        values[name] = {"True": True, "False": False}[row[name]]
    values["model_version"] = int(row["model_version"])
    return values


def _check_format(values: Any) -> None:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"it does not begin with the format {FORMAT!r}")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")  # line ends as they are
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _replace(path: str | Path, write: Callable[[TextIO], None]) -> None:
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        write(file)
    os.replace(partial, path)


def _say(error: Exception) -> str:
    return f"no {error} here" if isinstance(error, KeyError) else str(error)


def _by_ending(path: str | Path, jsonl: Exchange, table: Exchange) -> Exchange:
    ending = Path(path).suffix
    if ending not in (".jsonl", ".csv"):
        raise ValueError(f"{path} ends in neither .jsonl nor .csv; choose one of them")
    return jsonl if ending == ".jsonl" else table
