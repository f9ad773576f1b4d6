"""What an env of a benchmark is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

STOP_AFTER = 500
"""A run stops once the target rate has held for so many further episodes; its success
curve then goes on at its last value. None: every run uses up its budget. After 100
episodes the likeliest actions often still run in a circle, in every arm."""


@dataclass(frozen=True)
class Rung:
    """One env, and how long an agent may learn in it."""

    env_id: str
    """Gymnasium id; `module:id` imports the module first."""

    budget: dict[str, int]
    """Env steps, over all envs, by algorithm."""

    max_episode_steps: int
    """Steps until an episode is truncated."""

    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the env."""

    maze: bool = True
    """Whether it is one of ours, of which shortest paths are known."""

    target: float = 0.9
    """Share of the latest 100 training episodes that have to succeed."""

    stop_after: int | None = STOP_AFTER
    """Further episodes after which a run stops, once the target rate has held."""

    threshold: float | None = None
    """Return that counts as success; None: as the env says."""

    delayed: bool = False
    """Whether an episode's reward is paid with its last step."""

    best_return: float = 10.0
    """Of an episode; what rivals add is measured in it, as if they knew."""

    agent: dict[str, Any] | None = None
    """Settings of PPO and A2C that are others here, in every arm."""

    continuous: bool = False
    """Whether actions are real numbers."""

    def stated(self, algo: str) -> dict[str, Any]:
        """Return what defines a run in it, for its file; what is usual is left out."""
        values = asdict(self)
        values["budget"] = self.budget[algo]
        # Those stand by themselves, or in the env's id.
        del values["stop_after"], values["agent"], values["continuous"]
        for later in ("threshold", "delayed", "best_return"):
            if values[later] == _DEFAULTS[later]:
                del values[later]
        return values


_DEFAULTS = {one.name: one.default for one in fields(Rung)}
