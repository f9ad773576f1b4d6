"""A whole training in imitation's reward wrapper, in an environment that has imitation.

`overhead.py --imitation PYTHON` starts this file with that interpreter and nothing else
of ours in reach:

    PYTHON imitation_training.py plain|wrapped '{"name": "PPO", ...}' STEPS

It says which versions it found, in one line of JSON; from then on it answers every line
it reads with the env steps a second of CPU time of one training on CartPole-v1. The
reward network scores each step, as it does in a training by preferences, but it is not
fitted: that would come on top.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import torch
from imitation.rewards.reward_nets import (  # type: ignore[import-not-found]
    BasicRewardNet,
)
from imitation.rewards.reward_wrapper import (  # type: ignore[import-not-found]
    RewardVecEnvWrapper,
)
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

KINDS: dict[str, Any] = {"PPO": PPO, "A2C": A2C}
PACKAGES = ("imitation", "gymnasium", "numpy", "torch", "stable-baselines3")


def make_venv(n_envs: int, wrapped: bool) -> VecEnv:
    """Return the envs, scored by a network of 128 x 128 units or not."""
    venv = make_vec_env("CartPole-v1", n_envs, seed=0)
    if not wrapped:
        return venv
    spaces = venv.observation_space, venv.action_space
    network = BasicRewardNet(*spaces, hid_sizes=(128, 128))
    scored: VecEnv = RewardVecEnvWrapper(venv, network.predict_processed)
    return scored


def steps_a_second(agent: dict[str, Any], steps: int, wrapped: bool) -> float:
    """Return the rate of one training."""
    venv = make_venv(agent["n_envs"], wrapped)
    model = KINDS[agent["name"]](
        "MlpPolicy", venv, seed=0, device="cpu", **agent["kwargs"]
    )
    start = time.process_time()
    model.learn(steps)
    return float(steps / (time.process_time() - start))


def main(arm: str, agent: str, steps: str) -> None:
    """Answer until there is nothing more to read."""
    # What imitation prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    versions = {name: version(name) for name in PACKAGES}
    print(json.dumps(versions), file=answers, flush=True)
    for _ in sys.stdin:
        rate = steps_a_second(json.loads(agent), int(steps), arm == "wrapped")
        print(rate, file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
