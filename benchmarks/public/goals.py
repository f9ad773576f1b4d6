"""What the shipped defaults have to reach on envs that others wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.ladder.goals import ARM, Claim, Groups, Item
from benchmarks.ladder.summary import Group
from benchmarks.public.rungs import EASY, PUBLIC

SEEDS = 10
BONUSES = ("count", "rnd", "noveld")
DECOMPOSED = ("ircr", "rrd")
Verdict = tuple[str, bool | None]
"""A figure, and whether the claim holds; None where it says nothing of that."""

DEEP_SEA = {10: 15_000, 14: 25_000, 20: 40_000, 30: 200_000}


def check(groups: Groups) -> list[Claim]:
    """Return every claim with its figures."""
    return [
        *(
            _within(groups, f"DeepSea-{size}", steps, ("ppo", "a2c"))
            for size, steps in DEEP_SEA.items()
        ),
        _against(groups, "DoorKey-6x6", "plain", 0.55),
        _ahead(groups, "DoorKey-6x6"),
        _against(groups, "KeyCorridorS3R1", "plain", 0.7),
        _ahead(groups, "KeyCorridorS3R1"),
        _within(groups, "DoorKey-8x8", 120_000),
        _ahead(groups, "DoorKey-8x8"),
        _within(groups, "MultiRoom-N4-S5", 600_000),
        _within(groups, "MultiRoom-N6-S5", 600_000),
        _against(groups, "MultiRoom-N2-S4", "plain", 0.6),
        _against(groups, "FourRooms", "plain", 1.0),
        _against(groups, "MountainCar", "velocity", 1.5),
        _against(groups, "MountainCarContinuous", "velocity", 1.5),
        _within(groups, "CartPole-late", 100_000),
        _against(groups, "CartPole-late", "dense", 1.0),
        *(
            _ahead(groups, rung, (rival,))
            for rung in ("CartPole-late", "Acrobot-late", "InvertedPendulum-late")
            for rival in DECOMPOSED
        ),
        _return_share(groups, "InvertedPendulum-late", "dense", 0.9),
        _return_share(groups, "Acrobot-late", "dense", 0.95),
        _return_share(groups, "Hopper-late", "dense", 0.5),
        *(_return_share(groups, "Hopper-late", rival, 1.0) for rival in DECOMPOSED),
        _success(groups, "FrozenLake8x8-slippery", 0.85),
        *(_harmless(groups, rung) for rung in EASY),
    ]


def _claim(
    groups: Groups,
    words: str,
    keys: Sequence[tuple[str, str]],
    judge: Callable[[Group, str, str], Verdict | None],
) -> Claim:
    """Return a claim about OPRL on (algorithm, rung) pairs."""
    items = []
    for algo, rung in keys:
        group = groups.get((algo, rung, ARM))
        verdict = None if group is None else judge(group, algo, rung)
        if group is None or verdict is None:
            items.append(Item(f"{algo} {rung}", "?", None))
        else:
            items.append(Item(f"{algo} {rung}", *verdict, group.seeds))
    return Claim(" ".join({rung for _, rung in keys}), words, tuple(items), SEEDS)


def _within(
    groups: Groups, rung: str, steps: int, algos: Sequence[str] = ("ppo",)
) -> Claim:
    def judge(group: Group, algo: str, rung: str) -> tuple[str, bool]:
        done = sum(each <= steps for each in group.reached)
        return f"{done}/{group.seeds}", done >= 0.9 * group.seeds

    target = f"{PUBLIC[rung].target:.0%}"
    words = f"{target} within {steps:,} steps in 9 of 10 seeds"
    return _claim(groups, words, [(algo, rung) for algo in algos], judge)


def _against(groups: Groups, rung: str, other: str, bound: float) -> Claim:
    def judge(group: Group, algo: str, rung: str) -> Verdict | None:
        theirs = groups.get((algo, rung, other))
        if theirs is None:
            return None
        if min(group.steps.value, theirs.steps.value) >= group.budget:
            return "neither gets there", None
        ratio = group.steps.value / theirs.steps.value
        return f"{ratio:.2f}", ratio <= bound

    words = f"at most {bound:g} x the steps of {other}"
    return _claim(groups, words, [("ppo", rung)], judge)


def _ahead(groups: Groups, rung: str, rivals: Sequence[str] = BONUSES) -> Claim:
    def judge(group: Group, algo: str, rung: str) -> tuple[str, bool] | None:
        theirs = [groups.get((algo, rung, rival)) for rival in rivals]
        known = [one.steps.value for one in theirs if one is not None]
        if not known:
            return None
        return f"{group.steps.value / min(known):.2f}", group.steps.value < min(known)

    words = f"fewer steps than {', '.join(rivals)}"
    return _claim(groups, words, [("ppo", rung)], judge)


def _return_share(groups: Groups, rung: str, other: str, bound: float) -> Claim:
    """Returns below 0 are costs: there the other's is to be that share of ours."""

    def judge(group: Group, algo: str, rung: str) -> tuple[str, bool] | None:
        theirs = groups.get((algo, rung, other))
        if theirs is None or group.final is None or theirs.final is None:
            return None
        ours, limit = group.final.value, theirs.final.value
        share = ours / limit if limit > 0 else limit / ours
        return f"{share:.2f}", share >= bound

    words = f"at least {bound:g} of the return of {other} in the end"
    return _claim(groups, words, [("ppo", rung)], judge)


def _success(groups: Groups, rung: str, bound: float) -> Claim:
    def judge(group: Group, algo: str, rung: str) -> tuple[str, bool]:
        return f"{group.last:.2f}", group.last >= bound

    words = f"{bound:.0%} of the last 100 episodes succeed"
    return _claim(groups, words, [("ppo", rung)], judge)


def _harmless(groups: Groups, rung: str) -> Claim:
    if PUBLIC[rung].stop_after is None:
        return _return_share(groups, rung, "plain", 0.97)
    return _against(groups, rung, "plain", 1.05)
