"""The env of a run: how it is made, and what there is to know of it."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from oprl_gym.envs import OPRLMazeEnv
from oprl_gym.envs.layouts import Layout
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError


@dataclass(frozen=True)
class EnvFacts:
    """What is asked of the env of a run before it is used.

    Attributes:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        render_modes: Those that the env says it has.
        layout: Its map if it is a maze of ours, which can be drawn without the env.
    """

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    render_modes: tuple[str, ...]
    layout: Layout | None


def import_env(env_id: str) -> None:
    """Import the module of an env that is named as ``MODULE:ENV``.

    Importing executes the module. So this is for ids that the user has named, and never
    for one out of a run folder, which may be somebody else's.

    Raises:
        RunError: It cannot be imported.
    """
    module = module_of(env_id)
    if module is None:
        return
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever the user's own code raises
        raise RunError(f"cannot make {env_id}: {error}") from error


def module_of(env_id: str) -> str | None:
    """Return the module that an env id names, None if it names none."""
    module, colon, _ = env_id.partition(":")
    return module if colon else None


def may_name_module(value: object) -> bool:
    """Return whether an argument of an env may be the id of one out of a module.

    The address of a page or a path with a drive's letter is none.
    """
    return isinstance(value, str) and bool(
        re.match(r"[^:/\\]+:(?![/\\])\S", value.strip())
    )


def make_env(config: TrainConfig, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Return the plain env of a run.

    Nothing is imported for it but what is installed as a package of envs: any other
    module has to be imported before, by :func:`import_env` or otherwise.

    Raises:
        RunError: There is no such env, or it does not take the arguments; or its module
            has not been imported.
    """
    _check_module(config.env_id)
    kwargs: dict[str, Any] = dict(config.env_kwargs)
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        return gym.make(config.env_id, **kwargs)
    except gym.error.NameNotFound as error:
        remedy = f" If another package has it, name that too: PACKAGE:{config.env_id}"
        if ":" in config.env_id:
            remedy = ""
        raise RunError(f"cannot make {config.env_id}: {error}{remedy}") from error
    # Whatever an env's constructor raises, here it is about what the user asked for.
    except Exception as error:
        raise RunError(f"cannot make {config.env_id}: {error}") from error


def env_facts(config: TrainConfig) -> EnvFacts:
    """Return what there is to know of the env of a run.

    Raises:
        RunError: There is no such env, or it does not take the arguments.
    """
    env = make_env(config)
    maze = env.unwrapped
    try:
        return EnvFacts(
            env.observation_space,
            env.action_space,
            tuple(env.metadata.get("render_modes") or ()),
            maze.layout if isinstance(maze, OPRLMazeEnv) else None,
        )
    finally:
        env.close()


def drawable_env(config: TrainConfig, facts: EnvFacts) -> gym.Env[Any, Any]:
    """Return the plain env of a run, with pictures if it can make any."""
    if "rgb_array" not in facts.render_modes:
        return make_env(config)
    env = make_env(config, "rgb_array")
    try:
        env.reset()
        env.render()
    except gym.error.DependencyNotInstalled:  # not ours to ask for
        env.close()
        return make_env(config)
    return env


def _check_module(env_id: str) -> None:
    """Refuse to let Gymnasium import a module that nobody has asked for."""
    module = module_of(env_id)
    if module is None or module in sys.modules or module in _installed_env_modules():
        return
    raise RunError(
        f"the env {env_id} comes from the module {module}, which would be executed; no "
        "run folder alone has that done. If you know the module, give "
        f"--env-id {shlex.quote(env_id)}; if you trust whoever made the folder, "
        f"--trust (in Python: import {module} first)"
    )


def _installed_env_modules() -> set[str]:
    """Return the modules that installed packages declare as bringing envs.

    What lies in the current folder is not installed, also where Python looks there.
    """
    here = Path.cwd()
    paths = [path for path in sys.path if Path(path).resolve() != here]
    return {
        point.module.removesuffix(".__init__")
        for package in metadata.distributions(path=paths)
        for point in package.entry_points
        if point.group == "gymnasium.envs"
    }
