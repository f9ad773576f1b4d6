"""Registration of the OPRLMaze ids with Gymnasium."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.registration import register, registry

ENV_IDS: dict[str, tuple[dict[str, Any], int]] = {
    "OPRLMaze-v0": ({}, 60),
    "OPRLMaze-OneWall-v0": ({"layout": "OneWall"}, 60),
    "OPRLMaze-TwoWalls-v0": ({"layout": "TwoWalls"}, 60),
    "OPRLMaze-TwoWallsLong-v0": ({"layout": "TwoWallsLong"}, 60),
    "OPRLMaze-ThreeWalls-v0": ({"layout": "ThreeWalls"}, 60),
    "OPRLMaze-Serpentine-v0": ({"layout": "Serpentine"}, 60),
    "OPRLMaze-16x16-v0": ({"size": 16}, 240),
    "OPRLMaze-24x24-v0": ({"size": 24}, 540),
    "OPRLMaze-32x32-v0": ({"size": 32}, 960),
}
"""Each id's constructor arguments and its time limit in steps, easiest maze first."""

REWARD_THRESHOLD = 9.0
"""Mean return at which a maze counts as solved: nine episodes in ten reach the goal."""


def register_envs() -> None:
    """Register every OPRLMaze id, replacing it if it is registered already."""
    for env_id, (kwargs, max_episode_steps) in ENV_IDS.items():
        registry.pop(env_id, None)
        register(
            id=env_id,
            entry_point="oprl_gym.envs.maze:OPRLMazeEnv",
            vector_entry_point="oprl_gym.envs.vector:OPRLMazeVectorEnv",
            max_episode_steps=max_episode_steps,
            reward_threshold=REWARD_THRESHOLD,
            # The env makes these two wrappers' checks itself; they cost a third of
            # the steps per second.
            order_enforce=False,
            disable_env_checker=True,
            kwargs=dict(kwargs),
        )
