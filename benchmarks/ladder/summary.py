"""Runs in, one row for each group of them: an arm on a rung with an algorithm."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ladder.settings import ALGOS, ARMS, RUNGS
from oprl_gym.runs.measures import Estimate, censored, estimate, improvement
from oprl_gym.runs.measures import interquartile_mean as iqm
from oprl_gym.types import FloatArray

Key = tuple[str, str, str]  # algorithm, rung, arm
Run = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """What the runs of a group, which differ in their seed, come to.

    Attributes:
        algo: Algorithm.
        rung: Env.
        arm: What was added to the reward.
        seeds: Runs S.
        budget: Env steps a run had at most.
        failures: Runs that never reached the target rate, 90 % but for the rung's own.
        steps: Env steps to that rate; a failure counts as the budget.
        first: Env steps to the first success, likewise.
        area: Mean of the success curve over the budget, 0 to 1.
        greedy_shortest: Runs whose likeliest actions take a shortest path; None where
            no shortest path is known.
        greedy_success: Mean success rate of the likeliest actions.
        reached: (S,) env steps to that rate, of each; infinite for a failure.
        last: Mean share of successes among the last 100 episodes.
        final: Env return of the last 100 episodes; None where it was not kept.
        sampled_success: Mean success rate of drawn actions.
        sampled_length: Mean episode length of drawn actions.
        improvement: Probability that a run needs fewer steps than one of `plain`.
        cpu_seconds: Mean of a training.
        settings: Different settings among the runs: should be 1.
        commits: Commits that the runs were made at.
    """

    algo: str
    rung: str
    arm: str
    seeds: int
    budget: int
    failures: int
    steps: Estimate
    first: Estimate
    area: Estimate
    greedy_shortest: int | None
    greedy_success: float
    reached: tuple[float, ...]
    last: float
    final: Estimate | None
    sampled_success: float
    sampled_length: float
    improvement: Estimate | None
    cpu_seconds: float
    settings: int
    commits: tuple[str, ...]


def grouped(runs: Iterable[Run]) -> dict[Key, list[Run]]:
    """Return the runs of each group, in the order of `settings.py`."""
    groups: dict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run["algo"], run["rung"], run["arm"]].append(run)
    rungs, arms = list(RUNGS), list(ARMS)
    known = [key for key in groups if key[1] in rungs and key[2] in arms]
    algos = list(ALGOS)
    known.sort(key=lambda k: (rungs.index(k[1]), algos.index(k[0]), arms.index(k[2])))
    return {key: groups[key] for key in known}


def summarise(runs: Iterable[Run]) -> dict[Key, Group]:
    """Return a row for every group."""
    groups = grouped(runs)
    return {
        key: _group(key, members, groups.get((key[0], key[1], "plain")))
        for key, members in groups.items()
    }


def steps_to_target(runs: Sequence[Run]) -> FloatArray:
    """Return (S,) env steps to the target rate, failures counted as the budget."""
    return censored([run["steps_to_90"] for run in runs], budget_of(runs))


def failures(runs: Sequence[Run]) -> int:
    """Return how many runs never got to the target rate."""
    return sum(run["steps_to_90"] is None for run in runs)


def budget_of(runs: Sequence[Run]) -> int:
    """Return the env steps that a run of a group had at most."""
    return int(runs[0]["settings"]["rung"]["budget"])


def _group(key: Key, runs: Sequence[Run], plain: Sequence[Run] | None) -> Group:
    steps = steps_to_target(runs)
    first = censored([run["first_success_step"] for run in runs], budget_of(runs))
    area = np.array([np.mean(run["curve"]) / 100 for run in runs])
    returns = final_returns(runs)
    better = None
    if plain is not None and key[2] != "plain":
        better = estimate(improvement, steps, steps_to_target(plain))
    return Group(
        *key,
        seeds=len(runs),
        budget=budget_of(runs),
        failures=failures(runs),
        steps=estimate(iqm, steps),
        first=estimate(iqm, first),
        area=estimate(iqm, area),
        greedy_shortest=_shortest(runs),
        greedy_success=_mean(run["greedy"]["success"] for run in runs),
        reached=tuple(
            math.inf if run["steps_to_90"] is None else run["steps_to_90"]
            for run in runs
        ),
        last=_mean(run["curve"][-1] / 100 for run in runs),
        final=None if returns is None else estimate(iqm, returns),
        sampled_success=_mean(run["sampled"]["success"] for run in runs),
        sampled_length=_mean(run["sampled"]["length"] for run in runs),
        improvement=better,
        cpu_seconds=_mean(run["training_seconds"]["cpu"] for run in runs),
        settings=len({json.dumps(run["settings"], sort_keys=True) for run in runs}),
        commits=tuple(sorted({run["commit"] for run in runs})),
    )


def final_returns(runs: Sequence[Run]) -> FloatArray | None:
    """Return (S,) env returns of the latest 100 episodes; None if one has none kept."""
    returns = [run["returns"][-1] for run in runs if "returns" in run]
    if len(returns) < len(runs) or None in returns:
        return None
    return np.array(returns)


def _shortest(runs: Sequence[Run]) -> int | None:
    if runs[0]["shortest_path"] is None:
        return None
    return sum(
        run["greedy"]["success"] == 1.0
        and run["greedy"]["length"] == run["shortest_path"]
        for run in runs
    )


def _mean(values: Iterable[float | None]) -> float:
    return float(np.mean([np.nan if value is None else value for value in values]))
