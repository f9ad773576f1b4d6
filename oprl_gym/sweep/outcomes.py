"""What a sweep came to: one row for each run, one for each arm."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.measures import Estimate, censored, estimate, interquartile_mean
from oprl_gym.runs.report import rate
from oprl_gym.sweep.runs import SweepRun
from oprl_gym.sweep.spec import Arm

RUN_COLUMNS = (
    "env_id",
    "algo",
    "seed",
    "total_timesteps",
    "episodes",
    "first_success_step",
    "steps_to_90",
    "final_success_rate",
    "sampled_success_rate",
    "eval_return_mean",
    "eval_length_mean",
    "wall_time_s",
)


@dataclass(frozen=True)
class ArmResult:
    """What the finished runs of an arm, which differ in their seed, come to.

    Attributes:
        arm: The arm.
        seeds: Runs S that are finished.
        failures: Runs that never got to 90 % success; None if success is unknown.
        steps_to_90: Env steps to 90 % success; a failure counts as the budget.
        success: Success rate of drawn actions after training; None if unknown.
        returns: Return of the likeliest actions after training.
        wall_time_s: Mean seconds of a training.
    """

    arm: Arm
    seeds: int
    failures: int | None
    steps_to_90: Estimate | None
    success: Estimate | None
    returns: Estimate
    wall_time_s: float


def arm_results(runs: Sequence[SweepRun]) -> list[ArmResult]:
    """Return a row for every arm that has a finished run, in the sweep's order.

    Raises:
        RunError: The summary of a run cannot be read.
    """
    groups: dict[str, list[SweepRun]] = {}
    for run in runs:
        groups.setdefault(run.arm.name, [])
        if run.folder.is_finished():
            groups[run.arm.name].append(run)
    return [_arm_result(group) for group in groups.values() if group]


def _arm_result(runs: Sequence[SweepRun]) -> ArmResult:
    arm = runs[0].arm
    summaries = [run.folder.summary() for run in runs]
    known = all(summary.success_means is not None for summary in summaries)
    steps = [summary.steps_to_90 for summary in summaries]
    return ArmResult(
        arm,
        len(runs),
        steps.count(None) if known else None,
        _iqm(censored(steps, arm.config.total_timesteps)) if known else None,
        _iqm([s.sampled_success_rate for s in summaries]) if known else None,
        _iqm([s.eval_return_mean for s in summaries]),
        float(np.mean([s.wall_time_s for s in summaries])),
    )


def _iqm(values: Any) -> Estimate:
    return estimate(interquartile_mean, np.asarray(values, dtype=np.float64))


def write_tables(runs: Sequence[SweepRun], out: Path) -> list[ArmResult]:
    """Write ``runs.csv`` and ``summary.csv``; returns the rows of the latter.

    Args:
        runs: All runs of the sweep, finished or not.
        out: Folder of the sweep.

    Raises:
        OSError: The files cannot be written.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.arm.values))
    results = arm_results(runs)
    finished = [run for run in runs if run.folder.is_finished()]
    _write(out / "runs.csv", [_run_row(run, names, out) for run in finished])
    _write(out / "summary.csv", [_arm_row(result, names) for result in results])
    return results


def _run_row(run: SweepRun, names: Sequence[str], out: Path) -> dict[str, Any]:
    summary = asdict(run.folder.summary())
    return {
        "arm": run.arm.name,
        **_settings(run.arm, names),
        **{name: summary[name] for name in RUN_COLUMNS},
        "run_dir": run.folder.path.relative_to(out).as_posix(),
    }


def _arm_row(result: ArmResult, names: Sequence[str]) -> dict[str, Any]:
    config = result.arm.config
    row = {
        "arm": result.arm.name,
        **_settings(result.arm, names),
        "env_id": config.env_id,
        "algo": config.algo,
        "budget": config.total_timesteps,
        "seeds": result.seeds,
        "never_90": result.failures,
    }
    for name in ("steps_to_90", "success", "returns"):
        found = getattr(result, name) or Estimate(np.nan, np.nan, np.nan)
        for suffix in ("value", "low", "high"):
            value = getattr(found, suffix)
            row[f"{name}_{suffix}"] = None if np.isnan(value) else round(value, 4)
    return {**row, "wall_time_s": round(result.wall_time_s, 2)}


def _settings(arm: Arm, names: Sequence[str]) -> dict[str, Any]:
    """Return the settings by which arms differ, as this one has them."""
    config = arm.config.resolved()
    values: dict[str, Any] = {}
    for name in names:
        found: Any = config
        for part in name.split("."):
            home = config.teaching if hasattr(config.teaching, part) else found
            found = getattr(home, part)
        values[name] = found
    return values


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    replace_file(path, text.getvalue().encode())


def table(results: Sequence[ArmResult]) -> str:
    """Return the rows as they are printed: interquartile means, 95 % intervals."""
    columns: dict[str, Callable[[ArmResult], str]] = {
        "arm": lambda r: r.arm.name,
        "seeds": lambda r: str(r.seeds),
        "never 90 %": lambda r: "n/a" if r.failures is None else str(r.failures),
        "env steps to 90 %": _steps_words,
        "success": lambda r: _interval(r.success, rate),
        "return": lambda r: _interval(r.returns, lambda v: f"{v:.4g}"),
        "s a run": lambda r: f"{r.wall_time_s:.0f}",
    }
    cells = [list(columns), *([of(r) for of in columns.values()] for r in results)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def _steps_words(result: ArmResult) -> str:
    steps, budget = result.steps_to_90, result.arm.config.total_timesteps
    if steps is not None and steps.value >= budget:
        return f">= {budget:,}"
    return _interval(steps, lambda value: f"{value:,.0f}")


def _interval(value: Estimate | None, words: Callable[[float], str]) -> str:
    if value is None:
        return "n/a"
    if np.isnan(value.low):
        return words(value.value)
    return f"{words(value.value)} [{words(value.low)}, {words(value.high)}]"
