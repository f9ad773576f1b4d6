"""What a sweep consists of, read from YAML: arms, and the seeds of each."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oprl_gym.config import LONGEST, shown
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError
from oprl_gym.sweep.named_settings import Values, build_config, check_name, flat
from oprl_gym.sweep.space import draw
from oprl_gym.sweep.text import load_yaml

KEYS = ("seeds", "base", "arms", "grid", "random")
RANDOM_KEYS = ("samples", "seed", "space")
MAX_SLUG = 100
"""Bytes of a folder's name; file systems take 255."""

MOST_RUNS = 100_000
"""Of a sweep: more are a slip of the pen."""


@dataclass(frozen=True)
class Arm:
    """Settings that are run with every seed.

    Attributes:
        name: What it is called in tables and figures.
        values: The settings by which it differs from other arms, by name.
        config: All settings; the seed in it means nothing.
    """

    name: str
    values: Values
    config: TrainConfig

    @property
    def slug(self) -> str:
        """The name as a folder's."""
        slug = re.sub(r"[^\w.=-]+", "-", self.name).strip("-.")
        if len(slug.encode()) <= MAX_SLUG and slug:
            return slug
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:8]
        return f"{slug.encode()[:MAX_SLUG].decode(errors='ignore')}-{digest}"


@dataclass(frozen=True)
class Sweep:
    """Arms x seeds.

    Example:
        >>> from oprl_gym.sweep.spec import sweep_from
        >>> sweep = sweep_from({"seeds": 2, "grid": {"scale": [0.05, 0.1]}})
        >>> [arm.name for arm in sweep.arms], sweep.seeds
        (['scale=0.05', 'scale=0.1'], (0, 1))
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]


def read_sweep(path: str | Path) -> Sweep:
    """Return the sweep that a YAML file describes.

    Raises:
        RunError: It cannot be read, or something in it makes no sense; the message
            names the file and the place.
    """
    try:
        return sweep_from(load_yaml(Path(path)))
    except ValueError as error:
        raise RunError(f"{path}: {error}") from error


def sweep_from(content: Mapping[str, Any]) -> Sweep:
    """Return the sweep that nested values describe.

    Args:
        content: ``seeds`` (how many, or a list) and, each if wanted, ``base`` (settings
            of all runs), ``arms`` (settings by name), ``grid`` (lists of values) and
            ``random`` (``samples`` draws from ``space``). Every arm goes with every
            point of the grid and every sample.

    Raises:
        ValueError: Something is unknown, missing or out of range.
    """
    for name in content:
        check_name(name, KEYS, "")
    base = flat(content.get("base", {}), "base")
    seeds = _seeds(content)
    parts = [
        part for part in (_arms(content), _grid(content), _samples(content)) if part
    ]
    _check_count("the sweep", len(seeds) * math.prod(map(len, parts)))
    arms = [_arm(choice, base) for choice in itertools.product(*parts)]
    for what in (lambda arm: arm.name, lambda arm: arm.slug.lower()):
        name, count = Counter(map(what, arms)).most_common(1)[0]
        if count > 1:
            raise ValueError(f"{count} arms are called {name!r}; make them differ")
    return Sweep(tuple(arms), seeds)


_Part = tuple[str, Values]  # words for an arm's name, and settings


def _arm(parts: Sequence[_Part], base: Values) -> Arm:
    name = ", ".join(words for words, _ in parts)
    if not name.isprintable():  # it comes to stand in a terminal, in folders and tables
        raise ValueError(f"an arm is called {name!a:.{LONGEST}}; use printable letters")
    values: Values = {}
    for words, chosen in parts:
        twice = values.keys() & chosen.keys()
        if twice:
            raise ValueError(
                f"{', '.join(sorted(twice))} is set twice, the second time by "
                f"{words!r}; set it in one of arms, grid and random"
            )
        values.update(chosen)
    try:
        config = build_config({**base, **values})
    except ValueError as error:
        where = f"arm {name!r}: " if name else ""
        raise ValueError(f"{where}{error}") from error
    return Arm(name or _plain_name(config), values, config)


def _plain_name(config: TrainConfig) -> str:
    return f"{config.algo}{'' if config.oprl else ' plain'}"


def _seeds(content: Mapping[str, Any]) -> tuple[int, ...]:
    seeds: Any = content.get("seeds")
    if seeds is None:
        raise ValueError("seeds is missing: how many, or a list; such as seeds: 5")
    if _is_int(seeds) and seeds >= 1:
        _check_count(f"seeds: {shown(seeds)}", seeds)
        return tuple(range(seeds))
    if not isinstance(seeds, list) or not seeds or not all(map(_is_int, seeds)):
        raise ValueError(f"seeds must be a number >= 1, or a list; got {shown(seeds)}")
    if min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds must be different and in [0, 2**32), got {shown(seeds)}"
        )
    return tuple(seeds)


def _arms(content: Mapping[str, Any]) -> list[_Part]:
    if "arms" not in content:
        return []
    arms = _non_empty(content["arms"], "arms", "NAME: {KEY: VALUE}")
    return [
        (str(name), flat({} if values is None else values, f"arms.{name}"))
        for name, values in arms.items()
    ]


def _grid(content: Mapping[str, Any]) -> list[_Part]:
    if "grid" not in content:
        return []
    grid = flat(_non_empty(content["grid"], "grid", "KEY: [VALUE, ...]"), "grid")
    for name, choices in grid.items():
        if not isinstance(choices, list):
            raise ValueError(
                f"grid.{name} must be a list of values, got {shown(choices)}"
            )
        if not choices:
            raise ValueError(f"grid.{name} is empty; list the values to try")
    _check_count("grid", math.prod(map(len, grid.values())))
    points = itertools.product(*grid.values())
    return [_named(dict(zip(grid, point, strict=True))) for point in points]


def _samples(content: Mapping[str, Any]) -> list[_Part]:
    if "random" not in content:
        return []
    options = _non_empty(content["random"], "random", "samples: 10, space: {...}")
    for name in options:
        check_name(name, RANDOM_KEYS, "random.")
    samples: Any = options.get("samples")
    seed: Any = options.get("seed", 0)
    if not _is_int(samples) or samples < 1:
        raise ValueError(
            f"random.samples must be an integer >= 1, got {shown(samples)}"
        )
    _check_count(f"random.samples: {shown(samples)}", samples)
    if not _is_int(seed) or seed < 0:
        raise ValueError(f"random.seed must be an integer >= 0, got {shown(seed)}")
    where = "random.space"
    space = flat(_non_empty(options.get("space"), where, "KEY: {uniform: ...}"), where)
    rng = np.random.default_rng(seed)
    drawn = [draw(space, rng) for _ in range(samples)]
    return [(f"sample-{number:03d}", values) for number, values in enumerate(drawn, 1)]


def _named(values: Values) -> _Part:
    words = [
        f"{name.removeprefix('learner.')}={_word(v)}" for name, v in values.items()
    ]
    return ", ".join(words), values


def _word(value: Any) -> str:
    # What JSON has no word for, as a date, is refused where the setting is read.
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str)
    except ValueError:  # an integer of thousands of digits
        return shown(value)


def _non_empty(value: Any, where: str, example: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        what = "is empty" if not value else f"is {shown(value)}"
        raise ValueError(f"{where} {what}; give {example}, or leave it out")
    return value


def _check_count(what: str, runs: int) -> None:
    if runs > MOST_RUNS:
        raise ValueError(f"{what} makes more than {MOST_RUNS:,} runs; take less")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
