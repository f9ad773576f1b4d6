"""How the packages of an extra are installed: said wherever one is missing."""

import shlex
import sys


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra for the Python that runs.

    With that Python's own pip, which knows the oprl-gym that is there and asks no index
    for it: a `pip` that comes first in PATH may be another Python's.
    """
    return f"{shlex.quote(sys.executable)} -m pip install 'oprl-gym[{extra}]'"
