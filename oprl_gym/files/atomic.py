"""Files that are whole or not there: replaced in one step, never written in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, keeping the old one until the new one is whole and on the disk.

    Raises:
        OSError: It cannot be written, say as the disk is full; the old file is there.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to, which takes the place of the old one once it is whole.

    Whenever the process or the machine stops, ``path`` holds the old content or the
    new one. What was half-written beside it (``.partial``) is removed after an error,
    and otherwise replaced by the next call.

    Raises:
        OSError: It cannot be written, say as the disk is full; the old file is there.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        # Made anew: a link that stands there would have another file written.
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power cut might leave a renamed empty file
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
