"""The answer of a comparison as it is printed, and as a script reads it."""

from __future__ import annotations

import json
import math
from typing import Any

from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.measures import Estimate
from oprl_gym.runs.report import rate
from oprl_gym.sweep.compare.answer import Comparison
from oprl_gym.sweep.compare.arms import OPRL, PLAIN, Entry
from oprl_gym.sweep.compare.scores import ArmScores
from oprl_gym.sweep.compare.verdict import FEWER, FEWEST_SEEDS, MOST_SEEDS, Verdict
from oprl_gym.sweep.outcomes import aligned

LATE = (
    "The env pays only with the end of each episode. OPRL leaves that out beside its "
    "learned reward; to keep it is tried as well."
)


def headline(found: Comparison, env_id: str) -> str:
    """Return the answer in one line, as the figure's title has it."""
    told = found.oprl
    if told is None:
        return f"{env_id}: cannot tell yet"
    if told.answer == "cannot tell yet":
        return f"{env_id}: cannot tell yet whether OPRL helps"
    return f"{env_id}: OPRL {told.answer}"


def sentences(found: Comparison) -> list[str]:
    """Return the grounds of the answer, a sentence or two a line."""
    told = found.oprl
    if told is None:
        return [_nothing(found)]
    lines = [_steps(told), _sureness(found, told)]
    lines.append(_rivals(found))
    times = found.times_as_long()
    if times is not None:
        lines.append(
            f"For as many env steps a training with OPRL takes {times:.2g} times as "
            "long as plain."
        )
    return [line for line in lines if line]


def to_write(found: Comparison) -> list[str]:
    """Return what to write in a script of one's own."""
    if found.use is None:
        return []
    return list(found.use.lines) or ["nothing: leave the env as it is"]


def table(found: Comparison) -> str:
    """Return a row for each arm."""
    what = "success" if found.scores.by_success else "return"
    columns = [
        "arm",
        "seeds",
        f"{what} in training",
        "in the end",
        "env steps to learn",
    ]
    rows = [[*columns, "beside plain", "", "s a run"]]
    for arm in found.scores.arms:
        told = found.beside_plain.get(arm.name)
        rows.append(
            [
                arm.name,
                str(len(arm.steps)),
                _value(found, float(arm.training.mean())),
                _value(found, float(arm.end.mean())),
                f"{arm.steps.mean():,.0f}",
                "" if told is None else _times(told.ratio),
                "" if told is None else told.answer,
                f"{arm.seconds.mean():.0f}",
            ]
        )
    return aligned(rows, left=(0, 6))


def as_json(found: Comparison, config: TrainConfig, late: bool) -> bytes:
    """Return the answer for scripts."""
    told = found.oprl
    content = {
        "env_id": config.env_id,
        "algo": config.algo,
        "env_steps": found.scores.budget,
        "compared_by": "success" if found.scores.by_success else "return",
        "pays_late": late,
        "answer": "cannot tell yet" if told is None else told.answer,
        "more_seeds": None if told is None else told.more_seeds,
        "use": None if found.use is None else found.use.name,
        "write": to_write(found),
        "times_as_long": found.times_as_long(),
        "arms": [_arm(found, arm) for arm in found.scores.arms],
    }
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _arm(found: Comparison, arm: ArmScores) -> dict[str, Any]:
    told = found.beside_plain.get(arm.name)
    beside = None
    if told is not None:
        ratio = {name: _number(value) for name, value in vars(told.ratio).items()}
        beside = {"answer": told.answer, "better": told.better, "ratio": ratio}
    return {
        "name": arm.name,
        "training": arm.training.tolist(),
        "end": arm.end.tolist(),
        "steps": arm.steps.tolist(),
        "seconds": arm.seconds.tolist(),
        "beside_plain": beside,
    }


def _nothing(found: Comparison) -> str:
    names = {arm.name for arm in found.scores.arms}
    if not {PLAIN.name, OPRL.name} <= names:
        return (
            "There has to be a finished run of plain and of OPRL in which an episode "
            "ended: give more --total-timesteps."
        )
    return (
        f"No run has learned much within {found.scores.budget:,} env steps, of which "
        "more seeds tell nothing. Give more --total-timesteps, or an easier version of "
        "the env."
    )


def _steps(told: Verdict) -> str:
    words = f"It needs {told.ratio.value:.2f} times plain's env steps to learn"
    if math.isnan(told.ratio.low):
        return f"{words}."
    return f"{words} (90 % sure: {told.ratio.low:.2f} to {told.ratio.high:.2f})."


def _sureness(found: Comparison, told: Verdict) -> str:
    counts = [len(arm.steps) for arm in found.scores.arms]
    seeds = f"{min(counts)} seeds" if min(counts) > 1 else "one seed"
    if told.answer == "does not help":
        return f"Saving a fifth of them is out of the question, by {seeds} of each."
    if told.answer in ("helps", "hurts"):
        share = told.better if told.answer == "helps" else 1 - told.better
        pairs = "all" if share == 1 else f"{share:.0%}"
        side = "fewer" if told.answer == "helps" else "more"
        return f"It needed {side} in {pairs} of the pairs of seeds ({seeds} of each)."
    if min(counts) < FEWEST_SEEDS:
        return (
            f"{seeds.capitalize()} of each may be luck: at least {FEWEST_SEEDS} tell."
        )
    if told.more_seeds is None:
        return (
            f"By {seeds} of each it may be luck, and {MOST_SEEDS} would not tell if "
            "they came out like these: take it as no difference."
        )
    return (
        f"By {seeds} of each it may be luck. About {told.more_seeds} more would tell, "
        "if they come out like these."
    )


def _rivals(found: Comparison) -> str:
    told = found.oprl
    if found.as_good is not None:
        name = f"A {found.as_good.name}"
        theirs = found.beside_plain[found.as_good.name].ratio.value
        assert told is not None
        better = theirs <= FEWER * told.ratio.value
        return f"{name} does {'better' if better else 'as well'}, and is simpler."
    if found.use is None or found.use in (OPRL, PLAIN):
        return ""
    ratio = found.beside_plain[found.use.name].ratio.value
    return f"{_article(found.use)} does help: {ratio:.2f} times plain's env steps."


def _article(entry: Entry) -> str:
    return entry.name if entry.name.startswith("OPRL") else f"A {entry.name}"


def _value(found: Comparison, value: float) -> str:
    return rate(value) if found.scores.by_success else f"{value:.4g}"


def _times(ratio: Estimate) -> str:
    if math.isnan(ratio.low):
        return f"{ratio.value:.2f}x"
    return f"{ratio.value:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
