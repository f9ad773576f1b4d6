"""The scalar, the vector and the SB3 maze are one maze."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from oprl_gym.envs.dynamics import transition_table
from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.envs.sb3 import OPRLMazeVecEnv

NUM_ENVS = 5
RANDOM_MAZE = {"layout": "random", "size": 6, "layout_seed": 2}
SETTINGS = [
    ({}, 60),
    ({"layout": "OneWall"}, 17),
    ({"layout": "TwoWalls"}, 20),
    ({"layout": "S..#.\n..#..\n....G"}, 6),
    (RANDOM_MAZE, 25),
    ({"layout": "S.G"}, 2),
    ({"layout": "SG"}, 1),
]
"""Mazes and time limits; where the limit is the shortest path, both ends coincide."""


def steps_until(limit: int) -> int:
    """Return how many steps show more than twenty ends of either kind."""
    return min(1000, max(150, 25 * limit))


def mixed_policy(layout: Layout, seed: int) -> Iterator[Any]:
    """Yield actions given observations: some envs make for the goal, some stray.

    Send (N, S) observations; receive (N,) actions. How often an env strays depends on
    its number, from never to always.
    """
    rng = np.random.default_rng(seed)
    distance = distance_to_goal(layout).ravel()
    best = distance[transition_table(layout.walls).reshape(-1, 4)].argmin(axis=1)
    strays = np.linspace(0, 1, NUM_ENVS)
    actions = np.zeros(NUM_ENVS, dtype=np.int64)
    while True:
        observations = yield actions
        random = rng.integers(0, 4, NUM_ENVS)
        actions = np.where(
            rng.random(NUM_ENVS) < strays, random, best[observations.argmax(axis=1)]
        )


def start(layout_arguments: dict[str, Any], seed: int = 0) -> Any:
    policy = mixed_policy(make_layout(**layout_arguments), seed)
    next(policy)
    return policy


def comparable(infos: dict[str, Any]) -> dict[str, Any]:
    """Return infos without object arrays, which NumPy's assertions cannot compare.

    Gymnasium's array of position tuples becomes our (N, 2) int array.
    """
    infos = dict(infos)
    if infos["position"].dtype == object:
        cells = [(0, 0) if cell is None else cell for cell in infos["position"]]
        infos["position"] = np.array(cells)
    if "final_obs" in infos:
        assert infos["final_obs"].dtype == object
        infos["final_obs"] = list(infos["final_obs"])
        infos["final_info"] = comparable(infos["final_info"])
    return infos


def assert_same_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    ours, theirs = comparable(ours), comparable(theirs)
    np.testing.assert_equal(ours, theirs)
    for key, value in theirs.items():
        if isinstance(value, np.ndarray):
            assert ours[key].dtype == value.dtype


def assert_same_step(ours: Any, theirs: Any) -> None:
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype
        assert mine.shape == other.shape
    assert_same_infos(ours[-1], theirs[-1])


def make_both(
    arguments: dict[str, Any], limit: int, mode: AutoresetMode
) -> tuple[VectorEnv, VectorEnv]:
    ours = gym.make_vec(
        "OPRLMaze-v0",
        num_envs=NUM_ENVS,
        max_episode_steps=limit,
        autoreset_mode=mode,
        **arguments,
    )
    theirs = SyncVectorEnv(
        [lambda: gym.make("OPRLMaze-v0", max_episode_steps=limit, **arguments)]
        * NUM_ENVS,
        autoreset_mode=mode,
    )
    return ours, theirs


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize(("arguments", "limit"), SETTINGS)
def test_the_vector_env_is_a_sync_vector_env(
    arguments: dict[str, Any], limit: int, mode: AutoresetMode
) -> None:
    ours, theirs = make_both(arguments, limit, mode)
    policy = start(arguments)
    mine, other = ours.reset(seed=7), theirs.reset(seed=7)
    assert_same_step(mine, other)
    ends = np.zeros(2, dtype=int)
    for _ in range(steps_until(limit)):
        actions = policy.send(mine[0])
        mine, other = ours.step(actions), theirs.step(actions)
        assert_same_step(mine, other)
        ends += [mine[2].sum(), (mine[3] & ~mine[2]).sum()]
    assert ends[0] > 20, "the goal was hardly reached: the comparison shows little"
    assert ends[1] > 20, "hardly an episode was cut: the comparison shows little"


def test_a_second_reset_begins_anew_in_both() -> None:
    ours, theirs = make_both({}, 20, AutoresetMode.NEXT_STEP)
    policy = start({})
    for num_steps in (33, 7, 20, 41):
        mine, other = ours.reset(), theirs.reset()
        assert_same_step(mine, other)
        for _ in range(num_steps):
            actions = policy.send(mine[0])
            mine, other = ours.step(actions), theirs.step(actions)
            assert_same_step(mine, other)


def test_partial_resets_are_those_of_a_sync_vector_env() -> None:
    ours, theirs = make_both({}, 20, AutoresetMode.DISABLED)
    policy = start({})
    mine, other = ours.reset(), theirs.reset()
    resets = 0
    for _ in range(steps_until(20)):
        actions = policy.send(mine[0])
        mine, other = ours.step(actions), theirs.step(actions)
        assert_same_step(mine, other)
        mask = mine[2] | mine[3]
        if mask.any():
            mine = ours.reset(options={"reset_mask": mask})
            assert_same_step(mine, theirs.reset(options={"reset_mask": mask}))
            resets += 1
    assert resets > 20


@pytest.mark.parametrize(("arguments", "limit"), SETTINGS)
def test_the_sb3_env_is_a_dummy_vec_env(arguments: dict[str, Any], limit: int) -> None:
    ours = OPRLMazeVecEnv(NUM_ENVS, max_episode_steps=limit, **arguments)
    theirs = DummyVecEnv(
        [lambda: gym.make("OPRLMaze-v0", max_episode_steps=limit, **arguments)]
        * NUM_ENVS
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    policy = start(arguments)
    observations = ours.reset()
    np.testing.assert_array_equal(observations, theirs.reset())
    for _ in range(steps_until(limit)):
        actions = policy.send(observations)
        mine, other = ours.step(actions), theirs.step(actions)
        for ours_i, theirs_i in zip(mine[:3], other[:3], strict=True):
            np.testing.assert_array_equal(ours_i, theirs_i)
            assert ours_i.dtype == theirs_i.dtype
        np.testing.assert_equal(mine[3], other[3])
        assert types_in(mine[3]) == types_in(other[3])
        assert ours.reset_infos == theirs.reset_infos
        observations = mine[0]


def types_in(infos: list[dict[str, Any]]) -> list[dict[str, type]]:
    return [{key: type(value) for key, value in info.items()} for info in infos]
