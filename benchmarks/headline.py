"""The table of the project's README: steps to the target rate, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.settings import HARMLESS, RUNGS
from benchmarks.summary import Key, Run, budget_of, failures, grouped, steps_to_target
from oprl_gym.measures import interquartile_mean

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN = "<!-- ladder: made by benchmarks/analyse.py -->\n"
END = "<!-- end of ladder -->\n"
ALGOS = {"ppo": "PPO", "a2c": "A2C"}
ARMS = {"plain": "plain", "oracle": "oracle", "oprl": "OPRL"}


def headline_table(runs: Iterable[Run]) -> str:
    """Return a row for every rung that OPRL has run, and below how many seeds did."""
    groups = grouped(runs)
    columns = [(algo, arm) for algo in ALGOS for arm in ARMS]
    names = [f"{ALGOS[algo]} {ARMS[arm]}" for algo, arm in columns]
    lines = [f"| env | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for rung in RUNGS:
        if rung in HARMLESS or ("ppo", rung, "oprl") not in groups:
            continue
        cells = [_cell(groups, (algo, rung, arm)) for algo, arm in columns]
        lines.append(f"| {rung} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _seeds(groups)]) + "\n"


def _seeds(groups: Mapping[Key, Sequence[Run]]) -> str:
    """Return how many seeds each arm has, of all its rungs the fewest and the most."""
    parts = []
    for arm, name in ARMS.items():
        counts = [
            len(runs)
            for (algo, rung, of), runs in groups.items()
            if of == arm and algo in ALGOS and rung not in HARMLESS
        ]
        if counts:
            few, many = min(counts), max(counts)
            parts.append(f"{name} {few}" + (f" to {many}" if many > few else ""))
    return f"Seeds: {', '.join(parts)}."


def write_headline(runs: Iterable[Run], readme: Path = README) -> None:
    """Put the table into the README, in the place of the one that is there.

    Raises:
        ValueError: The README has no place for it.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} lacks the lines {BEGIN.strip()} and {END.strip()}")
    table = f"\n{headline_table(runs)}\n"
    readme.write_text(before + begin + table + end + after, encoding="utf-8")


def _cell(groups: Mapping[Key, Sequence[Run]], key: Key) -> str:
    runs = groups.get(key)
    if runs is None:
        return ""
    steps = interquartile_mean(steps_to_target(runs))
    sign = "≥ " if steps >= budget_of(runs) else ""
    failed = failures(runs)
    note = f" ({failed} failed)" if failed else ""
    return f"{sign}{steps:,.0f}{note}"
