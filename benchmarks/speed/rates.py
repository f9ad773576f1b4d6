"""How often a second: measured in turns, kept as JSON, compared round by round."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import provenance
from benchmarks.ladder.results import write_json

Rates = dict[str, dict[str, list[float]]]
"""By group, by contestant: units of work a second, one for each round."""

REPEATS = 7


class Rated(Protocol):
    """Whoever can take turns."""

    def rate(self, seconds: float) -> float:
        """Return the units done in a second of CPU time, working this long."""
        ...


@dataclass(frozen=True)
class Contestant:
    """A piece of work, and how much of it one call does.

    Attributes:
        work: Does it.
        units: Env steps, or updates, that one call of ``work`` is.
    """

    work: Callable[[], object]
    units: int

    def rate(self, seconds: float) -> float:
        """Return the units done in a second of CPU time, working this long."""
        calls, start = 0, time.process_time()
        while True:
            self.work()
            calls += 1
            elapsed = time.process_time() - start
            # A clock may tick coarsely: without time there is no rate.
            if elapsed > seconds:
                return self.units * calls / elapsed


@dataclass(frozen=True)
class Measurement:
    """What one benchmark wrote: rates, and where they come from.

    Attributes:
        unit: What the rates count, in a second of CPU time.
        command: The command line.
        machine: Processor and cores.
        commit: Of the sources.
        versions: Of Python and the packages.
        rates: The figures.
    """

    unit: str
    command: str
    machine: str
    commit: str
    versions: dict[str, str]
    rates: Rates

    def rounds(
        self, group: str, ours: str, theirs: str
    ) -> list[tuple[float, float]] | None:
        """Return both rates of each round; None where a side was not measured."""
        rates = self.rates.get(group, {})
        if ours not in rates or theirs not in rates:
            return None
        return list(zip(rates[ours], rates[theirs], strict=True))


def in_turns(
    contestants: Mapping[str, Rated], repeats: int, seconds: float
) -> dict[str, list[float]]:
    """Return the rates of all, measured one after another in each of the rounds.

    What else the machine does then falls on all of them alike. The first call of each,
    in which caches fill, is not counted.
    """
    for contestant in contestants.values():
        contestant.rate(0.0)
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, contestant in contestants.items():
            rates[name].append(contestant.rate(seconds))
    return rates


def show(group: str, rates: Mapping[str, list[float]]) -> None:
    """Print the median of each contestant."""
    for name, of_rounds in rates.items():
        print(f"{group:>16}  {name:<42} {statistics.median(of_rounds):>14,.0f}")


def write(
    path: Path,
    unit: str,
    rates: Rates,
    command: str,
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write a measurement with its origin.

    Args:
        path: A JSON file.
        unit: As in :class:`Measurement`, like the two that follow.
        rates: The figures.
        command: The command line.
        versions: Of rivals that ran elsewhere, beside those found here.
    """
    measurement = Measurement(
        unit=unit,
        command=command,
        machine=provenance.machine(),
        commit=provenance.commit(),
        versions={**provenance.versions(), **(versions or {})},
        rates=rates,
    )
    write_json(path, asdict(measurement))


def read(path: Path) -> Measurement | None:
    """Return what :func:`write` wrote, or None if there is no such file."""
    if not path.exists():
        return None
    return Measurement(**json.loads(path.read_text(encoding="utf-8")))
