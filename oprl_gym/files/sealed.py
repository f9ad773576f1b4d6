"""Arrays and JSON in one safetensors file, which tells if a byte of it has changed."""

from __future__ import annotations

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from oprl_gym.config import one_line, shown
from oprl_gym.files.atomic import replace_file
from oprl_gym.types import Array

_ENTRY = "oprl_gym"
# Stands where the checksum will, while that is computed: it is one of the whole file.
_BLANK = "0" * 64


def write_sealed(
    path: Path, form: str, header: dict[str, Any], arrays: dict[str, Array]
) -> None:
    """Write arrays and a header to ``path``, once the new file is whole.

    Args:
        path: The file.
        form: Its format and version; :func:`read_sealed` is to ask for the same.
        header: What JSON can hold.
        arrays: Of numbers, by name.

    Raises:
        OSError: The file cannot be written; the old one is still there.
    """
    words = json.dumps({"format": form, "sha256": _BLANK, "content": header})
    # One entry: safetensors writes several in an order that changes from run to run.
    content = save(arrays, {_ENTRY: words})
    digest = hashlib.sha256(content).hexdigest()
    replace_file(path, content.replace(_BLANK.encode(), digest.encode(), 1))


def read_sealed(path: Path, form: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the arrays that :func:`write_sealed` wrote.

    Nothing in the file is executed, and no more memory is asked for than it has bytes.
    The checksum tells of damage, not of forgery: whoever writes a file can write one
    that fits, so what is in it is still to be checked.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or it is damaged.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError("it is no file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = _header(file.metadata() or {}, form)
            _check_digest(path, header.get("sha256"))
            names = file.keys()  # (it is no mapping)
            arrays = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise
    except (
        SafetensorError,
        AttributeError,  # a kind of number that NumPy has not
        KeyError,
        OSError,
        RecursionError,
        TypeError,
    ) as error:
        raise ValueError(one_line(error)) from error
    content = header.get("content")
    if not isinstance(content, dict):
        raise ValueError("it has no content")
    return content, arrays


def _header(metadata: dict[str, str], form: str) -> dict[str, Any]:
    if _ENTRY not in metadata:
        raise ValueError("it was not written by this library")
    header: Any = json.loads(metadata[_ENTRY])
    if not isinstance(header, dict) or "format" not in header:
        raise ValueError("its header is none of this library's")
    if header["format"] != form:
        raise ValueError(
            f"its format is {shown(header['format'])}, and this version of the "
            f"library reads {form!r}"
        )
    return header


def _check_digest(path: Path, digest: Any) -> None:
    known = isinstance(digest, str) and len(digest) == len(_BLANK)
    if not known or digest != _digest(path, digest.encode()):
        raise ValueError("it is damaged: its checksum is that of other bytes")


def _digest(path: Path, written: bytes) -> str:
    """Return the checksum of a file in which ``written`` stands for its own."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
    ):
        at = content.find(written)
        words = hashlib.sha256(view[:at])
        words.update(_BLANK.encode())
        words.update(view[at + len(written) :])
        return words.hexdigest()
