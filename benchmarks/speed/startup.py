"""How long it takes to import the library, and to ask its command line for help.

    python -m benchmarks.speed.startup   # a minute
    python -m benchmarks.speed.startup --smoke   # seconds; the figures mean little

Each is a Python process of its own; they take turns. CPU time of the process, so that
what else the machine does does not count (not on Windows). Writes
`results/startup.json`.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import provenance
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import Rates, in_turns, write

FILE = "startup.json"
GROUP = "start"
NOTHING = "python"
GYMNASIUM = "import gymnasium"
LIBRARY = "import gymnasium, oprl_gym"
HELP = "oprl-gym --help"
REPEATS = 15

COMMANDS = {
    NOTHING: ("-c", ""),
    GYMNASIUM: ("-c", GYMNASIUM),
    LIBRARY: ("-c", LIBRARY),
    HELP: ("-m", "oprl_gym", "--help"),
}


class Process:
    """A Python process that is started, does its work and ends.

    Args:
        arguments: What follows ``python``.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, *arguments]

    def rate(self, seconds: float) -> float:
        """Return the starts in a second of the processes' CPU time.

        Args:
            seconds: Of CPU time to go on for; one start is the least.

        Raises:
            CalledProcessError: A process failed.
        """
        starts, begun = 0, _children_seconds()
        while True:
            subprocess.run(
                self._command,
                stdout=subprocess.DEVNULL,
                check=True,
                cwd=provenance.ROOT,
            )
            starts += 1
            elapsed = _children_seconds() - begun
            if elapsed > seconds:
                return starts / elapsed


def measure(repeats: int) -> Rates:
    """Return the starts a second of all, printing them."""
    processes = {name: Process(arguments) for name, arguments in COMMANDS.items()}
    rates = {GROUP: in_turns(processes, repeats, seconds=0.0)}
    for name, of_rounds in rates[GROUP].items():
        print(f"{name:<42} {1 / statistics.median(of_rounds):.3f} s")
    return rates


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    options = make_parser(__doc__, "a single round").parse_args(arguments)
    rates = measure(repeats=1 if options.smoke else REPEATS)
    command = provenance.command(["--smoke"] if options.smoke else [])
    write(options.results / FILE, "starts", rates, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
