"""The env of a run: how it is made, and what there is to know of it."""

from __future__ import annotations

from dataclasses import dataclass
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


def make_env(config: TrainConfig, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Return the plain env of a run.

    Raises:
        RunError: There is no such env, or it does not take the arguments.
    """
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
