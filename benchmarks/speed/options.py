"""The options that every benchmark of speed or memory has."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.paths import RESULTS


def make_parser(description: str | None, smoke: str) -> argparse.ArgumentParser:
    """Return a parser of ``--smoke`` and ``--results``; others can be added.

    Args:
        description: The script's docstring.
        smoke: What little is done with ``--smoke``.
    """
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--smoke", action="store_true", help=smoke)
    options.add_argument("--results", type=Path, default=RESULTS, help="folder")
    return options
