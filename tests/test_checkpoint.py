"""A run that was broken off and resumed equals one that was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import (
    SubprocVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)
from support.fakes import QUICK

from oprl_gym import OPRLConfig
from oprl_gym.callbacks import (
    CheckpointSaver,
    OPRLCallback,
    ProcessRewardDictReplayBuffer,
    ProcessRewardReplayBuffer,
)
from oprl_gym.callbacks.agent_state import load_random_state, random_state
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.preferences import ReturnTeacher
from oprl_gym.wrappers import (
    DelayedReward,
    EpisodeTape,
    ProcessRewardWrapper,
    VecProcessReward,
)

MAZE = "oprl_gym:OPRLMaze-v0"


class BreakOffError(Exception):
    """Stands in for whatever ends a process."""


def taped(env_id: str) -> Callable[[], gym.Env]:
    return lambda: EpisodeTape(gym.make(env_id))


def outer(env_id: str, n_envs: int = 3) -> VecProcessReward:
    return outer_of(taped(env_id), n_envs)


def outer_of(make: Callable[[], gym.Env], n_envs: int = 3) -> VecProcessReward:
    return VecProcessReward(make_vec_env(make, n_envs, seed=5))


def inner(env_id: str, cls: Any = None) -> Any:
    make = lambda: ProcessRewardWrapper(EpisodeTape(gym.make(env_id)))  # noqa: E731
    return make_vec_env(make, 2, seed=5, vec_env_cls=cls)


def dict_venv() -> VecProcessReward:
    def make() -> gym.Env:
        env = gym.make("Pendulum-v1")
        spaces = gym.spaces.Dict(angle=env.observation_space)
        named = gym.wrappers.TransformObservation(env, lambda o: {"angle": o}, spaces)
        return EpisodeTape(named)

    return VecProcessReward(make_vec_env(make, 2, seed=5))


ON_POLICY: dict[str, Any] = {"n_steps": 64, "seed": 1, "device": "cpu"}
OF_PPO: dict[str, Any] = {**ON_POLICY, "n_epochs": 1}
OFF_POLICY: dict[str, Any] = {
    "learning_starts": 100,
    "buffer_size": 500,
    "train_freq": 8,
    "policy_kwargs": {"net_arch": [16]},
    "seed": 1,
    "device": "cpu",
}
REPLAY = {"replay_buffer_class": ProcessRewardReplayBuffer}
DICT_REPLAY = {"replay_buffer_class": ProcessRewardDictReplayBuffer}
TIGHT = {
    "replay_buffer_kwargs": {"handle_timeout_termination": False},
    "optimize_memory_usage": True,
}

RUNS: dict[str, Callable[[], Any]] = {
    "PPO: maze": lambda: PPO("MlpPolicy", outer(MAZE), **OF_PPO),
    "PPO: CartPole-v1": lambda: PPO("MlpPolicy", outer("CartPole-v1"), **OF_PPO),
    "A2C: FrozenLake-v1": lambda: A2C("MlpPolicy", outer("FrozenLake-v1"), **ON_POLICY),
    "A2C: maze, wrapper in each env": lambda: A2C(
        "MlpPolicy", inner(MAZE), **ON_POLICY
    ),
    "PPO: maze, wrapper in each env, in subprocesses": lambda: PPO(
        "MlpPolicy", inner(MAZE, SubprocVecEnv), **OF_PPO
    ),
    "PPO: CartPole-v1, VecNormalize": lambda: PPO(
        "MlpPolicy", VecNormalize(outer("CartPole-v1")), **OF_PPO
    ),
    "PPO: CartPole-v1, VecMonitor": lambda: PPO(
        "MlpPolicy",
        VecMonitor(VecProcessReward(gym_only("CartPole-v1"))),
        **OF_PPO,
    ),
    "RecurrentPPO: maze": lambda: RecurrentPPO(
        "MlpLstmPolicy", outer(MAZE), policy_kwargs={"lstm_hidden_size": 8}, **OF_PPO
    ),
    "DQN: CartPole-v1, buffer wrapped around": lambda: DQN(
        "MlpPolicy", outer("CartPole-v1"), **OFF_POLICY, **REPLAY
    ),
    "DQN: maze, buffer memory optimised": lambda: DQN(
        "MlpPolicy", outer(MAZE), **OFF_POLICY, **REPLAY, **TIGHT
    ),
    "SAC: Pendulum-v1, Dict observations": lambda: SAC(
        "MultiInputPolicy", dict_venv(), **OFF_POLICY, **DICT_REPLAY
    ),
    "SAC: Pendulum-v1, VecNormalize": lambda: SAC(
        "MlpPolicy", VecNormalize(outer("Pendulum-v1")), **OFF_POLICY, **REPLAY
    ),
}


def gym_only(env_id: str) -> Any:
    from stable_baselines3.common.vec_env import DummyVecEnv

    venv = DummyVecEnv([taped(env_id)] * 2)
    venv.seed(5)
    return venv


def learn(
    make: Callable[[], Any],
    path: Path,
    total: int,
    break_at: int = 0,
    config: OPRLConfig = QUICK,
) -> Any:
    """Learn as a script that may be started again would."""
    model = make()
    model.set_logger(configure(None, []))
    callback = OPRLCallback(config, save_path=path, save_every=300)
    save = CheckpointSaver._save

    def save_and_break(saver: CheckpointSaver) -> None:
        save(saver)
        if break_at and model.num_timesteps >= break_at:
            raise BreakOffError

    done = callback.resume(model)
    try:
        with patch.object(CheckpointSaver, "_save", save_and_break):
            model.learn(total - done, callback=callback, reset_num_timesteps=done == 0)
    finally:
        model.env.close()
    return model, callback


def outcome(model: Any, callback: OPRLCallback) -> dict[str, Any]:
    """Return all that two equal runs have in common."""
    learner = callback.learner
    assert learner is not None
    return {
        "agent": {k: v.numpy() for k, v in model.policy.state_dict().items()},
        "reward": learner.reward_state().weights,
        "unit": learner.process_reward.unit,
        "late": learner.process_reward.late,
        "episodes": [info["r"] for info in model.ep_info_buffer],
        "returns": [episode.env_return for episode in learner.memory.trajectories],
        "best": [episode.env_return for episode in learner.memory.best],
        "first visits": [
            one.first_visits.tolist() for one in learner.memory.trajectories
        ],
        "labels": [preference.label for preference in learner.memory.preferences],
        "steps": model.num_timesteps,
        "report": callback.report,
        "logged": callback._agent.online.logged(0.1, 1.0),
    }


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in ("agent", "reward"):
        for key, value in one[name].items():
            np.testing.assert_array_equal(value, other[name][key], f"{name} {key}")
    for name in one.keys() - {"agent", "reward"}:
        assert one[name] == other[name], name


ASKING = replace(QUICK, pairs_per_update=16, trajectory_capacity=20)
CASES = [(name, QUICK) for name in RUNS] + [
    ("PPO: maze", ASKING),
    ("A2C: maze, wrapper in each env", ASKING),
    ("A2C: maze, paid late", QUICK),
]
RUNS["A2C: maze, paid late"] = lambda: A2C(
    "MlpPolicy", outer_of(late_maze), **ON_POLICY
)


def late_maze() -> gym.Env:
    """Return a maze that pays for the whole of an episode with its last step."""
    maze = gym.wrappers.TransformReward(gym.make(MAZE), lambda reward: reward - 0.1)
    return EpisodeTape(DelayedReward(maze))


@pytest.mark.parametrize(
    ("name", "config"),
    CASES,
    ids=[name + ", asked" * (config is ASKING) for name, config in CASES],
)
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(name, config, tmp_path):
    total = 1400 if name.startswith("SAC") else 1000  # Pendulum takes 200 an episode
    whole = learn(RUNS[name], tmp_path / "whole", total, config=config)
    for at in (300, 600):  # broken off twice
        with pytest.raises(BreakOffError):
            learn(RUNS[name], tmp_path / "parts", total, at, config)
        counters = read_state(tmp_path / "parts")["agent"]["counters"]
        assert at <= counters["num_timesteps"] < total
    parts = learn(RUNS[name], tmp_path / "parts", total, config=config)
    assert parts[1].learner.process_reward.fitted
    assert parts[1].learner.process_reward.late == (name == "A2C: maze, paid late")
    assert bool(parts[1].learner.memory.preferences) == (config is ASKING)
    assert_equal(outcome(*whole), outcome(*parts))


def test_without_tapes_new_episodes_begin_and_nothing_else_is_lost(tmp_path):
    make = lambda: PPO(  # noqa: E731
        "MlpPolicy", VecProcessReward(make_vec_env(MAZE, 3, seed=5)), **OF_PPO
    )
    path = tmp_path / "run"
    with pytest.raises(BreakOffError):
        learn(make, path, 1200, break_at=600)
    saved = read_state(path)
    model = make()
    callback = OPRLCallback(QUICK, save_path=path)
    assert callback.resume(model) == saved["agent"]["counters"]["num_timesteps"] >= 600
    assert callback.learner is not None
    kept = saved["parts"]["oprl"]["learner"]["memory"]
    assert len(callback.learner.memory.trajectories) == kept["kept"] > 0
    start = model.env.reset()
    assert (model._last_obs == start).all()
    assert model._last_episode_starts.all()
    model.learn(300, callback=callback, reset_num_timesteps=False)


@pytest.mark.parametrize("wrapped", ["outside", "in each env"])
def test_episodes_that_wait_to_be_learned_from_are_kept_without_tapes(
    wrapped, tmp_path
):
    """Not only those going on: nothing that is over has to be played again."""
    rarely = replace(QUICK, update_interval=10**6)

    def make() -> PPO:
        if wrapped == "outside":
            venv: Any = VecProcessReward(make_vec_env("CartPole-v1", 2, seed=5))
        else:
            venv = make_vec_env(
                "CartPole-v1", 2, seed=5, wrapper_class=ProcessRewardWrapper
            )
        return PPO("MlpPolicy", venv, **OF_PPO)

    path = tmp_path / "run"
    with pytest.raises(BreakOffError):
        learn(make, path, 1200, break_at=600, config=rarely)
    model = make()
    callback = OPRLCallback(rarely, save_path=path)
    callback.resume(model)
    ended = read_state(path)["parts"]["oprl"]["waiting"]
    assert ended > 20
    episodes = callback._agent._wrappers.pop_episodes()
    assert len(episodes) == ended
    assert sum(map(len, episodes)) <= 800


def test_wrappers_that_know_their_episodes_begin_new_ones(tmp_path):
    def make() -> PPO:
        venv = VecFrameStack(outer("CartPole-v1"), 2)
        return PPO("MlpPolicy", venv, **OF_PPO)

    with pytest.raises(BreakOffError):
        learn(make, tmp_path / "run", 1200, break_at=600)
    model, _ = learn(make, tmp_path / "run", 1200)
    assert model.num_timesteps >= 1200


class Moody(gym.Wrapper):
    """Random beside np_random, so that no episode can be played again."""

    def step(self, action):
        observation, *rest = self.env.step(action)
        return observation + np.random.default_rng().normal(size=4) * 1e-3, *rest


def test_an_env_that_cannot_be_played_again_is_said_to_be_so(tmp_path):
    def make() -> PPO:
        env = lambda: EpisodeTape(Moody(gym.make("CartPole-v1")))  # noqa: E731
        return PPO("MlpPolicy", VecProcessReward(make_vec_env(env, 2)), **OF_PPO)

    with pytest.raises(BreakOffError):
        learn(make, tmp_path / "run", 1200, break_at=600)
    with pytest.warns(UserWarning, match="random beside np_random"):
        learn(make, tmp_path / "run", 1200)


def test_nothing_to_resume_is_zero_steps(tmp_path):
    model = PPO("MlpPolicy", outer(MAZE), **OF_PPO)
    assert OPRLCallback(save_path=tmp_path / "none").resume(model) == 0
    with pytest.raises(ValueError, match="save_path"):
        OPRLCallback().resume(model)


def test_the_folder_must_be_there_before_hours_are_spent(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        OPRLCallback(save_path=tmp_path / "no" / "run")
    with pytest.raises(ValueError, match="save_every"):
        OPRLCallback(save_path=tmp_path / "run", save_every=0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run"
    learn(RUNS["PPO: maze"], path, 600)
    return path


OTHERS: dict[str, tuple[Callable[[], Any], OPRLConfig, str]] = {
    "algorithm": (
        lambda: A2C("MlpPolicy", outer(MAZE), **ON_POLICY),
        QUICK,
        "its algorithm is PPO, here it is A2C",
    ),
    "env": (
        lambda: PPO("MlpPolicy", outer("CartPole-v1"), **OF_PPO),
        QUICK,
        "its observation_space is Box",
    ),
    "number of envs": (
        lambda: PPO("MlpPolicy", outer(MAZE, 2), **OF_PPO),
        QUICK,
        "its n_envs is 3, here it is 2",
    ),
    "network": (
        lambda: PPO(
            "MlpPolicy", outer(MAZE), policy_kwargs={"net_arch": [8]}, **OF_PPO
        ),
        QUICK,
        "the agent has other networks",
    ),
    "config": (
        lambda: PPO("MlpPolicy", outer(MAZE), **OF_PPO),
        OPRLConfig(hidden_size=8),
        r"hidden_size=16 \(now 8\)",
    ),
    "wrappers": (
        lambda: PPO("MlpPolicy", VecNormalize(outer(MAZE)), **OF_PPO),
        QUICK,
        "wrap them as they were",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(kind, checkpoint):
    make, config, message = OTHERS[kind]
    before = checkpoint.read_bytes()
    callback = OPRLCallback(config, save_path=checkpoint)
    with pytest.raises(ValueError, match=message):
        callback.resume(make())
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize(
    ("config", "teacher", "why"),
    [
        (replace(QUICK, temperature=0.5), None, "temperature=0.3"),
        (QUICK, ReturnTeacher(), "its teacher is a 'UtilityTeacher', here it is a Ret"),
    ],
)
def test_an_agent_whose_reward_is_learned_otherwise_is_left_as_it_was(
    config, teacher, why, checkpoint
):
    model = PPO("MlpPolicy", outer(MAZE), **OF_PPO)
    before = model.policy.action_net.weight.clone()
    callback = OPRLCallback(config, teacher, save_path=checkpoint)
    with pytest.raises(ValueError, match=why):
        callback.resume(model)
    assert model.num_timesteps == 0
    assert torch.equal(model.policy.action_net.weight, before)
    assert callback.learner is not None
    assert not callback.learner.trajectories


def test_a_folder_is_no_place_for_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="is a folder; name a file in it"):
        OPRLCallback(save_path=tmp_path)


def change(state: Any, path: str, value: Any) -> None:
    *way, last = path.split("/")
    for name in way:
        state = state[name]
    if value is None:
        del state[last]
    else:
        state[last] = value


LEARNER = "parts/oprl/learner"
SPOILT = {
    "agent/counters": None,
    "agent/parameters": {"__class__": {}},
    "agent/episodes": 3,
    f"{LEARNER}/memory/trajectories/steps": np.array([10**9]),
    f"{LEARNER}/memory/trajectories/actions": np.zeros(0),
    f"{LEARNER}/memory/trajectories/first_visits": np.zeros(3, dtype=bool),
    f"{LEARNER}/memory/best": [10**6],
    f"{LEARNER}/memory/preferences/pairs": np.array([[0, 10**6]]),
    f"{LEARNER}/memory/preferences/labels": np.array([7.0] * 200),
    f"{LEARNER}/pay": {},
    f"{LEARNER}/rows": {"rows": None},
    f"{LEARNER}/rng": {"bit_generator": "MT19937"},
    f"{LEARNER}/reward/weights": {},
    f"{LEARNER}/teacher/novelty": {},
    f"{LEARNER}/teacher/latest": None,
    "envs/tapes": [{"seed": 1}],
    "random/numpy": ("MT19937", np.zeros(3)),
}


@pytest.mark.parametrize("where", SPOILT)
def test_spoilt_content_is_refused_with_the_file_named(where, checkpoint, tmp_path):
    state = read_state(checkpoint)
    change(state, where, SPOILT[where])
    path = tmp_path / "spoilt"
    write_state(path, state)
    callback = OPRLCallback(QUICK, save_path=path)
    with pytest.raises(ValueError, match="spoilt is no checkpoint of this run"):
        callback.resume(PPO("MlpPolicy", outer(MAZE), **OF_PPO))


@pytest.mark.parametrize("place", [-1, 625, 10**9, 0.5, None])
def test_random_numbers_are_read_from_no_place_beyond_theirs(place):
    """NumPy takes any, and the process ends by it."""
    state = random_state()
    kind, words, _, *rest = state["numpy"]
    with pytest.raises(ValueError, match="random numbers"):
        load_random_state({**state, "numpy": (kind, words, place, *rest)})


def test_layers_around_vec_normalize_and_steps_in_floats_are_no_damage(tmp_path):
    """SB3 keeps what `learn` was given, and the observations inside of the layers."""
    path = tmp_path / "run"

    def begin():
        venv = VecFrameStack(VecNormalize(outer("CartPole-v1")), 2)
        return PPO("MlpPolicy", venv, **OF_PPO)

    begin().learn(1e2, callback=OPRLCallback(QUICK, save_path=path, save_every=32))
    assert OPRLCallback(QUICK, save_path=path).resume(begin()) >= 100


def test_a_reward_model_is_no_checkpoint(tmp_path):
    from oprl_gym.rewards import save_process_reward

    model = PPO("MlpPolicy", outer(MAZE), **OF_PPO)
    callback = OPRLCallback(QUICK, save_path=tmp_path / "reward")
    callback.init_callback(model)
    assert callback.learner is not None
    save_process_reward(tmp_path / "reward", callback.learner.process_reward)
    with pytest.raises(ValueError, match="is not a saved state"):
        callback.resume(model)
