"""The env of a run: how it is made, and what there is to know of it."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from oprl_gym.envs import OPRLMazeEnv
from oprl_gym.envs.layouts import Layout
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env_packages import where_from
from oprl_gym.runs.env_wrappers import NamedWrapper
from oprl_gym.runs.folder import RunError


@dataclass(frozen=True)
class EnvFacts:
    """What is asked of the env of a run before it is used.

    Attributes:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        render_modes: Those that the env says it has.
        layout: Its map if it is a maze of ours whose observations no wrapper changes:
            it can be drawn without the env.
    """

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    render_modes: tuple[str, ...]
    layout: Layout | None


def import_env(config: TrainConfig) -> None:
    """Import the modules of an env and its wrappers that are named with theirs.

    Importing executes a module. So this is for what the user has named, and never for
    what a run folder names, which may be somebody else's.

    Raises:
        RunError: One cannot be imported.
    """
    import_named(config.env_id, module_of(config.env_id))
    import_wrappers(config)


def import_wrappers(config: TrainConfig) -> None:
    """Import the modules of the env's wrappers, as :func:`import_env` does.

    Raises:
        RunError: One cannot be imported.
    """
    for text in config.env_wrapper:
        import_named(text, NamedWrapper.read(text).module)


def import_named(name: str, module: str | None) -> None:
    """Import a module that the user has named; None is none.

    One that is found nowhere else is looked for in the current folder, which stays the
    last of the places where Python looks.

    Raises:
        RunError: It cannot be imported.
    """
    if module is None:
        return
    package, here = module.partition(".")[0], str(Path.cwd())
    try:
        if (
            package not in sys.modules
            and importlib.util.find_spec(package) is None
            and PathFinder.find_spec(package, [here]) is not None
        ):
            sys.path.append(here)
        importlib.import_module(module)
    except Exception as error:  # whatever the user's own code raises
        remedy = ""
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            remedy = f"; install it, or start in the folder that {package}.py is in"
        raise RunError(f"cannot make {name}: {error}{remedy}") from error


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
    _check_modules(config)
    kwargs: dict[str, Any] = dict(config.env_kwargs)
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        env = gym.make(config.env_id, **kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound) as error:
        remedy = where_from(config.env_id)
        raise RunError(f"cannot make {config.env_id}: {error}{remedy}") from error
    # Whatever an env's constructor raises, here it is about what the user asked for.
    except Exception as error:
        raise RunError(f"cannot make {config.env_id}: {error}") from error
    return _wrapped(env, config)


def maze_of(env: gym.Env[Any, Any]) -> OPRLMazeEnv | None:
    """Return the maze that an env is; None if it is none, or seen otherwise."""
    maze = env.unwrapped
    if not isinstance(maze, OPRLMazeEnv):
        return None
    return maze if env.observation_space == maze.observation_space else None


def env_facts(config: TrainConfig) -> EnvFacts:
    """Return what there is to know of the env of a run.

    Raises:
        RunError: There is no such env, or it does not take the arguments.
    """
    env = make_env(config)
    maze = maze_of(env)
    try:
        return EnvFacts(
            env.observation_space,
            env.action_space,
            tuple(env.metadata.get("render_modes") or ()),
            None if maze is None else maze.layout,
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


def _wrapped(env: gym.Env[Any, Any], config: TrainConfig) -> gym.Env[Any, Any]:
    """Put an env into its wrappers, the first one innermost."""
    for text in config.env_wrapper:
        try:
            env = NamedWrapper.read(text).wrap(env)
        except Exception as error:  # as above
            env.close()
            raise RunError(f"cannot wrap {config.env_id} in {text}: {error}") from error
    return env


def _check_modules(config: TrainConfig) -> None:
    """Refuse to let a module be imported that nobody has asked for."""
    module = module_of(config.env_id)
    if module is not None and not _brings_envs(module):
        raise _not_imported(f"the env {config.env_id}", module, "env-id", config.env_id)
    for text in config.env_wrapper:
        module = NamedWrapper.read(text).module
        if not _brings_wrappers(module):
            raise _not_imported(f"the wrapper {text}", module, "env-wrapper", text)


def _brings_envs(module: str) -> bool:
    return module in sys.modules or module in _installed_env_modules()


def _brings_wrappers(module: str) -> bool:
    packages = {"gymnasium", "oprl_gym"} | _installed_env_modules()
    return module in sys.modules or module.partition(".")[0] in packages


def _not_imported(what: str, module: str, option: str, name: str) -> RunError:
    return RunError(
        f"{what} comes from the module {module}, which would be executed; no "
        "run folder alone has that done. If you know the module, give "
        f"--{option} {shlex.quote(name)}; if you trust whoever made the folder, "
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
