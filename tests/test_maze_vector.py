import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from oprl_gym.envs.registration import ENV_IDS
from oprl_gym.envs.vector import OPRLMazeVectorEnv

RIGHT, DOWN, LEFT = 1, 2, 3


def everyone(action: int, num_envs: int = 3) -> np.ndarray:
    return np.full(num_envs, action)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_make_vec_passes_the_registered_maze_and_time_limit(env_id: str) -> None:
    arguments, cap = ENV_IDS[env_id]
    envs = gym.make_vec(env_id, num_envs=2)
    assert isinstance(envs, OPRLMazeVectorEnv)
    assert envs.layout == gym.make(env_id).unwrapped.layout
    assert envs.spec is not None
    assert envs.spec.kwargs.items() >= arguments.items()
    envs.reset()
    truncated = [envs.step(everyone(LEFT, 2))[3].all() for _ in range(cap)]
    assert truncated == [False] * (cap - 1) + [True]


def test_make_vec_passes_our_arguments() -> None:
    envs = gym.make_vec(
        "OPRLMaze-v0",
        num_envs=4,
        layout="S.\n.G",
        max_episode_steps=2,
        autoreset_mode="SameStep",
        render_mode="rgb_array",
    )
    assert envs.single_observation_space.shape == (4,)
    assert envs.observation_space.shape == (4, 4)
    assert envs.action_space.shape == (4,)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.render_mode == "rgb_array"


def test_make_vec_makes_sync_envs_too() -> None:
    envs = gym.make_vec(
        "OPRLMaze-v0",
        num_envs=2,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        layout="TwoWalls",
        max_episode_steps=5,
    )
    assert isinstance(envs, SyncVectorEnv)
    envs.reset()
    assert [envs.step(everyone(LEFT, 2))[3].all() for _ in range(5)][-1]


def test_the_default_mode_is_declared() -> None:
    envs = gym.make_vec("OPRLMaze-v0", num_envs=2)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.metadata["render_fps"] > 0


def test_without_a_limit_nothing_is_truncated() -> None:
    envs = OPRLMazeVectorEnv(3, max_episode_steps=-1)
    envs.reset()
    assert not any(envs.step(everyone(LEFT))[3].any() for _ in range(500))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0, 1], r"shape \(2,\); give 3"),
        ([[0], [1], [2]], r"shape \(3, 1\)"),
        (1, r"shape \(\)"),
        ([0.0, 1.0, 2.0], "dtype float64, the first is .*0.0.* for env 0"),
        ([True, False, True], "dtype bool"),
        ([0, 4, 9], "action 4 for env 1"),
        ([0, 1, -1], "action -1 for env 2"),
        (np.array([0, 255, 0], dtype=np.uint8), "action 255 for env 1"),
    ],
)
def test_what_is_no_batch_of_moves_is_refused(actions: Any, message: str) -> None:
    envs = OPRLMazeVectorEnv(3)
    envs.reset()
    with pytest.raises(ValueError, match=message):
        envs.step(actions)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_every_kind_of_integer_is_a_move(dtype: type) -> None:
    envs = OPRLMazeVectorEnv(3)
    envs.reset()
    infos = envs.step(np.array([1, 2, 3], dtype=dtype))[4]
    assert infos["position"].tolist() == [[0, 1], [1, 0], [0, 0]]


def test_a_step_before_reset_is_refused() -> None:
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        OPRLMazeVectorEnv(3).step(everyone(RIGHT))


def test_without_autoreset_a_step_after_the_end_is_refused() -> None:
    envs = OPRLMazeVectorEnv(3, layout="S.G", autoreset_mode="Disabled")
    envs.reset()
    envs.step(np.array([LEFT, RIGHT, LEFT]))
    envs.step(np.array([LEFT, RIGHT, LEFT]))
    with pytest.raises(ResetNeeded, match="env 1 has ended"):
        envs.step(everyone(RIGHT))
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    envs.step(everyone(RIGHT))


def test_envs_reset_one_after_the_other_keep_their_time_limits() -> None:
    envs = OPRLMazeVectorEnv(3, max_episode_steps=2)
    envs.reset()
    envs.step(everyone(LEFT))
    for index in (0, 2):
        envs.reset(options={"reset_mask": np.arange(3) == index})
    truncated = [envs.step(everyone(LEFT))[3].tolist() for _ in range(2)]
    assert truncated == [[False, True, False], [True, False, True]]


def test_the_first_reset_may_leave_no_env_out() -> None:
    """The others would stand in the maze with no episode and no time limit."""
    envs = OPRLMazeVectorEnv(3)
    with pytest.raises(ResetNeeded, match="for all first"):
        envs.reset(options={"reset_mask": np.array([True, False, True])})
    envs.reset(options={"reset_mask": np.array([True, True, True])})


@pytest.mark.parametrize(
    "mask",
    [[True], [1, 0, 0], [False, False, False], np.zeros((3, 1), bool), None],
)
def test_what_is_no_reset_mask_is_refused(mask: Any) -> None:
    envs = OPRLMazeVectorEnv(3)
    with pytest.raises(ValueError, match=r"options\['reset_mask'\](.|\n)*3 bools"):
        envs.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("num_envs", [0, -1, 2.0, True])
def test_what_is_no_number_of_envs_is_refused(num_envs: Any) -> None:
    with pytest.raises(ValueError, match=f"num_envs={num_envs}"):
        OPRLMazeVectorEnv(num_envs)


def arrays_in(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        nested = value.tolist() if value.dtype == object else []
        return [value, *(item for item in nested if item is not None)]
    items = value.values() if isinstance(value, dict) else value
    return [array for item in items for array in arrays_in(item)]


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
def test_nothing_returned_is_ever_reused(mode: AutoresetMode) -> None:
    """A rollout buffer that keeps a reference would see its past overwritten."""
    envs = OPRLMazeVectorEnv(3, layout="S.G", max_episode_steps=3, autoreset_mode=mode)
    arrays = arrays_in(envs.reset())
    for action in (RIGHT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, RIGHT, DOWN, DOWN):
        arrays += arrays_in(envs.step(everyone(action)))
    for index, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:index])


def test_writing_into_what_was_returned_changes_nothing() -> None:
    touched = OPRLMazeVectorEnv(3, layout="S.G", max_episode_steps=4)
    untouched = copy.deepcopy(touched)
    for array in arrays_in(touched.reset()):
        array[:] = 1
    untouched.reset()
    for action in (RIGHT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, RIGHT, DOWN, DOWN):
        step = touched.step(everyone(action))
        np.testing.assert_equal(step, untouched.step(everyone(action)))
        for array in arrays_in(step):
            array[:] = 1


def test_copies_go_on_from_the_same_state() -> None:
    envs = OPRLMazeVectorEnv(3, layout="OneWall", max_episode_steps=10)
    envs.reset()
    for _ in range(7):
        envs.step(np.array([RIGHT, DOWN, LEFT]))
    for twin in (copy.deepcopy(envs), pickle.loads(pickle.dumps(envs))):
        position = twin.step(everyone(DOWN))[4]["position"]
        assert position.tolist() == [[1, 3], [7, 0], [1, 0]]
        assert [twin.step(everyone(DOWN))[3].all() for _ in range(2)] == [False, True]


def test_one_env_is_a_batch_of_one() -> None:
    envs = gym.make_vec("OPRLMaze-v0")
    observations, infos = envs.reset()
    assert observations.shape == (1, 64)
    assert infos["position"].shape == (1, 2)
