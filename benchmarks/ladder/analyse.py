"""From runs to tables: CSV files, and README.md beside them.

    python -m benchmarks.ladder.analyse

Called by the ladder when it has finished.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import provenance
from benchmarks.ladder import goals
from benchmarks.ladder.commands import commands
from benchmarks.ladder.goals import Claim, goals_table
from benchmarks.ladder.headline import PUBLIC as PUBLIC_TABLES
from benchmarks.ladder.headline import write_headline
from benchmarks.ladder.results import read_all
from benchmarks.ladder.settings import RUNGS
from benchmarks.ladder.summary import Group, Key, Run, grouped, summarise
from benchmarks.paths import PUBLIC_RESULTS, RESULTS
from benchmarks.public import goals as public_goals
from benchmarks.public.rungs import PUBLIC
from oprl_gym.runs.measures import Estimate

CHANGED = "Runs of these groups were made with different settings; do not compare:"
EXPLAINED = """\
Steps to the target rate, first success and area under the success curve: interquartile
mean over seeds [95 % bootstrap interval]. A run that never got there counts as its
budget, marked ≥ where that decides. Shortest: seeds whose likeliest actions take a
shortest path in the end. Drawn: episodes in which actions are drawn from the policy.
Better than plain: probability that a run needs fewer steps than one of plain.
"""
RUN_COLUMNS = (
    "algo",
    "rung",
    "arm",
    "seed",
    "env_steps",
    "episodes",
    "first_success_step",
    "steps_to_90",
)


def write_tables(results: Path) -> None:
    """Write `summary.csv`, `runs.csv` and `README.md` of the runs in a folder.

    Those of the reported runs also make the tables of docs/evidence.md.

    Raises:
        ValueError: There are no runs.
    """
    runs = read_all(results)
    if not runs:
        raise ValueError(
            f"there are no runs in {results}; make some: python -m benchmarks.ladder"
        )
    groups = summarise(runs)
    head = _provenance(runs, commands(results))
    summary = [_summary_row(group) for group in groups.values()]
    _write_csv(results / "summary.csv", head, summary)
    ordered = [run for members in grouped(runs).values() for run in members]
    _write_csv(results / "runs.csv", head, [_run_row(run) for run in ordered])
    page = _page(groups, head)
    (results / "README.md").write_text(page, encoding="utf-8")
    if results == RESULTS:
        write_headline(runs)
    if results == PUBLIC_RESULTS:
        for table in PUBLIC_TABLES:
            write_headline(runs, table)


def _provenance(runs: Sequence[Run], commands: Sequence[str]) -> list[str]:
    versions = sorted(
        {", ".join(f"{k} {v}" for k, v in r["versions"].items()) for r in runs}
    )
    commits = sorted({run["commit"] for run in runs})
    return [
        f"commit of the code: {', '.join(commits)}",
        *(f"versions: {line}" for line in versions),
        *(f"runs made at {line}" for line in commands),
        "this file made from them with: python -m benchmarks.ladder.analyse",
    ]


def _run_row(run: Run) -> dict[str, Any]:
    return {
        **{name: run[name] for name in RUN_COLUMNS},
        "area": round(sum(run["curve"]) / len(run["curve"]) / 100, 4),
        "greedy_success": run["greedy"]["success"],
        "greedy_length": run["greedy"]["length"],
        "shortest_path": run["shortest_path"],
        "sampled_success": run["sampled"]["success"],
        "sampled_length": run["sampled"]["length"],
        "cpu_seconds": run["training_seconds"]["cpu"],
        "commit": run["commit"],
    }


def _summary_row(group: Group) -> dict[str, Any]:
    return {
        "rung": group.rung,
        "algo": group.algo,
        "arm": group.arm,
        "seeds": group.seeds,
        "budget": group.budget,
        "failures": group.failures,
        **_columns("steps_to_90", group.steps, 0),
        **_columns("first_success", group.first, 0),
        **_columns("area", group.area, 4),
        **_columns("improvement_over_plain", group.improvement, 4),
        "greedy_shortest_path": group.greedy_shortest,
        "greedy_success": _rounded(group.greedy_success, 4),
        "sampled_success": _rounded(group.sampled_success, 4),
        "sampled_length": _rounded(group.sampled_length, 2),
        "cpu_seconds": _rounded(group.cpu_seconds, 1),
    }


def _columns(name: str, value: Estimate | None, digits: int) -> dict[str, Any]:
    value = value or Estimate(math.nan, math.nan, math.nan)
    return {
        name: _rounded(value.value, digits),
        f"{name}_low": _rounded(value.low, digits),
        f"{name}_high": _rounded(value.high, digits),
    }


def _rounded(value: float, digits: int) -> float | int | None:
    if math.isnan(value):
        return None
    return round(value, digits) if digits else round(value)


def _write_csv(
    path: Path, head: Iterable[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in head)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def _page(groups: Mapping[Key, Group], head: Iterable[str]) -> str:
    mixed = [" ".join(key) for key, group in groups.items() if group.settings > 1]
    parts = [
        "# Results\n",
        "Made by `python -m benchmarks.ladder.analyse`; do not edit. What was "
        "asked and how, and what the numbers do not show: "
        "[../README.md](../README.md).\n",
        *([f"**{CHANGED} {', '.join(mixed)}.**\n"] if mixed else []),
        "![Steps to 90 %](headline.png)\n",
        "## Goals\n",
        goals_table(_claims(groups)),
        "## Rungs\n",
        EXPLAINED,
        *_rung_tables(groups),
        "## Where it comes from\n",
        "".join(f"- {line}\n" for line in head),
    ]
    return "\n".join(parts)


def _claims(groups: Mapping[Key, Group]) -> list[Claim]:
    """Return the claims about the suite that the runs are of."""
    public = all(key[1] in PUBLIC for key in groups)
    return public_goals.check(groups) if public else goals.check(groups)


def _rung_tables(groups: Mapping[Key, Group]) -> list[str]:
    parts = []
    for rung in dict.fromkeys(key[1] for key in groups):
        members = [group for key, group in groups.items() if key[1] == rung]
        budgets = ", ".join(dict.fromkeys(f"{g.algo} {g.budget:,}" for g in members))
        target = f"{RUNGS[rung].target:.0%}"
        parts.append(
            f"### {rung}\n\nBudget in env steps: {budgets}; target {target}.\n"
        )
        parts.append(
            "| | arm | seeds | failed | steps to target | first success | area | "
            "shortest | drawn: success, length | better than plain | CPU s |\n"
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            + "".join(_table_row(group) for group in members)
        )
    return parts


def _table_row(group: Group) -> str:
    shortest = group.greedy_shortest
    cells = [
        group.algo,
        group.arm,
        group.seeds,
        group.failures,
        _steps(group.steps, group.budget),
        _steps(group.first, group.budget),
        _interval(group.area, ".2f"),
        "" if shortest is None else f"{shortest}/{group.seeds}",
        _drawn(group),
        "" if group.improvement is None else _interval(group.improvement, ".2f"),
        f"{group.cpu_seconds:.0f}",
    ]
    return f"| {' | '.join(map(str, cells))} |\n"


def _drawn(group: Group) -> str:
    """Return what actions drawn from the policy come to; not all envs tell success."""
    if math.isnan(group.sampled_success):
        return f"{group.sampled_length:.1f}"
    return f"{group.sampled_success:.0%}, {group.sampled_length:.1f}"


def _steps(value: Estimate, budget: int) -> str:
    return ("≥ " if value.value >= budget else "") + _interval(value, ",.0f")


def _interval(value: Estimate, form: str) -> str:
    if math.isnan(value.low):
        return f"{value.value:{form}}"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def main() -> None:
    """Write the tables of a results folder."""
    parser = argparse.ArgumentParser(description="From runs to tables.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    results = parser.parse_args().results
    write_tables(results)
    print(f"{results}: README.md, summary.csv, runs.csv ({provenance.commit()})")


if __name__ == "__main__":
    main()
