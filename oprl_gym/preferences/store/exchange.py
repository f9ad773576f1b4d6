"""Answers in and out of a store: JSON Lines with all that is shown, or a CSV table."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, TextIO, TypeVar

from oprl_gym.files.atomic import replacing
from oprl_gym.preferences.store.database import PreferenceStore
from oprl_gym.preferences.store.inspection import CheckClip, sound_records
from oprl_gym.preferences.store.opening import StoreError
from oprl_gym.preferences.store.records import Record

Line = TypeVar("Line")
Result = TypeVar("Result")

FORMAT = "oprl-gym preferences 1"
COLUMNS = tuple(field.name for field in fields(Record))
"""What is told of an answer; ``label`` is empty (null) for "cannot tell"."""
BATCH = 500
"""Lines that are added in one transaction: others can write in between."""

_key = attrgetter("first", "second", "annotator", "answered_at", "repeat")
"""Returns what tells one answer from another."""
_TEXTS = "first", "second", "annotator"
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet would compute, wide characters included."""


def export_answers(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold to a ``.jsonl`` or ``.csv`` file; returns how many.

    Those that cannot be used, and could not be imported, are left out.

    Raises:
        ValueError: The name of the file ends otherwise, or it cannot be written.
    """
    return export_csv(store, path) if _is_table(path) else export_jsonl(store, path)


def import_answers(
    store: PreferenceStore, path: str | Path, check_clip: CheckClip | None = None
) -> int:
    """Add the answers of a ``.jsonl`` or ``.csv`` file to a store; returns how many.

    Args:
        store: Where they go.
        path: The file.
        check_clip: Raises ValueError for a clip that cannot be shown; None takes all.

    Raises:
        ValueError: The name of the file ends otherwise, or a line is damaged.
    """
    if _is_table(path):
        return import_csv(store, path)
    return import_jsonl(store, path, check_clip)


def export_jsonl(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold, and the segments they are about.

    The first line names the format, then comes a line for each segment (arrays in the
    safetensors format, in base 64) and a line for each answer (:data:`COLUMNS`).

    Args:
        store: Where they are.
        path: The file; replaced only once the new one is whole.

    Returns how many answers were written.
    """
    records = sound_records(store)
    sides = {side for record in records for side in (record.first, record.second)}

    def lines() -> Iterator[dict[str, Any]]:
        yield {"format": FORMAT}
        for digest in sorted(sides):
            yield _segment(store, digest)
        yield from map(asdict, records)

    def write(file: TextIO) -> None:
        file.writelines(json.dumps(line, allow_nan=False) + "\n" for line in lines())

    _replace(path, write)
    return len(records)


def import_jsonl(
    store: PreferenceStore, path: str | Path, check_clip: CheckClip | None = None
) -> int:
    """Add the answers that :func:`export_jsonl` wrote; those that are there are not.

    Args:
        store: Where they go.
        path: The file.
        check_clip: Raises ValueError for a clip that cannot be shown; None takes all.

    Raises:
        ValueError: A line is damaged; the message names it. What stood before it stays.

    Returns how many answers were added.
    """
    known = _known(store)

    def add(line: str) -> int:
        values = _parsed(line)
        if "arrays" not in values:
            return _add(store, values, known)
        _add_segment(store, values, check_clip)
        return 0

    with _opened(path) as file:
        first = file.readline()
        _at(path, 1, _check_format, first)
        return _add_all(store, path, enumerate(file, start=2), add)


def export_csv(store: PreferenceStore, path: str | Path) -> int:
    """Write the answers that hold as a table; returns how many.

    Args:
        store: Where they are.
        path: The file; replaced only once the new one is whole.
    """
    records = sound_records(store)

    def write(file: TextIO) -> None:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(map(_harmless, records))

    _replace(path, write)
    return len(records)


def import_csv(store: PreferenceStore, path: str | Path) -> int:
    """Add the answers in a table, about segments that are in the store.

    Raises:
        ValueError: A line is damaged or about unknown segments; the message names it.

    Returns how many answers were added.
    """
    known = _known(store)
    with _opened(path) as file:
        table = csv.DictReader(file, strict=True)

        def add(row: Mapping[str, str]) -> int:
            return _add(store, _typed(row), known)

        return _add_all(store, path, _rows(table, path), add)


def _add_all(
    store: PreferenceStore,
    path: str | Path,
    lines: Iterable[tuple[int, Line]],
    add: Callable[[Line], int],
) -> int:
    """Add line after line, many in one transaction; returns how many answers came.

    A line that is refused ends it, and those before it stay.
    """
    iterator, added = iter(lines), 0
    while True:
        taken, refused = 0, None
        with store.batch():
            try:
                for number, line in islice(iterator, BATCH):
                    taken += 1
                    added += _at(path, number, add, line)
            except StoreError:
                raise
            except ValueError as error:
                refused = error
        if refused is not None:
            raise refused
        if taken < BATCH:
            return added


def _add(
    store: PreferenceStore, values: Mapping[str, Any], known: set[tuple[Any, ...]]
) -> int:
    missing = [name for name in COLUMNS if name not in values]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    record = Record(**values)
    key = _key(record)
    if key in known:
        return 0
    store.add_record(record)
    known.add(key)
    return 1


def _known(store: PreferenceStore) -> set[tuple[Any, ...]]:
    return {_key(record) for record in sound_records(store)}


# --- JSON Lines -----------------------------------------------------------------------


def _parsed(line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return values


def _check_format(line: str) -> None:
    if not line or _parsed(line).get("format") != FORMAT:
        raise ValueError(f"it does not begin with the format {FORMAT!r}")


def _segment(store: PreferenceStore, digest: str) -> dict[str, Any]:
    clip = store.clip(digest)
    return {
        "hash": digest,
        "arrays": base64.b64encode(store.packed(digest)).decode(),
        "clip": None if clip is None else base64.b64encode(clip).decode(),
    }


def _add_segment(
    store: PreferenceStore, values: Mapping[str, Any], check_clip: CheckClip | None
) -> None:
    arrays = _decoded("arrays", values["arrays"])
    clip = None if values["clip"] is None else _decoded("clip", values["clip"])
    if clip is not None and check_clip is not None:
        check_clip(clip)
    store.add_packed(values["hash"], arrays, clip)


def _decoded(name: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"its {name} are no base 64: {error}") from error


# --- the table ------------------------------------------------------------------------


def _rows(
    table: csv.DictReader[str], path: str | Path
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows, by line, of a table that has the columns it should have.

    Raises:
        ValueError: It has others, or is none.
    """
    try:
        if set(table.fieldnames or ()) != set(COLUMNS):
            raise ValueError(f"{path}, line 1: its columns are not {','.join(COLUMNS)}")
        for row in table:
            yield table.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {table.line_num + 1}: {error}") from error


def _harmless(record: Record) -> dict[str, Any]:
    """Return a row of a table in which no text is taken for a formula."""
    values = asdict(record)
    for name in _TEXTS:
        if _FORMULA.match(values[name]):
            values[name] = "'" + values[name]
    return values


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of a table with numbers in place of their text."""
    if None in row or None in row.values():
        raise ValueError(f"it has not {len(COLUMNS)} fields")
    values: dict[str, Any] = dict(row)
    for name in _TEXTS:
        if values[name].startswith("'") and _FORMULA.match(values[name]):
            values[name] = values[name][1:]
    for name, read in _READ.items():
        try:
            values[name] = read(row[name])
        except (ValueError, KeyError) as error:
            raise ValueError(f"its {name} is {row[name]!r:.100}") from error
    return values


def _label(text: str) -> float | None:
    return float(text) if text else None


_READ: dict[str, Callable[[str], Any]] = {
    "label": _label,
    "shown_at": float,
    "answered_at": float,
    "weight": float,
    "flipped": {"True": True, "False": False}.__getitem__,
    "repeat": {"True": True, "False": False}.__getitem__,
    "model_version": int,
}


# --- files ----------------------------------------------------------------------------


@contextmanager
def _opened(path: str | Path) -> Iterator[TextIO]:
    """Open a text file, line ends as they are."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _at(
    path: str | Path, number: int, use: Callable[[Line], Result], line: Line
) -> Result:
    """Use a line; names it in the ValueError for whatever is wrong with it."""
    try:
        return use(line)
    except StoreError:
        raise
    except KeyError as error:
        raise ValueError(f"{path}, line {number}: no {error} here") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}, line {number}: {error}") from error


def _replace(path: str | Path, write: Callable[[TextIO], None]) -> None:
    try:
        with replacing(Path(path)) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            write(text)
            text.flush()
            text.detach()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); name a file in a folder "
            "that you may write to, on a disk with room"
        ) from error


def _is_table(path: str | Path) -> bool:
    ending = Path(path).suffix
    if ending not in (".jsonl", ".csv"):
        raise ValueError(f"{path} ends in neither .jsonl nor .csv; choose one of them")
    return ending == ".csv"
