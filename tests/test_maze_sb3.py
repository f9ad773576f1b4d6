from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from stable_baselines3 import A2C
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from oprl_gym.envs.layouts import make_layout
from oprl_gym.envs.sb3 import OPRLMazeVecEnv

RIGHT, DOWN = 1, 2


def test_the_end_of_an_episode_by_hand() -> None:
    venv = OPRLMazeVecEnv(2, layout="S.G", max_episode_steps=2)
    venv.reset()
    venv.step(np.array([RIGHT, DOWN]))
    observations, rewards, dones, infos = venv.step(np.array([RIGHT, DOWN]))
    np.testing.assert_array_equal(observations, [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(rewards, [10, 0])
    np.testing.assert_array_equal(dones, [True, True])
    np.testing.assert_array_equal(infos[0].pop("terminal_observation"), [0, 0, 1])
    np.testing.assert_array_equal(infos[1].pop("terminal_observation"), [1, 0, 0])
    assert infos == [
        {"is_success": True, "position": (0, 2), "TimeLimit.truncated": False},
        {"is_success": False, "position": (0, 0), "TimeLimit.truncated": True},
    ]


def test_arrays_are_never_reused() -> None:
    venv = OPRLMazeVecEnv(2, layout="S.G", max_episode_steps=3)
    arrays = [venv.reset()]
    for action in (RIGHT, RIGHT, DOWN, DOWN, DOWN, RIGHT, RIGHT):
        observations, rewards, dones, infos = venv.step(np.array([action, action]))
        arrays += [observations, rewards, dones]
        arrays += [
            info["terminal_observation"]
            for info in infos
            if "terminal_observation" in info
        ]
    for index, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:index])


def test_errors_are_those_of_the_vector_env() -> None:
    venv = OPRLMazeVecEnv(2)
    with pytest.raises(ResetNeeded):
        venv.step(np.array([0, 0]))
    venv.reset()
    with pytest.raises(ValueError, match="action 4 for env 1"):
        venv.step(np.array([0, 4]))
    with pytest.raises(ValueError, match="num_envs=0"):
        OPRLMazeVecEnv(0)


def test_attributes_that_envs_have_in_common() -> None:
    venv = OPRLMazeVecEnv(3, layout="TwoWalls")
    assert venv.get_attr("layout") == [make_layout("TwoWalls")] * 3
    assert venv.get_attr("render_mode", indices=[0, 2]) == [None, None]
    assert not venv.has_attr("nothing_of_that_name")


def test_attributes_set_per_env() -> None:
    venv = OPRLMazeVecEnv(3)
    venv.set_attr("label", "a")
    venv.set_attr("label", "b", indices=1)
    assert venv.get_attr("label") == ["a", "b", "a"]


def test_setting_what_would_change_nothing_is_refused() -> None:
    """An accepted and ignored layout would train on the wrong maze."""
    with pytest.raises(AttributeError, match="cannot set 'layout'"):
        OPRLMazeVecEnv(3).set_attr("layout", make_layout("OneWall"))


def test_a_method_that_envs_do_not_have_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"'step'.*set_heat, render"):
        OPRLMazeVecEnv(2).env_method("step", 1)


def test_no_env_is_wrapped() -> None:
    assert OPRLMazeVecEnv(3).env_is_wrapped(Monitor) == [False] * 3
    assert OPRLMazeVecEnv(3).env_is_wrapped(Monitor, indices=[1]) == [False]


def test_seeds_are_numbered_and_used_once() -> None:
    venv = OPRLMazeVecEnv(3)
    assert list(venv.seed(5)) == [5, 6, 7]
    venv.reset()
    assert venv._seeds == [None] * 3
    venv.close()


def test_pictures_are_those_of_the_scalar_env() -> None:
    arguments: dict[str, Any] = {"layout": "S..\n..G", "render_mode": "rgb_array"}
    ours = OPRLMazeVecEnv(2, **arguments)
    theirs = DummyVecEnv([lambda: gym.make("OPRLMaze-v0", **arguments)] * 2)
    heat = np.arange(6.0).reshape(2, 3)
    for venv in (ours, theirs):
        venv.reset()
        venv.env_method("set_heat", heat, indices=[1])
        venv.step(np.array([RIGHT, DOWN]))
    np.testing.assert_array_equal(ours.get_images(), theirs.get_images())
    np.testing.assert_array_equal(ours.render(), theirs.render())
    np.testing.assert_array_equal(
        ours.env_method("render"), theirs.env_method("render")
    )
    assert ours.metadata["render_fps"] == gym.make("OPRLMaze-v0").metadata["render_fps"]


def test_images_without_a_render_mode_are_none() -> None:
    venv = OPRLMazeVecEnv(2)
    venv.reset()
    with pytest.warns(UserWarning, match="without a render mode"):
        assert list(venv.get_images()) == [None, None]


def test_a2c_learns_the_same_in_both() -> None:
    """The whole training path: same seed, same numbers, whichever env is below."""
    weights = []
    made = DummyVecEnv([lambda: gym.make("OPRLMaze-v0")] * 4)
    for venv in (OPRLMazeVecEnv(4), made):
        model = A2C("MlpPolicy", VecMonitor(venv), seed=0, device="cpu")
        model.learn(400)
        weights.append(model.policy.state_dict())
    for name, tensor in weights[0].items():
        np.testing.assert_array_equal(tensor, weights[1][name])
