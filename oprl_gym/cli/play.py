"""``oprl-gym play``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from oprl_gym.runs.config import EnvValue, TrainConfig
from oprl_gym.runs.folder import RunError

if TYPE_CHECKING:
    import gymnasium as gym


@dataclass(frozen=True)
class Play:
    """Play yourself: arrow keys in a maze, Escape ends."""

    env_id: str = "OPRLMaze-v0"
    """Gymnasium id of the env."""

    layout: Annotated[
        str | None,
        tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: the env's)"),
    ] = None
    """Maze by name: OneWall, TwoWalls, TwoWallsLong, ThreeWalls, Serpentine, random."""

    env_kwargs: Annotated[
        dict[str, EnvValue],
        tyro.conf.arg(metavar="KEY VALUE ...", help_behavior_hint="(default: none)"),
    ] = field(default_factory=dict)
    """Arguments of the env, such as: layout_seed 3"""

    def run(self) -> None:
        """Play."""
        from oprl_gym.runs.env import env_facts, import_env, make_env

        chosen = {} if self.layout is None else {"layout": self.layout}
        config = TrainConfig(
            env_id=self.env_id, env_kwargs={**self.env_kwargs, **chosen}
        )
        import_env(config)
        if "rgb_array" not in env_facts(config).render_modes:
            raise RunError(f"{self.env_id} cannot be drawn: it has no rgb_array")
        env = make_env(config, "rgb_array")
        try:
            _play(env, keys_to_action(env))
        finally:
            env.close()


def keys_to_action(env: gym.Env[Any, Any]) -> dict[Any, Any] | None:
    """Return the keys of a maze; None where the env has keys of its own.

    Raises:
        RunError: Nobody knows the env's keys.
    """
    import pygame

    from oprl_gym.envs import OPRLMazeEnv

    if isinstance(env.unwrapped, OPRLMazeEnv):
        keys = (pygame.K_UP, pygame.K_RIGHT, pygame.K_DOWN, pygame.K_LEFT)
        return {(key,): action for action, key in enumerate(keys)}
    if env.has_wrapper_attr("get_keys_to_action"):
        return None
    name = "this env" if env.spec is None else env.spec.id
    raise RunError(f"no keys are known for {name}; play one of the OPRLMaze envs")


def _play(env: gym.Env[Any, Any], keys: dict[Any, Any] | None) -> None:
    from gymnasium.utils.play import play

    from oprl_gym.cli.window import needs_window

    steps = 0
    total = 0.0

    def count(
        obs_t: Any, obs_tp1: Any, action: Any, reward: Any, *ends_and_info: Any
    ) -> None:
        nonlocal steps, total
        steps, total = steps + 1, total + float(reward)
        terminated, truncated, _ = ends_and_info
        if terminated or truncated:
            print(f"{steps} steps, return {total:g}")
            steps, total = 0, 0.0

    with needs_window():
        # In a maze nothing happens until a key is pressed.
        play(env, keys_to_action=keys, callback=count, wait_on_player=keys is not None)
