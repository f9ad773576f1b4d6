"""What an inspection of a learned reward shows, in words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from oprl_gym.runs.inspection import Inspection
from oprl_gym.runs.ranks import rank_correlation
from oprl_gym.types import FloatArray

Verdict = Literal["right", "unclear", "wrong", "spent"]

LATEST = 5
"""Logged values that "now" is the mean of."""

CHANCE, SURE = 0.55, 0.7
"""Accuracies up to which a model knows nothing, and from which it knows a lot."""

UNRELATED, RELATED = 0.2, 0.5
"""Rank correlations up to which nothing goes together, and from which it does."""

SATURATED, FLAT = 0.3, 0.01
"""Shares: of the steps at an end of the scale, and of the scale that scores use."""

NOTHING_TO_LEARN = (
    "train longer, so that more episodes end and are compared, or lower "
    "--learner.min-preferences; equal episodes get no answer, so where none is ever "
    "better there is nothing to learn"
)
LABEL_MORE = "give more answers while it trains: oprl-gym label DIR"
NONE_FORETOLD = (
    "that is so where all answers were there from the start; look at the two below, or "
    "label a few more pairs"
)
FORETOLD = "the reward model orders episodes that it was not fitted to"
HAIRS = (
    "it foretold more before; the latest training episodes were all paid alike, and "
    "which of those is better is a matter of hairs"
)
FORGOTTEN = (
    "it foretold more before: if the agent got worse as well, lower "
    "--learner.learning-rate or raise --learner.trajectory-capacity"
)
FEW_ANSWERS = (
    "a handful of answers foretells little: give more, about longer clips, until this "
    "rises"
)
NOT_FORETOLD = (
    "train longer; if it stays, observations do not show what makes an episode better "
    "(stack frames, or add what is missing), or the model is too small "
    "(--learner.hidden-size) or fitted too little (--learner.gradient-steps)"
)
RIGHT_ORDER = "what the env pays more, the learned reward pays more"
UNLIKE_PEOPLE = (
    "people need not want what the env pays: look in the figure whether the best "
    "episode is one that they would prefer"
)
SPENT = (
    "the latest training episodes were all paid alike, so nothing has told the "
    "difference for a while: no harm to this agent, but begin no other one with this "
    "reward; take that of a shorter run"
)
OPPOSITE = (
    "it draws away from what the env pays: see in the figure what it pays for; raise "
    "--learner.return-worth, so that novelty counts less, or lower --scale"
)
UNRELATED_YET = (
    "novelty counts beside the return: usual as long as few episodes are paid; later "
    "raise --learner.return-worth, or train longer"
)
SAME_SCORES = "every episode scores the same: look at the accuracy, and at the scores"
NEVER_PAID = (
    "the env paid each the same, and as long as that is so novelty alone is taught: "
    "train longer, until one is paid more"
)
SATURATED_REMEDY = (
    "saturated: many steps are paid alike, and little more can be learned; lower "
    "--learner.learning-rate, or raise --learner.temperature (a rule) or "
    "--learner.label-smoothing (people)"
)
FLAT_REMEDY = (
    "flat: nearly nothing is paid; usual where all episodes have become alike, else "
    "train longer or raise --learner.gradient-steps"
)
LOOK = (
    "look in the figure whether the best episode earns where it should, and the worst "
    "does not"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is, in a word.
        verdict: Whether it looks right; "spent" where it was of use, and no longer is.
        says: What there is to see, with its numbers.
        remedy: What it means, or what to do.
        numbers: By name, for a program to read.
    """

    name: str
    verdict: Verdict
    says: str
    remedy: str
    numbers: dict[str, Any]


def findings(inspection: Inspection) -> list[Finding]:
    """Return what there is to say of a learned reward, in three findings or one."""
    if not inspection.fitted:
        return [_unfitted(inspection)]
    return [_accuracy(inspection), _returns(inspection), _steps(inspection)]


def _unfitted(inspection: Inspection) -> Finding:
    least = inspection.config.learner.min_preferences
    says = (
        f"the reward model was never fitted: there are {inspection.answers} answers, "
        f"and it waits for {least}; every score is 0"
    )
    by_people = inspection.config.teaching.by_people
    remedy = LABEL_MORE if by_people else NOTHING_TO_LEARN
    return Finding("fit", "wrong", says, remedy, {"answers": inspection.answers})


def _accuracy(inspection: Inspection) -> Finding:
    values = inspection.accuracy[1]
    if not len(values):
        says = "no answer came after the first fit, so none could be foretold"
        unknown = {"accuracy": None, "best_accuracy": None}
        return Finding("accuracy", "unclear", says, NONE_FORETOLD, unknown)
    now, best = float(np.mean(values[-LATEST:])), float(values.max())
    says = f"{now:.0%} of the latest new answers foretold (best {best:.0%}, chance 50%)"
    numbers = {"accuracy": now, "best_accuracy": best}
    if now >= SURE:
        return Finding("accuracy", "right", says, FORETOLD, numbers)
    if best >= SURE:
        if inspection.alike:
            return Finding("accuracy", "spent", says, HAIRS, numbers)
        return Finding("accuracy", "unclear", says, FORGOTTEN, numbers)
    verdict: Verdict = "wrong" if best < CHANCE else "unclear"
    by_people = inspection.config.teaching.by_people
    remedy = FEW_ANSWERS if by_people else NOT_FORETOLD
    return Finding("accuracy", verdict, says, remedy, numbers)


def _returns(inspection: Inspection) -> Finding:
    env, learned = inspection.returns
    rho = rank_correlation(env, learned)
    in_training = rank_correlation(*inspection.training[1:])
    numbers = {
        "rank_correlation": rho,
        "in_training": in_training,
        "episodes": len(env),
    }
    if rho is None:
        says = f"{len(env)} episodes played now are all alike: nothing to compare"
        return Finding("returns", "unclear", says, _all_alike(env), numbers)
    says = f"rank correlation {rho:.2f} of learned and env return, {len(env)} episodes"
    if in_training is not None:
        says += f" played now ({in_training:.2f} in training)"
    return Finding("returns", *_of_correlation(inspection, rho, says), numbers)


def _of_correlation(
    inspection: Inspection, rho: float, says: str
) -> tuple[Verdict, str, str]:
    if rho >= RELATED:
        return "right", says, RIGHT_ORDER
    if inspection.config.teaching.by_people:
        return "unclear", says, UNLIKE_PEOPLE
    if inspection.alike:
        return "spent", says, SPENT
    if rho < -UNRELATED:
        return "wrong", says, OPPOSITE
    return "unclear", says, UNRELATED_YET


def _all_alike(env_returns: FloatArray) -> str:
    return SAME_SCORES if np.ptp(env_returns) else NEVER_PAID


def _steps(inspection: Inspection) -> Finding:
    ends, size = inspection.at_an_end, inspection.size
    says = (
        f"a step's score is {size:.0%} of the largest there can be, in root mean "
        f"square; {ends:.0%} of the steps are at an end of the scale"
    )
    numbers = {"size": size, "at_an_end": ends}
    if ends > SATURATED:
        return Finding("steps", "wrong", says, SATURATED_REMEDY, numbers)
    if size < FLAT:
        return Finding("steps", "unclear", says, FLAT_REMEDY, numbers)
    return Finding("steps", "right", says, LOOK, numbers)
