"""The five goals that one default config has to reach, checked against the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.ladder.settings import HARMLESS, LADDER, SIXTY_STEP_RUNGS
from benchmarks.ladder.summary import Group, Key

SEEDS = 20
ARM = "oprl"
ALGOS = ("ppo", "a2c")
RIVALS = ("plain", "tutorial", "count", "rnd")
HARD = ("TwoWalls", "TwoWallsLong", "ThreeWalls", "Serpentine")
LARGE = ("16x16", "24x24")
Groups = Mapping[Key, Group]


@dataclass(frozen=True)
class Item:
    """One figure of a claim; `holds` is None where runs say nothing, or are missing."""

    label: str
    figure: str
    holds: bool | None
    seeds: int = 0


@dataclass(frozen=True)
class Claim:
    """A part of a goal, true if all its items are."""

    goal: str
    words: str
    items: tuple[Item, ...]
    wanted: int = SEEDS

    @property
    def state(self) -> str:
        """Return "pass", "fail", "undecided" or "not yet run", in words."""
        judged = [item for item in self.items if item.holds is not None]
        failed = not all(item.holds for item in judged)
        if not failed and (not judged or len(judged) < len(self.items)):
            run = self.items and all(item.seeds for item in self.items)
            return "undecided" if run else "not yet run"
        seeds = min(item.seeds for item in judged)
        word = "**fail**" if failed else "pass"
        return word if seeds >= self.wanted else f"{word} so far ({seeds} seeds)"

    @property
    def figures(self) -> str:
        """Return the figures, the ones that speak against the claim first."""
        parts = []
        for words, holds in (("fails", False), ("holds", True), ("undecided", None)):
            found = [i for i in self.items if i.holds is holds and i.seeds]
            if found:
                shown = ", ".join(f"{i.label} {i.figure}" for i in found)
                parts.append(f"{words}: {shown}")
        missing = sum(not item.seeds for item in self.items)
        if missing:
            parts.append(f"{missing} not yet run")
        return "; ".join(parts)


def check(groups: Groups) -> list[Claim]:
    """Return every claim with its figures."""
    return [
        Claim(
            "1 reliable",
            "PPO: no failing seed on any 60-step rung in 60,000 steps",
            _failures(groups, "ppo", SIXTY_STEP_RUNGS),
        ),
        Claim(
            "1 reliable",
            "A2C: no failing seed on any 60-step rung in 100,000 steps",
            _failures(groups, "a2c", SIXTY_STEP_RUNGS),
        ),
        Claim(
            "1 reliable",
            "16x16: no failing seed in 100,000 steps with either",
            tuple(item for a in ALGOS for item in _failures(groups, a, ["16x16"])),
        ),
        Claim(
            "2 near the limit",
            "PPO: at most 1.15 x the oracle's steps on every rung the oracle solves",
            _ratios(groups, "ppo", _solved_by_oracle(groups), "oracle", 1.15),
        ),
        Claim(
            "2 near the limit",
            "A2C: at most 1.3 x the oracle's steps on OPRLMaze-v0",
            _ratios(groups, "a2c", ["OPRLMaze-v0"], "oracle", 1.3),
        ),
        *(
            Claim("3 ahead", f"fewer steps than {rival}", _ahead(groups, rival))
            for rival in RIVALS
        ),
        Claim(
            "3 ahead",
            "PPO on OPRLMaze-v0: probability of improvement over plain > 0.5",
            _improvements(groups, ["OPRLMaze-v0"], 0.5),
        ),
        Claim(
            "3 ahead",
            "PPO from TwoWalls to Serpentine: the same > 0.9",
            _improvements(groups, HARD, 0.9),
        ),
        Claim(
            "3 ahead",
            "PPO on 16x16 and 24x24: the same > 0.9",
            _improvements(groups, LARGE, 0.9),
        ),
        Claim(
            "3 ahead",
            "A2C on OPRLMaze-v0 and size12: at most 0.45 x plain's steps",
            _ratios(groups, "a2c", ["OPRLMaze-v0", "size12"], "plain", 0.45),
        ),
        Claim(
            "4 harmless",
            "PPO: at most 1.05 x plain's steps where nothing is to be gained",
            _ratios(groups, "ppo", HARMLESS, "plain", 1.05),
        ),
        Claim(
            "5 nothing left behind",
            "likeliest actions take a shortest path in 18 of 20 seeds, 60-step rungs",
            _shortest(groups),
        ),
    ]


def goals_table(claims: Iterable[Claim]) -> str:
    """Return the claims as a Markdown table."""
    lines = ["| goal | claim | state | figures |", "|---|---|---|---|"]
    for claim in claims:
        cells = (claim.goal, claim.words, claim.state, claim.figures)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _failures(groups: Groups, algo: str, rungs: Iterable[str]) -> tuple[Item, ...]:
    return _items(
        groups,
        [(algo, rung, ARM) for rung in rungs],
        lambda group: (f"{group.failures}/{group.seeds}", group.failures == 0),
    )


def _shortest(groups: Groups) -> tuple[Item, ...]:
    def judge(group: Group) -> tuple[str, bool]:
        found = group.greedy_shortest or 0
        return f"{found}/{group.seeds}", found >= 0.9 * group.seeds

    return _items(
        groups,
        [(algo, rung, ARM) for algo in ALGOS for rung in SIXTY_STEP_RUNGS],
        judge,
    )


def _improvements(
    groups: Groups, rungs: Iterable[str], bound: float
) -> tuple[Item, ...]:
    def judge(group: Group) -> tuple[str, bool]:
        value = math.nan if group.improvement is None else group.improvement.value
        return f"{value:.2f}", value > bound

    return _items(groups, [("ppo", rung, ARM) for rung in rungs], judge)


def _ratios(
    groups: Groups, algo: str, rungs: Iterable[str], other: str, bound: float
) -> tuple[Item, ...]:
    return _against(groups, [(algo, rung) for rung in rungs], other, bound)


def _ahead(groups: Groups, rival: str) -> tuple[Item, ...]:
    places = [
        (algo, rung)
        for algo in ALGOS
        for rung in LADDER
        if rung not in HARMLESS and (algo, rung, rival) in groups
    ]
    # Just under 1: as many steps as the rival is not ahead of it.
    return _against(groups, places, rival, math.nextafter(1.0, 0.0))


def _against(
    groups: Groups, places: Sequence[tuple[str, str]], other: str, bound: float
) -> tuple[Item, ...]:
    items = []
    for algo, rung in places:
        ours, theirs = groups.get((algo, rung, ARM)), groups.get((algo, rung, other))
        label = f"{algo} {rung}"
        if ours is None or theirs is None:
            items.append(Item(label, "?", None))
            continue
        ratio = ours.steps.value / theirs.steps.value
        seeds = min(ours.seeds, theirs.seeds)
        items.append(Item(label, f"{ratio:.2f}", ratio <= bound, seeds))
    return tuple(items)


def _solved_by_oracle(groups: Groups) -> list[str]:
    """Return the rungs on which no seed of the oracle fails with PPO."""
    return [
        rung
        for (algo, rung, arm), group in groups.items()
        if (algo, arm) == ("ppo", "oracle") and group.failures == 0
    ]


def _items(
    groups: Groups, keys: Sequence[Key], judge: Callable[[Group], tuple[str, bool]]
) -> tuple[Item, ...]:
    items = []
    for key in keys:
        label = f"{key[0]} {key[1]}"
        if key not in groups:
            items.append(Item(label, "?", None))
            continue
        figure, holds = judge(groups[key])
        items.append(Item(label, figure, holds, groups[key].seeds))
    return tuple(items)
