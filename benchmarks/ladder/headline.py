"""The tables of docs/evidence.md: steps to the target rate, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ladder.settings import HARMLESS, LADDER
from benchmarks.ladder.summary import (
    Key,
    Run,
    budget_of,
    failures,
    final_returns,
    grouped,
    steps_to_target,
)
from benchmarks.paths import ROOT
from benchmarks.public.rungs import LATE, SEARCH, UNSEEN
from oprl_gym.runs.measures import interquartile_mean

EVIDENCE = ROOT / "docs/evidence.md"
PAGE = ROOT / "docs/is-it-for-me.md"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Of its place in a page.
        rungs: Its rows; those that OPRL has not run are left out.
        columns: (algorithm, arm) by what stands above.
        pages: Where it stands.
        ends: The same, of columns for the return in the end.
    """

    name: str
    rungs: tuple[str, ...]
    columns: dict[str, tuple[str, str]]
    pages: tuple[Path, ...] = (EVIDENCE, PAGE)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def begin(self) -> str:
        """The line that stands before it."""
        return f"<!-- {self.name}: made by benchmarks/ladder/analyse.py -->\n"

    @property
    def end(self) -> str:
        """The line that stands behind it."""
        return f"<!-- end of {self.name} -->\n"


MAZES = Table(
    "ladder",
    tuple(name for name in LADDER if name not in HARMLESS),
    {
        f"{title} {words}": (algo, arm)
        for algo, title in (("ppo", "PPO"), ("a2c", "A2C"))
        for arm, words in (("oprl", "OPRL"), ("plain", "plain"), ("oracle", "oracle"))
    },
    (EVIDENCE,),
)
PUBLIC = (
    Table(
        "search",
        tuple(SEARCH),
        {
            "OPRL": ("ppo", "oprl"),
            "plain": ("ppo", "plain"),
            "first-visit bonus": ("ppo", "count"),
            "RND": ("ppo", "rnd"),
            "NovelD": ("ppo", "noveld"),
            "cost a step": ("ppo", "step-cost"),
            "paid for speed": ("ppo", "velocity"),
        },
    ),
    Table(
        "late",
        tuple(LATE),
        {
            "OPRL": ("ppo", "oprl"),
            "plain": ("ppo", "plain"),
            "IRCR": ("ppo", "ircr"),
            "RRD": ("ppo", "rrd"),
            "the dense reward": ("ppo", "dense"),
        },
    ),
    Table(
        "unseen",
        tuple(UNSEEN),
        {"OPRL": ("ppo", "oprl"), "plain": ("ppo", "plain")},
        ends={
            "return, OPRL": ("ppo", "oprl"),
            "return, plain": ("ppo", "plain"),
            "return, the dense reward": ("ppo", "dense"),
        },
    ),
)


def headline_table(runs: Iterable[Run], table: Table = MAZES) -> str:
    """Return a row for every rung that OPRL has run, and below how many seeds did."""
    groups = grouped(runs)
    names = [*table.columns, *table.ends]
    lines = [f"| env | {' | '.join(names)} |", "|---|" + "--:|" * len(names)]
    for rung in table.rungs:
        if ("ppo", rung, "oprl") not in groups:
            continue
        cells = [
            *(_steps(groups, (a, rung, arm)) for a, arm in table.columns.values()),
            *(_end(groups, (a, rung, arm)) for a, arm in table.ends.values()),
        ]
        lines.append(f"| {rung} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _seeds(groups, table)]) + "\n"


def write_headline(runs: Iterable[Run], table: Table = MAZES) -> None:
    """Put a table into its pages, in the place of the one that is there.

    Raises:
        ValueError: A page has no place for it.
    """
    shown = f"\n{headline_table(runs, table)}\n"
    for page in table.pages:
        text = page.read_text(encoding="utf-8")
        before, begin, rest = text.partition(table.begin)
        _, end, after = rest.partition(table.end)
        if not begin or not end:
            raise ValueError(
                f"{page} lacks the lines {table.begin.strip()} and {table.end.strip()}"
            )
        page.write_text(before + begin + shown + end + after, encoding="utf-8")


def _seeds(groups: Mapping[Key, Sequence[Run]], table: Table) -> str:
    """Return how many seeds each arm has, of all its rungs the fewest and the most."""
    counts: dict[str, list[int]] = {}
    for words, (algo, arm) in table.columns.items():
        name = words.removeprefix("PPO ").removeprefix("A2C ")
        keys = [(algo, rung, arm) for rung in table.rungs]
        counts.setdefault(name, []).extend(len(groups[k]) for k in keys if k in groups)
    parts = []
    for name, of_rungs in counts.items():
        if of_rungs:
            few, many = min(of_rungs), max(of_rungs)
            parts.append(f"{name} {few}" + (f" to {many}" if many > few else ""))
    return (
        "In brackets: seeds that never got there; each counts as its budget (≥).\n"
        f"Seeds: {', '.join(parts)}."
    )


def _steps(groups: Mapping[Key, Sequence[Run]], key: Key) -> str:
    runs = groups.get(key)
    if runs is None:
        return ""
    steps = interquartile_mean(steps_to_target(runs))
    sign = "≥ " if steps >= budget_of(runs) else ""
    failed = failures(runs)
    note = f" ({failed})" if failed else ""
    return f"{sign}{steps:,.0f}{note}".replace(" ", "\N{NO-BREAK SPACE}")


def _end(groups: Mapping[Key, Sequence[Run]], key: Key) -> str:
    """Return the interquartile mean of the returns in the end."""
    returns = final_returns(groups[key]) if key in groups else None
    if returns is None:
        return ""
    final = interquartile_mean(returns)
    return f"{final:,.{0 if abs(final) >= 10 else 2}f}"
