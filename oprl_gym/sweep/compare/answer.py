"""What a comparison answers: how each arm does beside plain, and which to take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oprl_gym.runs.measures import ratio
from oprl_gym.sweep.compare.arms import BESIDE, OPRL, PLAIN, RIVALS, Entry
from oprl_gym.sweep.compare.scores import Scores
from oprl_gym.sweep.compare.verdict import FEWER, Verdict, verdict


@dataclass(frozen=True)
class Comparison:
    """The answer.

    Attributes:
        scores: What the runs came to.
        beside_plain: For each other arm, what is to be said of it beside plain; empty
            where no run has learned anything, of which seeds tell nothing.
        use: What to take; None while OPRL cannot be told, or there is nothing to tell.
        as_good: The rival that does as well as OPRL does and is simpler, if there is.
    """

    scores: Scores
    beside_plain: dict[str, Verdict]
    use: Entry | None
    as_good: Entry | None

    @property
    def oprl(self) -> Verdict | None:
        """What is to be said of OPRL; None without runs of both."""
        return self.beside_plain.get(OPRL.name)

    def times_as_long(self) -> float | None:
        """Return how many times as long a training takes with OPRL as without."""
        ours, plain = self.scores.arm(OPRL.name), self.scores.arm(PLAIN.name)
        if ours is None or plain is None or not plain.seconds.all():
            return None
        return float(np.median(ours.seconds) / np.median(plain.seconds))


def answer(scores: Scores) -> Comparison:
    """Return what scores say."""
    plain = scores.arm(PLAIN.name)
    if plain is None or not scores.learned:
        return Comparison(scores, {}, None, None)
    beside = {
        arm.name: verdict(arm.steps, plain.steps)
        for arm in scores.arms
        if arm is not plain
    }
    as_good = _as_good(scores, beside)
    return Comparison(scores, beside, as_good or _to_use(beside), as_good)


def _to_use(beside: dict[str, Verdict]) -> Entry | None:
    """Return OPRL if it helps, else what does, else plain; None if OPRL may help."""
    for entry in (OPRL, BESIDE, *RIVALS):
        if _helps(entry, beside):
            return entry
    told = beside.get(OPRL.name)
    return None if told is None or told.answer == "cannot tell yet" else PLAIN


def _as_good(scores: Scores, beside: dict[str, Verdict]) -> Entry | None:
    """Return the best rival that helps and loses less than a fifth to OPRL."""
    ours = scores.arm(OPRL.name)
    if ours is None or not _helps(OPRL, beside):
        return None
    steps = {
        rival: theirs.steps
        for rival in RIVALS
        if _helps(rival, beside) and (theirs := scores.arm(rival.name))
    }
    near = {
        rival: float(ratio(ours.steps, theirs).value)
        for rival, theirs in steps.items()
        if ratio(ours.steps, theirs).value > FEWER
    }
    return max(near, key=lambda rival: near[rival], default=None)


def _helps(entry: Entry, beside: dict[str, Verdict]) -> bool:
    return entry.name in beside and beside[entry.name].answer == "helps"
