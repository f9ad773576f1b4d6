"""Env steps a second of the maze, of Gymnasium's small envs, and of memory itself.

    python -m benchmarks.speed.throughput   # some minutes
    python -m benchmarks.speed.throughput --smoke   # seconds; the figures mean nothing

Random actions, drawn beforehand; episodes that end are begun anew. CPU time of one
process, in which the contestants of a group take turns. The limit is one
`numpy.take` of a one-hot row for each env into a new array: no env that returns new
one-hot observations can be faster. Writes `results/throughput.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

import oprl_gym  # noqa: F401  registers the mazes
from benchmarks import provenance
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import REPEATS, Contestant, Rates, in_turns, show, write
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.types import FloatArray, IntArray

FILE = "throughput.json"
MAZE = "OPRLMaze-v0"
RIVALS = ("FrozenLake8x8-v1", "CliffWalking-v1", "CartPole-v1")
SIZES = (8, 64, 1024, 8192)
SMOKE_SIZES = (8, 64)
LARGEST_SYNC = 1024  # beyond it one turn takes many seconds
SB3_SIZE = 8
SECONDS = 0.3  # of each contestant in a round
CALLS = 64  # steps between two looks at the clock, short beside SECONDS

NEXT_STEP, SAME_STEP = "NEXT_STEP", "SAME_STEP"
CARTPOLE = "CartPole-v1, vector_entry_point"
LIMIT = "limit: take"
NATIVE, MONITORED = "OPRLMazeVecEnv", "OPRLMazeVecEnv + VecMonitor"
DUMMY = "DummyVecEnv + Monitor"


def measure(sizes: Sequence[int], repeats: int, seconds: float) -> Rates:
    """Return the rates of all groups, printing them on the way."""
    groups: dict[str, Callable[[], dict[str, Contestant]]] = {
        "scalar": scalar_envs,
        **{f"vector {n}": partial(vector_envs, n) for n in sizes},
        f"SB3 {SB3_SIZE}": partial(sb3_envs, SB3_SIZE),
    }
    rates: Rates = {}
    for group, contestants in groups.items():
        rates[group] = in_turns(contestants(), repeats, seconds)
        show(group, rates[group])
    return rates


def scalar_envs() -> dict[str, Contestant]:
    """Return the envs of `gym.make`."""
    return {env_id: scalar(gym.make(env_id)) for env_id in (MAZE, *RIVALS)}


def vector_envs(num_envs: int) -> dict[str, Contestant]:
    """Return the envs of `gym.make_vec`, and the limit."""
    contestants = {LIMIT: limit(num_envs)}
    for mode in (NEXT_STEP, SAME_STEP):
        envs = gym.make_vec(MAZE, num_envs, autoreset_mode=AutoresetMode[mode])
        contestants[f"{MAZE}, {mode}"] = vector(envs)
    contestants[CARTPOLE] = vector(
        gym.make_vec("CartPole-v1", num_envs, vectorization_mode="vector_entry_point")
    )
    for env_id in RIVALS if num_envs <= LARGEST_SYNC else ():
        envs = gym.make_vec(env_id, num_envs, vectorization_mode="sync")
        contestants[f"{env_id}, sync"] = vector(envs)
    return contestants


def sb3_envs(num_envs: int) -> dict[str, Contestant]:
    """Return the vectorised envs of Stable-Baselines3."""
    return {
        NATIVE: sb3(OPRLMazeVecEnv(num_envs)),
        MONITORED: sb3(VecMonitor(OPRLMazeVecEnv(num_envs))),
        DUMMY: sb3(DummyVecEnv([_monitored_maze] * num_envs)),
    }


def scalar(env: gym.Env[Any, Any]) -> Contestant:
    """Return one env, reset when an episode ends."""
    actions = _drawn(env.action_space, 1).ravel().tolist()

    def work() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    env.reset(seed=0)
    return Contestant(work, len(actions))


def vector(envs: VectorEnv[Any, Any, Any]) -> Contestant:
    """Return N envs that reset themselves."""
    envs.reset(seed=0)
    return _repeated(envs.step, _drawn(envs.single_action_space, envs.num_envs))


def sb3(venv: VecEnv) -> Contestant:
    """Return N envs of Stable-Baselines3."""
    venv.reset()
    return _repeated(venv.step, _drawn(venv.action_space, venv.num_envs))


def limit(num_envs: int) -> Contestant:
    """Return the bare copying of N one-hot rows."""
    states = flatdim(gym.make(MAZE).observation_space)
    rows = np.eye(states, dtype=np.float32)

    def copy(of_envs: IntArray) -> FloatArray:
        return rows.take(of_envs, axis=0)

    return _repeated(copy, _drawn(spaces.Discrete(states), num_envs))


def _repeated(step: Callable[[Any], object], batches: IntArray) -> Contestant:
    """Return the step taken with each of (CALLS, N) batches."""

    def work() -> None:
        for batch in batches:
            step(batch)

    return Contestant(work, batches.size)


def _drawn(space: gym.Space[Any], num_envs: int) -> IntArray:
    """Return (CALLS, N) elements of a discrete space."""
    assert isinstance(space, spaces.Discrete)
    return np.random.default_rng(0).integers(space.n, size=(CALLS, num_envs))


def _monitored_maze() -> gym.Env[Any, Any]:
    return Monitor(gym.make(MAZE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    options = make_parser(__doc__, "hardly any steps").parse_args(arguments)
    if options.smoke:
        rates = measure(SMOKE_SIZES, repeats=1, seconds=0.0)
    else:
        rates = measure(SIZES, REPEATS, SECONDS)
    command = provenance.command(["--smoke"] if options.smoke else [])
    write(options.results / FILE, "env steps", rates, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
