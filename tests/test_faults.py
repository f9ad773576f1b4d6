"""When something breaks for real: it is named, and nothing that was saved is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from oprl_gym import OPRLConfig
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.files.state_file import read_state
from oprl_gym.types import EnvError
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

KILL9 = Path(__file__).parent / "support" / "kill9.py"
QUICK = OPRLConfig(
    hidden_size=16,
    min_preferences=8,
    update_interval=64,
    pairs_per_update=8,  # answers that are kept, and so could be lost
    gradient_steps=2,
)


def killed(folder: Path, kills: int, seed: int) -> dict[str, int]:
    words = [sys.executable, str(KILL9), str(folder), str(kills), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


@pytest.mark.parametrize(
    ("kills", "seed"), [(8, 0), pytest.param(250, 1, marks=pytest.mark.long)]
)
def test_a_run_killed_at_random_moments_loses_nothing(kills, seed, tmp_path):
    counts = killed(tmp_path, kills, seed)
    assert counts["kills"] == kills
    assert counts["while saving"] >= kills // 8
    assert counts["lost checkpoints"] == 0
    assert counts["lost preferences"] == 0
    assert counts["runs"] >= 1
    assert counts["runs that ended otherwise"] == 0


class Faulty(gym.Wrapper[Any, Any, Any, Any]):
    """Breaks in its own way at its 300th step.

    Args:
        env: What works until then.
        fault: Turns the result of a step into a broken one, or raises.
    """

    def __init__(self, env: gym.Env[Any, Any], fault: Callable[[list], Any]) -> None:
        super().__init__(env)
        self.fault = fault
        self.steps = 0

    def step(self, action):
        self.steps += 1
        result = self.env.step(action)
        return result if self.steps < 300 else self.fault(list(result))


def with_item(place: int, value: Any) -> Callable[[list], Any]:
    def fault(result: list) -> Any:
        result[place] = value(result[place]) if callable(value) else value
        return tuple(result)

    return fault


def spoil(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def spoilt(observation: np.ndarray) -> np.ndarray:
        observation = observation.copy()
        observation[2] = value
        return observation

    return spoilt


def crash(result: list) -> Any:
    raise ZeroDivisionError("the simulator crashed")


FAULTS: dict[str, tuple[Callable[[list], Any], type[Exception], str]] = {
    "raises": (crash, ZeroDivisionError, "the simulator crashed"),
    "NaN reward": (with_item(1, np.nan), EnvError, "env 0 gave the reward nan"),
    "infinite reward": (with_item(1, -np.inf), EnvError, "env 0 gave the reward -inf"),
    "NaN observation": (with_item(0, spoil(np.nan)), EnvError, "env 0 gave a NaN or"),
    "infinite observation": (
        with_item(0, spoil(np.inf)),
        EnvError,
        "env 0 gave a NaN or infinite observation",
    ),
    "observation of another shape": (
        with_item(0, lambda observation: observation[:3]),
        EnvError,
        r"shape \(3,\), but its observation_space says \(64,\)",
    ),
}


def paying(reward: str) -> gym.Env[Any, Any]:
    maze = gym.make("OPRLMaze-v0")
    return gym.wrappers.TransformReward(maze, lambda _: float(reward))


def test_a_reward_beyond_single_precision_is_named():
    env = ProcessRewardWrapper(paying("1e308"))
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"env 0 gave the reward 1e\+308, more than"):
        env.step(0)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_reward_that_dummy_vec_env_made_infinite_is_named():
    venv = VecProcessReward(DummyVecEnv([lambda: paying("1e308")]))
    venv.reset()
    with pytest.raises(EnvError, match=r"env 0 gave the reward inf, .* single prec"):
        venv.step(np.array([0]))


def test_rewards_that_add_up_to_too_much_are_named():
    """Each would do, but an agent is fitted to their sum."""
    env = ProcessRewardWrapper(paying("-6e17"))
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(EnvError, match=r"env 0 .* episode comes to -1.2e\+18"):
        env.step(0)
    env.reset()
    env.step(0)


def faulty_maze(name: str) -> gym.Env[Any, Any]:
    return Faulty(gym.make("oprl_gym:OPRLMaze-v0"), FAULTS[name][0])


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_env_is_named_and_the_state_saved(name, tmp_path):
    """As it was before: the run goes on from there once the env is mended."""
    path = tmp_path / "run"
    _, kind, message = FAULTS[name]
    callback = OPRLCallback(QUICK, save_path=path, save_every=100)
    model = A2C("MlpPolicy", ProcessRewardWrapper(faulty_maze(name)), device="cpu")
    with pytest.raises(kind, match=message):
        model.learn(1000, callback=callback)
    assert read_state(path)["agent"]["counters"]["num_timesteps"] == 200

    mended = ProcessRewardWrapper(gym.make("OPRLMaze-v0"))
    again = OPRLCallback(QUICK, save_path=path, save_every=100)
    model = A2C("MlpPolicy", mended, device="cpu")
    assert again.resume(model) == 200
    assert again.learner is not None
    assert callback.learner is not None
    assert len(again.learner.memory.trajectories) > 0
    model.learn(200, callback=again, reset_num_timesteps=False)
    assert model.num_timesteps == 400


@pytest.mark.parametrize("name", [name for name in FAULTS if "shape" not in name])
@pytest.mark.parametrize("cls", [DummyVecEnv, SubprocVecEnv])
def test_a_broken_env_among_others_is_named(name, cls):
    _, kind, message = FAULTS[name]
    if cls is SubprocVecEnv and name == "raises":
        kind, message = EnvError, "a process that runs an env has died"
    envs = [lambda: gym.make("oprl_gym:OPRLMaze-v0"), lambda: faulty_maze(name)]
    venv = VecProcessReward(cls(envs))
    venv.reset()
    for step in range(299):
        venv.step(np.array([step % 2, step % 2]))
    with pytest.raises(kind, match=message.replace("env 0", "env 1")):
        venv.step(np.array([0, 0]))
    end(venv)


def end(venv: VecProcessReward) -> None:
    """Close it, or end the workers of one whose pipes are broken."""
    if isinstance(venv.venv, SubprocVecEnv):
        for process in venv.venv.processes:
            process.kill()
            process.join()
    else:
        venv.close()


def test_a_broken_env_of_a_gymnasium_vector_is_named():
    sound = lambda: gym.make("OPRLMaze-v0")  # noqa: E731
    envs = gym.vector.SyncVectorEnv([sound, lambda: faulty_maze("NaN reward")])
    envs = ProcessRewardVectorWrapper(envs)
    envs.reset(seed=0)
    for _ in range(303):  # 4 of them only reset env 1
        envs.step(np.array([0, 0]))
    with pytest.raises(EnvError, match="env 1 gave the reward nan"):
        envs.step(np.array([0, 0]))


def test_large_but_finite_values_are_no_fault():
    """Their squares are infinite, which the quick look takes for a sign."""
    env = gym.make("CartPole-v1")
    huge = gym.wrappers.TransformObservation(
        env, lambda o: np.full(4, 3e38, dtype=np.float32), env.observation_space
    )
    wrapped = ProcessRewardWrapper(huge)
    wrapped.reset(seed=0)
    wrapped.step(1)


class Killer(BaseCallback):
    """Kills a process after 250 env steps."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid

    def _on_step(self) -> bool:
        if self.num_timesteps == 250:
            os.kill(self.pid, signal.SIGKILL)
        return True


def test_a_worker_that_is_killed_is_named_and_the_state_saved(tmp_path):
    path = tmp_path / "run"
    venv = VecProcessReward(
        make_vec_env("oprl_gym:OPRLMaze-v0", 2, vec_env_cls=SubprocVecEnv)
    )
    callback = OPRLCallback(QUICK, save_path=path, save_every=100)
    model = A2C("MlpPolicy", venv, device="cpu")
    with pytest.raises(EnvError, match="a process that runs an env has died"):
        model.learn(400, callback=[callback, Killer(venv.venv.processes[0].pid)])
    assert read_state(path)["agent"]["counters"]["num_timesteps"] == 200
    end(venv)


def mounted(folder: Path, size: str) -> bool:
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk, "4m"):
        pytest.skip("no right to mount a small disk; the next test does without")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def filled(disk: Path) -> Path:
    """Return a file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_full_disk_costs_no_checkpoint(small_disk):
    path = small_disk / "run"
    model = A2C(
        "MlpPolicy", ProcessRewardWrapper(gym.make("OPRLMaze-v0")), device="cpu"
    )
    callback = OPRLCallback(QUICK, save_path=path, save_every=250)
    model.learn(500, callback=callback)
    before, ballast = path.read_bytes(), filled(small_disk)
    with (
        pytest.warns(UserWarning, match="no checkpoint at 750 steps"),
        pytest.raises(OSError, match="No space left on device"),
    ):
        model.learn(300, callback=callback, reset_num_timesteps=False)
    assert path.read_bytes() == before
    assert not path.with_name("run.partial").exists()
    ballast.unlink()
    model.learn(300, callback=callback, reset_num_timesteps=False)
    again = A2C(
        "MlpPolicy", ProcessRewardWrapper(gym.make("OPRLMaze-v0")), device="cpu"
    )
    assert OPRLCallback(QUICK, save_path=path).resume(again) == 1100


def test_a_file_that_may_not_grow_costs_no_checkpoint(tmp_path):
    """A quota, set on this process alone."""
    path = tmp_path / "run"
    model = A2C(
        "MlpPolicy", ProcessRewardWrapper(gym.make("OPRLMaze-v0")), device="cpu"
    )
    callback = OPRLCallback(QUICK, save_path=path, save_every=250)
    model.learn(500, callback=callback)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with (
            pytest.warns(UserWarning, match="no checkpoint at 750 steps"),
            pytest.raises(OSError, match="File too large"),
        ):
            model.learn(400, callback=callback, reset_num_timesteps=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert not path.with_name("run.partial").exists()


def test_nobody_who_drains_is_one_warning_and_the_oldest_are_dropped():
    env = ProcessRewardWrapper(gym.make("OPRLMaze-v0", max_episode_steps=1))

    def episodes(n: int) -> None:
        for _ in range(n):
            env.reset()
            env.step(0)

    with pytest.warns(UserWarning, match="nothing learns this reward") as caught:
        episodes(1000)  # and nothing is lost yet
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="the oldest are now dropped") as caught:
        episodes(500)
    assert len(caught) == 1
    assert len(env.pop_episodes()) == 1000
