"""The algorithms of Stable-Baselines3 that train an agent: what each uses and takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from oprl_gym.config import MOST_WEIGHTS, shown

Algorithm = Literal["ppo", "a2c", "dqn", "sac", "td3"]
Policy = Literal["MlpPolicy", "CnnPolicy", "MultiInputPolicy"]

BEYOND = "rl_zoo3 takes it from a file (docs/rl-zoo3.md)"


@dataclass(frozen=True)
class AlgorithmDefaults:
    """What an algorithm uses unless told otherwise.

    With it OPRLMaze-v0 is solved: by dqn with gamma=0.9, as its estimates are too noisy
    for the small differences that 0.99 leaves. None is left to Stable-Baselines3, or is
    a setting that the algorithm has not.
    """

    learning_rate: float
    n_steps: int | None = None
    batch_size: int | None = None
    ent_coef: float | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    """Settings that have no effect."""


ALGORITHM_DEFAULTS: dict[Algorithm, AlgorithmDefaults] = {
    "ppo": AlgorithmDefaults(3e-4, n_steps=128, batch_size=256, ent_coef=0.01),
    "a2c": AlgorithmDefaults(7e-4, n_steps=5, ent_coef=0.01, without=("batch_size",)),
    "dqn": AlgorithmDefaults(
        5e-4,
        batch_size=64,
        kwargs={
            "learning_starts": 500,
            "exploration_fraction": 0.3,
            "target_update_interval": 500,
        },
        without=("n_steps", "ent_coef"),
    ),
    "sac": AlgorithmDefaults(3e-4, batch_size=256, without=("n_steps",)),
    "td3": AlgorithmDefaults(1e-3, batch_size=256, without=("n_steps", "ent_coef")),
}
ON_POLICY = ("ppo", "a2c")

_OPTIONS = (
    *("policy", "policy_kwargs", "learning_rate", "n_steps", "batch_size", "ent_coef"),
    *("gamma", "seed", "device"),
)
_OURS = ("env", "verbose", "tensorboard_log", "monitor_wrapper", "_init_setup_model")
_CLASSES = (
    *("action_noise", "rollout_buffer_class", "rollout_buffer_kwargs"),
    *("replay_buffer_class", "replay_buffer_kwargs"),
)
_POLICY_CLASSES = ("features_extractor_class", "optimizer_class")


def check_has_effect(algo: Algorithm, **given: float | None) -> None:
    """Check that an algorithm has the settings that were given.

    Args:
        algo: The algorithm.
        given: Values by name; None was not given.

    Raises:
        ValueError: It has not.
    """
    for name, value in given.items():
        if value is not None and name in ALGORITHM_DEFAULTS[algo].without:
            raise ValueError(f"{name}={value} has no effect on {algo}; leave it out")


def check_plain(name: str, values: Mapping[str, Any]) -> None:
    """Check that arguments are values that config.json can hold.

    Raises:
        ValueError: They are not.
    """
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(
            f"{name} must hold finite numbers, text, lists and objects of them, got "
            f"{shown(values)}"
        ) from None


def check_algo_kwargs(values: Mapping[str, Any]) -> None:
    """Check the names of what an algorithm's constructor is to get besides.

    Raises:
        ValueError: One has an option of its own, or is not to be set here.
    """
    for name in values:
        if name in _OPTIONS:
            raise ValueError(
                f"algo_kwargs {name}: it is a setting of its own, --{_dashed(name)}"
            )
        if name in _CLASSES:
            raise ValueError(f"algo_kwargs {name} is no plain value; {BEYOND}")
        if name in _OURS:
            raise ValueError(f"algo_kwargs {name} is set by oprl-gym; leave it out")


def check_policy_kwargs(values: Mapping[str, Any]) -> None:
    """Check that a policy's arguments name no class, and no network beyond all memory.

    Raises:
        ValueError: They do.
    """
    for name in values:
        if name in _POLICY_CLASSES:
            raise ValueError(f"policy_kwargs {name} is no plain value; {BEYOND}")
    if sum(float(number) ** 2 for number in _integers(values)) > MOST_WEIGHTS:
        raise ValueError(
            f"policy_kwargs {shown(dict(values))} make an agent of more than "
            f"{MOST_WEIGHTS:,} weights; take less"
        )


def _integers(values: Any) -> list[int]:
    """Return all integers in nested lists and objects: widths of layers, mostly."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [number for value in values for number in _integers(value)]
    return [min(abs(values), MOST_WEIGHTS)] if isinstance(values, int) else []


def _dashed(name: str) -> str:
    return name.replace("_", "-")
