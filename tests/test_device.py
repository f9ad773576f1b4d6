"""Where networks compute. What needs a GPU runs where there is one."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.rewards.tensors import available_device
from oprl_gym.wrappers import ProcessRewardVectorWrapper, VecProcessReward

CONFIG = OPRLConfig(hidden_size=16, min_preferences=8, gradient_steps=2)
GPU = torch.cuda.is_available()
DEVICES = ["cpu", "auto", *(["cuda"] if GPU else [])]


def maze(device: str = "cpu") -> ProcessRewardVectorWrapper:
    return ProcessRewardVectorWrapper(
        gym.make_vec("OPRLMaze-v0", num_envs=4, max_episode_steps=12), device=device
    )


def fitted(device: str) -> OPRLLearner:
    envs = maze()
    learner = OPRLLearner(
        envs.single_observation_space,
        envs.single_action_space,
        CONFIG,
        seed=0,
        device=device,
    )
    envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(60):
        envs.step(envs.action_space.sample())
    learner.update(envs.pop_episodes())
    assert learner.process_reward.fitted
    return learner


def test_auto_takes_the_gpu_if_there_is_one():
    assert available_device("auto") == ("cuda" if GPU else "cpu")


@pytest.mark.parametrize("name", ["warp", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here"):
        maze(name)
    envs = maze()
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here"):
        OPRLLearner(
            envs.single_observation_space, envs.single_action_space, device=name
        )


@pytest.mark.parametrize("learns", DEVICES)
@pytest.mark.parametrize("scores", DEVICES)
def test_what_was_learned_on_one_device_is_scored_alike_on_another(learns, scores):
    learner = fitted(learns)
    here, there = maze(), maze(scores)
    for envs in (here, there):
        envs.load_reward_state(learner.reward_state())
        envs.reset(seed=1)
    for action in (1, 1, 2, 2, 3):
        actions = np.full(4, action)
        np.testing.assert_allclose(
            here.step(actions)[1], there.step(actions)[1], atol=1e-5
        )


@pytest.mark.parametrize("saved", DEVICES)
@pytest.mark.parametrize("loaded", DEVICES)
def test_a_learner_goes_on_on_another_device(saved, loaded):
    one, other = fitted(saved), fitted(loaded)
    other.load_state(one.state())
    for name, weights in one.reward_state().weights.items():
        np.testing.assert_array_equal(other.reward_state().weights[name], weights)
    other.update(list(one.memory.trajectories)[:2])


@pytest.mark.parametrize("device", DEVICES)
def test_an_agent_learns_there(device):
    venv = VecProcessReward(make_vec_env("OPRLMaze-v0", 2), device=device)
    callback = OPRLCallback(CONFIG, device=device)
    A2C("MlpPolicy", venv, seed=0, device=device).learn(600, callback=callback)
    assert callback.learner is not None
    assert callback.learner.process_reward.fitted
    model = callback.learner.model
    expected = torch.device(available_device(device)).type
    assert {weight.device.type for weight in model.parameters()} == {expected}
