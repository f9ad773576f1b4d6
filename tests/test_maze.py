import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from hypothesis import given
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from support.strategies import actions, layouts

import oprl_gym
from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.maze import OPRLMazeEnv
from oprl_gym.envs.registration import ENV_IDS, register_envs

UP, RIGHT, DOWN, LEFT = range(4)
TO_THE_GOAL = [RIGHT] * 7 + [DOWN] * 7


def one_hot(state: int, num_states: int = 64) -> np.ndarray:
    observation = np.zeros(num_states, dtype=np.float32)
    observation[state] = 1
    return observation


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_gymnasium_finds_no_fault(env_id: str) -> None:
    check_env(gym.make(env_id).unwrapped)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_sb3_finds_no_fault(env_id: str) -> None:
    sb3_check_env(gym.make(env_id), warn=True)


def test_spaces() -> None:
    env = OPRLMazeEnv(layout="S..\n..G")
    assert env.observation_space == gym.spaces.Box(0, 1, (6,), np.float32)
    assert env.action_space == gym.spaces.Discrete(4)


def test_an_episode_begins_at_the_start() -> None:
    observation, info = OPRLMazeEnv(layout="..S\n..G").reset(seed=3)
    np.testing.assert_array_equal(observation, one_hot(2, 6))
    assert observation.dtype == np.float32
    assert info == {"is_success": False, "position": (0, 2)}


def test_every_move_by_hand() -> None:
    env = OPRLMazeEnv(layout=".#.\nS..\n.#G")
    env.reset()
    moves = [LEFT, UP, UP, RIGHT, DOWN, RIGHT, DOWN, UP, RIGHT, UP]
    positions = [env.step(move)[4]["position"] for move in moves]
    expected = [(1, 0), (0, 0), (0, 0), (0, 0), (1, 0), (1, 1), (1, 1), (1, 1)]
    assert positions == [*expected, (1, 2), (0, 2)]


def test_the_goal_pays_and_ends_the_episode() -> None:
    env = OPRLMazeEnv()
    env.reset()
    steps = [env.step(move) for move in TO_THE_GOAL]
    assert [step[1] for step in steps] == [0.0] * 13 + [10.0]
    assert [step[2] for step in steps] == [False] * 13 + [True]
    assert not any(step[3] for step in steps)
    assert steps[-1][4] == {"is_success": True, "position": (7, 7)}
    np.testing.assert_array_equal(steps[-1][0], one_hot(63))


def test_the_time_limit_truncates_and_does_not_terminate() -> None:
    env = OPRLMazeEnv(max_episode_steps=3)
    for _ in range(2):
        env.reset()
        flags = [env.step(LEFT)[2:4] for _ in range(3)]
        assert flags == [(False, False), (False, False), (False, True)]


@pytest.mark.parametrize("env_id", [None, "OPRLMaze-v0"])
def test_success_with_the_last_step_is_both(env_id: str | None) -> None:
    env: Any = OPRLMazeEnv(max_episode_steps=14)
    if env_id is not None:
        env = gym.make(env_id, max_episode_steps=14)
    env.reset()
    for move in TO_THE_GOAL:
        _, reward, terminated, truncated, info = env.step(move)
    assert (reward, terminated, truncated) == (10.0, True, True)
    assert info["is_success"]


def test_without_a_limit_an_episode_goes_on() -> None:
    env = OPRLMazeEnv(max_episode_steps=-1)
    env.reset()
    assert not any(env.step(LEFT)[3] for _ in range(2000))


def test_a_step_without_an_episode_is_refused() -> None:
    for env in (OPRLMazeEnv(), gym.make("OPRLMaze-v0")):
        with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
            env.step(RIGHT)


def test_a_step_after_the_end_is_refused() -> None:
    """A training loop that forgot to reset would learn from a frozen agent."""
    won, late = OPRLMazeEnv(), OPRLMazeEnv(max_episode_steps=14)
    made = gym.make("OPRLMaze-v0")
    for env, moves in [(won, TO_THE_GOAL), (late, [LEFT] * 14), (made, TO_THE_GOAL)]:
        env.reset()
        for move in moves:
            env.step(move)
        with pytest.raises(ResetNeeded):
            env.step(RIGHT)
        env.reset()
        env.step(RIGHT)


@pytest.mark.parametrize(
    "action",
    [
        *(4, -1, 10**30, 1.0, True, None, "1", [1]),
        *(np.int64(4), np.int8(-1), np.float32(1), np.True_),
        *(np.array([1]), np.array(1.0), np.array(True)),
    ],
)
def test_what_is_no_move_is_refused(action: Any) -> None:
    """Python would take -1 from the end of a list, True for 1 and 1.0 for a key."""
    env = OPRLMazeEnv()
    env.reset()
    with pytest.raises(ValueError, match="is not a move; use an integer: 0 up"):
        env.step(action)


@pytest.mark.parametrize(
    "action",
    [1, np.int64(1), np.int32(1), np.uint8(1), np.array(1), torch.tensor(1)],
)
def test_every_kind_of_integer_is_a_move(action: Any) -> None:
    env = gym.make("OPRLMaze-v0")
    env.reset()
    assert env.step(action)[4]["position"] == (0, 1)


@pytest.mark.parametrize("value", [0, -2, 1.5, True, None, "60"])
def test_what_is_no_time_limit_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=f"max_episode_steps={value!r}"):
        OPRLMazeEnv(max_episode_steps=value)


def test_an_unknown_render_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="render_mode='rgb' is unknown"):
        OPRLMazeEnv(render_mode="rgb")


def test_observations_are_never_reused() -> None:
    """A stored observation that changes later turns a whole rollout into one state."""
    env = gym.make("OPRLMaze-v0")
    observations = [env.reset()[0]]
    observations += [env.step(move)[0] for move in TO_THE_GOAL]
    observations += [env.reset()[0]]
    for index, observation in enumerate(observations):
        assert not any(
            np.shares_memory(observation, other) for other in observations[:index]
        )
        observation[:] = 7
    np.testing.assert_array_equal(env.reset()[0], one_hot(0))


def episode_steps(env: gym.Env) -> int:
    env.reset()
    for step in range(1, 2000):
        if env.step(LEFT)[3]:
            return step
    return -1


@pytest.mark.parametrize(
    ("env_id", "arguments", "steps"),
    [(env_id, {}, cap) for env_id, (_, cap) in ENV_IDS.items()]
    + [
        ("OPRLMaze-v0", {"max_episode_steps": 150}, 150),
        ("OPRLMaze-v0", {"max_episode_steps": 5}, 5),
        ("OPRLMaze-v0", {"max_episode_steps": None}, 60),
        ("OPRLMaze-v0", {"max_episode_steps": -1}, -1),
        ("OPRLMaze-16x16-v0", {"max_episode_steps": 300}, 300),
    ],
)
def test_make_decides_the_time_limit(
    env_id: str, arguments: dict[str, Any], steps: int
) -> None:
    assert episode_steps(gym.make(env_id, **arguments)) == steps


def test_a_time_limit_wrapper_around_the_class_works() -> None:
    assert episode_steps(TimeLimit(OPRLMazeEnv(max_episode_steps=-1), 7)) == 7


def test_after_a_truncation_by_the_wrapper_steps_stay_truncated() -> None:
    """The wrapper does not tell the env, so the env cannot refuse the step."""
    env = gym.make("OPRLMaze-v0", max_episode_steps=3)
    env.reset()
    assert [env.step(LEFT)[3] for _ in range(5)] == [False, False, True, True, True]


def test_make_takes_the_arguments_of_the_maze() -> None:
    random = gym.make("OPRLMaze-v0", layout="random", size=6, layout_seed=4)
    assert random.unwrapped.layout == make_layout("random", size=6, layout_seed=4)
    assert gym.make("OPRLMaze-v0", size=5).observation_space.shape == (25,)
    drawn = gym.make("OPRLMaze-v0", layout="S.\n.G")
    assert drawn.unwrapped.layout.rows == ("S.", ".G")
    assert gym.make("OPRLMaze-v0", layout=make_layout("OneWall")).reset()


def test_a_spec_makes_the_same_env_again() -> None:
    env = gym.make("OPRLMaze-v0", layout="S.\n.G", max_episode_steps=9)
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.layout == env.unwrapped.layout
    assert episode_steps(again) == 9


def test_registering_twice_is_silent() -> None:
    register_envs()
    assert set(ENV_IDS) <= set(gym.registry)
    assert oprl_gym.__version__


@pytest.mark.parametrize("render_mode", [None, "human"])
def test_copies_go_on_from_the_same_state(render_mode: str | None) -> None:
    env = OPRLMazeEnv(max_episode_steps=15, render_mode=render_mode)
    env.reset()
    for move in TO_THE_GOAL[:10]:
        env.step(move)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        steps = [twin.step(move) for move in TO_THE_GOAL[10:]]
        assert [step[2] for step in steps] == [False] * 3 + [True]
        twin.close()
    assert env.step(UP)[4]["position"] == (2, 7)
    env.close()


def test_seeded_rollouts_are_equal() -> None:
    first, second = gym.make("OPRLMaze-v0"), gym.make("OPRLMaze-v0")
    for env in (first, second):
        env.action_space.seed(5)
    np.testing.assert_equal(first.reset(seed=1), second.reset(seed=1))
    for _ in range(300):
        ours, theirs = (env.step(env.action_space.sample()) for env in (first, second))
        np.testing.assert_equal(ours, theirs)
        if ours[2] or ours[3]:
            np.testing.assert_equal(first.reset(), second.reset())


@given(layouts(), actions())
def test_walks_stay_on_free_cells_and_end_at_the_goal(
    layout: Layout, moves: list[int]
) -> None:
    env = OPRLMazeEnv(layout=layout, max_episode_steps=-1)
    env.reset()
    for move in moves:
        observation, reward, terminated, _, info = env.step(move)
        position = info["position"]
        assert not layout.walls[position]
        assert observation.argmax() == layout.state(position)
        assert observation.sum() == 1
        assert terminated == info["is_success"] == (position == layout.goal)
        assert reward == (10.0 if terminated else 0.0)
        if terminated:
            break
