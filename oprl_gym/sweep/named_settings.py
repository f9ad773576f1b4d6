"""Settings by name, as a sweep's YAML gives them: checked, and made a config of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from oprl_gym.config import LONGEST, OPRLConfig, shown
from oprl_gym.runs.config import TrainConfig, config_from_dict
from oprl_gym.runs.teaching_config import TeachingConfig

Values = dict[str, Any]

_LEARNER = [f"learner.{field.name}" for field in fields(OPRLConfig)]
_TEACHING = [field.name for field in fields(TeachingConfig)]
_RUN = [
    field.name
    for field in fields(TrainConfig)
    if field.name not in ("seed", "learner", "teaching")
]
NAMES = (*_RUN, *_TEACHING, *_LEARNER)
"""Every setting of a run: the long options of ``oprl-gym train``, with underscores."""


def flat(values: Any, where: str) -> Values:
    """Return settings by dotted name.

    Args:
        values: By name; those of the learner may be nested under ``learner``.
        where: What to call the place in messages.

    Raises:
        ValueError: A name is unknown; the message names the nearest.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where} must hold settings, KEY: VALUE; got {shown(values)}")
    values = dict(values)
    nested = values.pop("learner", {})
    if not isinstance(nested, dict):
        raise ValueError(f"{where}.learner must hold KEY: VALUE, got {shown(nested)}")
    for name, value in nested.items():
        if f"learner.{name}" in values:
            raise ValueError(f"{where}.learner.{name!s:.{LONGEST}} is set twice")
        values[f"learner.{name}"] = value
    for name in values:
        if name == "seed":
            raise ValueError(f"{where}.seed: seeds go to the top, such as seeds: 5")
        check_name(name, NAMES, f"{where}.")
    return values


def check_name(name: Any, known: Iterable[str], prefix: str) -> None:
    """Do nothing if ``name`` is a known one.

    Raises:
        ValueError: It is not; the message names the nearest.
    """
    known = list(known)
    if name in known:
        return
    begun = [one for one in known if name and one.startswith(str(name))]
    near = begun or difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise ValueError(f"unknown key {prefix}{name!s:.{LONGEST}}; {hint}")


def build_config(values: Values) -> TrainConfig:
    """Return the config with these settings, the defaults for all others.

    Raises:
        ValueError: A value is of the wrong kind or out of range.
    """
    nested: dict[str, Any] = {"learner": {}, "teaching": {}}
    for name, value in values.items():
        if name in _TEACHING:
            nested["teaching"][name] = value
        elif name.startswith("learner."):
            nested["learner"][name.removeprefix("learner.")] = value
        else:
            nested[name] = value
    if nested["teaching"].get("teacher") == "human":
        raise ValueError("teacher: human: nobody answers for a sweep; let a rule teach")
    store = nested["teaching"].get("preferences")
    if isinstance(store, str):
        # Runs are begun in other processes, perhaps on other machines.
        nested["teaching"]["preferences"] = _absolute(store)
    return config_from_dict(nested)


def _absolute(store: str) -> str:
    try:
        return str(Path(store).expanduser().resolve())
    except (OSError, ValueError, RuntimeError) as error:  # no such user, a NUL, a loop
        raise ValueError(f"preferences {shown(store)} is no path: {error}") from error
