"""What is trained side by side: nothing added, the cheap rivals, the learned reward."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oprl_gym.runs.config import TrainConfig
from oprl_gym.sweep.named_settings import Values
from oprl_gym.sweep.spec import Arm


@dataclass(frozen=True, eq=False)
class Entry:
    """An arm of the comparison.

    Attributes:
        name: What it is called.
        values: The settings by which it differs from the run that was asked for.
        lines: What to write for it in a script of one's own.
    """

    name: str
    values: Values
    lines: tuple[str, ...] = ()

    def arm(self, config: TrainConfig) -> Arm:
        """Return it as one of a sweep."""
        return Arm(self.name, self.values, replace(config, **self.values))


_OPRL_LINES = (
    "from oprl_gym.callbacks import OPRLCallback",
    "from oprl_gym.wrappers import VecProcessReward",
    "venv = VecProcessReward(venv)",
    "model.learn(..., callback=OPRLCallback())",
)

PLAIN = Entry("plain", {"oprl": False})
STEP_COST = Entry(
    "cost per step",
    {"oprl": False, "bonus": "step-cost"},
    ("from oprl_gym.wrappers import VecStepCost", "venv = VecStepCost(venv)"),
)
FIRST_VISITS = Entry(
    "first-visit bonus",
    {"oprl": False, "bonus": "first-visit"},
    (
        "from oprl_gym.wrappers import VecFirstVisitBonus",
        "venv = VecFirstVisitBonus(venv)",
    ),
)
OPRL = Entry("OPRL", {}, _OPRL_LINES)
BESIDE = Entry(
    "OPRL + late reward",
    {"env_reward_weight": 1.0},
    tuple(
        line.replace("(venv)", "(venv, env_reward_weight=1)") for line in _OPRL_LINES
    ),
)
ENTRIES = (PLAIN, STEP_COST, FIRST_VISITS, OPRL, BESIDE)
"""The simplest first, which is also the order in which they are drawn."""
RIVALS = (STEP_COST, FIRST_VISITS)


def entries(left_out: bool) -> tuple[Entry, ...]:
    """Return what is tried in an env.

    Args:
        left_out: Whether OPRL leaves the env's reward out, as it comes only with the
            end of each episode; to keep it is tried as well.
    """
    return ENTRIES if left_out else ENTRIES[:-1]
