"""Checkpoints: all of a training run in one file, and the run that goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from oprl_gym.callbacks.agent_state import (
    agent_state,
    load_agent_state,
    load_random_state,
    random_state,
)
from oprl_gym.callbacks.env_state import env_state, load_env_state
from oprl_gym.config import one_line
from oprl_gym.files.space_text import space_text
from oprl_gym.files.state_file import read_state, write_state


class HasState(Protocol):
    """Something that a checkpoint is to hold beside the agent and its envs."""

    def state(self) -> dict[str, Any]:
        """Return nested dicts and lists of numbers, strings and arrays."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        ...


@runtime_checkable
class Settles(Protocol):
    """Such a thing that has to make ready for it."""

    def settle(self) -> None:
        """Bring about what the saved state will bring about where it is loaded."""
        ...


@runtime_checkable
class ChecksState(Protocol):
    """Such a thing that can tell, before anything is loaded, what suits it."""

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise ValueError if it cannot go on from there."""
        ...


def save_checkpoint(
    path: str | Path, model: BaseAlgorithm, parts: Mapping[str, HasState]
) -> None:
    """Write all it takes to go on, replacing ``path`` only once the new file is whole.

    To be called between two rollouts, after the agent has learned from the last one.

    Args:
        path: The file.
        model: The agent.
        parts: What else is to be saved, by name.

    Raises:
        OSError: The file cannot be written; the old one is still there.
    """
    venv = model.get_env()
    assert venv is not None
    for part in parts.values():
        if isinstance(part, Settles):
            part.settle()
    state = {
        "run": _signature(model),
        "agent": agent_state(model),
        "envs": env_state(venv),
        "parts": {name: part.state() for name, part in parts.items()},
        "random": random_state(),
    }
    write_state(path, state)


def load_checkpoint(
    path: str | Path, model: BaseAlgorithm, parts: Mapping[str, HasState]
) -> None:
    """Let a run go on from what :func:`save_checkpoint` wrote.

    Args:
        path: The file.
        model: An agent made as that of the checkpoint was, with envs made so too.
        parts: What else is in the file, by name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none, is damaged, or belongs to another run.
    """
    state = read_state(path)
    try:
        _check(_signature(model), state["run"])
        _load(model, parts, state)
    except Exception as error:  # whatever a wrong value leads to
        words = one_line(error)
        if not isinstance(error, ValueError):
            words = f"{type(error).__name__}: {words}"
        raise ValueError(f"{path} is no checkpoint of this run: {words}") from error


def _load(
    model: BaseAlgorithm, parts: Mapping[str, HasState], state: dict[str, Any]
) -> None:
    venv = model.get_env()
    assert venv is not None
    if set(state["parts"]) != set(parts):
        raise ValueError(f"it holds {sorted(state['parts'])}, not {sorted(parts)}")
    for name, part in parts.items():
        if isinstance(part, ChecksState):
            part.check_state(state["parts"][name])
    load_agent_state(model, state["agent"])
    for name, part in parts.items():
        part.load_state(state["parts"][name])
    if not load_env_state(venv, state["envs"]):
        if model.seed is not None:  # or the run's first episodes would come once more
            venv.seed(model.seed + model.num_timesteps)
        model._last_obs = venv.reset()  # type: ignore[assignment]
        model._last_episode_starts = np.ones(venv.num_envs, dtype=np.bool_)
        if model._vec_normalize_env is not None:
            original = model._vec_normalize_env.get_original_obs()
            model._last_original_obs = original
    load_random_state(state["random"])


def _signature(model: BaseAlgorithm) -> dict[str, Any]:
    """Return what has to be the same for a checkpoint to fit."""
    return {
        "algorithm": type(model).__name__,
        "policy": type(model.policy).__name__,
        "n_envs": model.n_envs,
        "observation_space": space_text(model.observation_space),
        "action_space": space_text(model.action_space),
    }


def _check(own: dict[str, Any], saved: dict[str, Any]) -> None:
    for name, value in own.items():
        if saved[name] != value:
            raise ValueError(f"its {name} is {saved[name]}, here it is {value}")
