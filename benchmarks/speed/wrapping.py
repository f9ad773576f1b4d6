"""What the process reward adds to a step of many mazes: scored, mixed and recorded.

    python -m benchmarks.speed.wrapping   # a minute
    python -m benchmarks.speed.wrapping --smoke   # seconds; the figures mean nothing

Random actions, drawn beforehand; CPU time of one thread. `bare` steps the batched
mazes; `wrapped` does so through `ProcessRewardVectorWrapper` with a fitted model, and
takes the recorded episodes away every 64 steps, as a learner would. Their steps take
turns. Writes `results/wrapping.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import torch
from gymnasium.vector import VectorEnv

from benchmarks import provenance
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import REPEATS, Contestant, Rates, in_turns, show, write
from benchmarks.speed.throughput import MAZE, vector
from oprl_gym import OPRLLearner
from oprl_gym.rewards import RewardState
from oprl_gym.wrappers import ProcessRewardVectorWrapper

FILE = "wrapping.json"
SIZES = (8, 64, 1024)
SMOKE_SIZES = (8, 1024)
SECONDS = 0.5  # of each contestant in a round
BARE, WRAPPED = "bare", "wrapped"


def measure(sizes: Sequence[int], repeats: int, seconds: float) -> Rates:
    """Return the rates with and without the wrapper, printing them on the way."""
    rates: Rates = {}
    for num_envs in sizes:
        group = group_name(num_envs)
        contestants = {BARE: vector(mazes(num_envs)), WRAPPED: wrapped(num_envs)}
        rates[group] = in_turns(contestants, repeats, seconds)
        show(group, rates[group])
    return rates


def group_name(num_envs: int) -> str:
    """Return what the contestants of N envs are kept under."""
    return f"vector {num_envs}"


def mazes(num_envs: int) -> VectorEnv[Any, Any, Any]:
    """Return N mazes that move as one batch."""
    return gym.make_vec(MAZE, num_envs)


def wrapped(num_envs: int) -> Contestant:
    """Return scored mazes whose episodes are taken away."""
    envs = scored_mazes(num_envs)
    steps = vector(envs)

    def work() -> None:
        steps.work()
        envs.pop_episodes()

    return Contestant(work, steps.units)


def scored_mazes(num_envs: int) -> ProcessRewardVectorWrapper:
    """Return N mazes that are scored by a fitted model."""
    envs = ProcessRewardVectorWrapper(mazes(num_envs))
    envs.load_reward_state(fitted(envs))
    return envs


def fitted(envs: VectorEnv[Any, Any, Any]) -> RewardState:
    """Return a model that scores as a fitted one does: what it says does not matter."""
    learner = OPRLLearner(
        envs.single_observation_space, envs.single_action_space, seed=0
    )
    return replace(learner.reward_state(), fitted=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    options = make_parser(__doc__, "hardly any steps").parse_args(arguments)
    torch.set_num_threads(1)
    if options.smoke:
        rates = measure(SMOKE_SIZES, repeats=1, seconds=0.0)
    else:
        rates = measure(SIZES, REPEATS, SECONDS)
    command = provenance.command(["--smoke"] if options.smoke else [])
    write(options.results / FILE, "env steps", rates, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
