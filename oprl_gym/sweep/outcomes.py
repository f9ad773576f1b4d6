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
from oprl_gym.runs.folder import Summary
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
        learning: Mean return of an env step's episode over all of the training; None
            where success tells how fast it learned.
        wall_time_s: Mean seconds of a training.
    """

    arm: Arm
    seeds: int
    failures: int | None
    steps_to_90: Estimate | None
    success: Estimate | None
    returns: Estimate
    learning: Estimate | None
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
    summaries = {
        name: [run.folder.summary() for run in group] for name, group in groups.items()
    }
    known = _tells_success([one for some in summaries.values() for one in some])
    return [
        _arm_result(group, summaries[name], known)
        for name, group in groups.items()
        if group
    ]


def _tells_success(summaries: Sequence[Summary]) -> bool:
    """Whether every run says what success is, and it ever came to that in one."""
    return all(summary.success_means is not None for summary in summaries) and any(
        summary.first_success_step is not None for summary in summaries
    )


def _arm_result(
    runs: Sequence[SweepRun], summaries: Sequence[Summary], known: bool
) -> ArmResult:
    arm = runs[0].arm
    steps = [summary.steps_to_90 for summary in summaries]
    return ArmResult(
        arm,
        len(runs),
        steps.count(None) if known else None,
        _iqm(censored(steps, arm.config.total_timesteps)) if known else None,
        _iqm([s.sampled_success_rate for s in summaries]) if known else None,
        _iqm([s.eval_return_mean for s in summaries]),
        None if known else _learning(runs),
        float(np.mean([s.wall_time_s for s in summaries])),
    )


def _learning(runs: Sequence[SweepRun]) -> Estimate | None:
    logs = [run.folder.episodes() for run in runs]
    if not all(map(len, logs)):
        return None
    return _iqm([log.step_mean(log.env_returns) for log in logs])


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
    for name in ("steps_to_90", "success", "returns", "learning"):
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
    known = all(result.steps_to_90 is not None for result in results)
    columns: dict[str, Callable[[ArmResult], str]] = {
        "arm": lambda r: r.arm.name,
        "seeds": lambda r: str(r.seeds),
        **(_OF_SUCCESS if known else _OF_RETURNS),
        "return": lambda r: _interval(r.returns, _short),
        "s a run": lambda r: f"{r.wall_time_s:.0f}",
    }
    rows = [list(columns), *([of(r) for of in columns.values()] for r in results)]
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Return rows of cells as lines, columns below each other.

    Args:
        rows: As many cells each.
        left: Columns of words; numbers end at the right.

    Example:
        >>> print(aligned([["arm", "seeds"], ["plain", "3"]]))
        arm    seeds
        plain      3
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if number in left else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _steps_words(result: ArmResult) -> str:
    steps, budget = result.steps_to_90, result.arm.config.total_timesteps
    if steps is not None and steps.value >= budget:
        return f">= {budget:,}"
    return _interval(steps, lambda value: f"{value:,.0f}")


def _short(value: float) -> str:
    return f"{value:.4g}"


def _interval(value: Estimate | None, words: Callable[[float], str]) -> str:
    if value is None:
        return "n/a"
    if np.isnan(value.low):
        return words(value.value)
    return f"{words(value.value)} [{words(value.low)}, {words(value.high)}]"


_OF_SUCCESS: dict[str, Callable[[ArmResult], str]] = {
    "never 90 %": lambda r: str(r.failures),
    "env steps to 90 %": _steps_words,
    "success": lambda r: _interval(r.success, rate),
}
_OF_RETURNS: dict[str, Callable[[ArmResult], str]] = {
    "return in training": lambda r: _interval(r.learning, _short),
}
