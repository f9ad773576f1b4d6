"""PPO of RLlib on a maze, plain and with OPRL: env steps until it is solved.

    python -m benchmarks.rllib_maze --seeds 0 1 2

in an environment with the extra [rllib]. One line for each run, as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.rllib.algorithms.ppo import PPOConfig

from oprl_gym.rllib import with_oprl

GOAL = 10.0  # what a success is paid; an episode without one returns 0


def ppo(env_id: str, seed: int, num_env_runners: int = 2) -> PPOConfig:
    """Return PPO with the settings of ``oprl-gym train``, as far as RLlib has them."""
    config = PPOConfig().environment(f"oprl_gym:{env_id}")
    config.env_runners(
        num_env_runners=num_env_runners,
        num_envs_per_env_runner=8 // max(1, num_env_runners),
    )
    config.training(
        train_batch_size_per_learner=1024,  # 8 envs, 128 steps each
        minibatch_size=256,
        num_epochs=10,
        lr=3e-4,
        gamma=0.99,
        lambda_=0.95,
        clip_param=0.2,
        entropy_coeff=0.01,
        vf_loss_coeff=0.5,
        vf_clip_param=float("inf"),
        use_kl_loss=False,
        grad_clip=0.5,
    )
    config.rl_module(
        model_config={
            "fcnet_hiddens": [64, 64],
            "fcnet_activation": "tanh",
            "vf_share_layers": False,
        }
    )
    # Evaluated as it acts in training, by chance: one greedy episode is like another.
    config.evaluation(
        evaluation_num_env_runners=1,
        evaluation_duration=100,
        evaluation_config={"explore": True},
    )
    return config.debugging(seed=seed, log_level="ERROR")


def run(config: PPOConfig, max_steps: int, solved: float = 0.95) -> dict[str, Any]:
    """Train until ``solved`` of the latest 100 episodes succeed; returns figures."""
    algorithm = config.build_algo()
    began = time.monotonic()
    steps, to_90 = 0, None
    while steps < max_steps:
        result = algorithm.train()
        steps = int(result["num_env_steps_sampled_lifetime"])
        success = result["env_runners"].get("episode_return_mean", 0.0) / GOAL
        if success >= 0.9 and to_90 is None:
            to_90 = steps
        if success >= solved:
            break
    seconds = time.monotonic() - began
    evaluated = algorithm.evaluate()["env_runners"]["episode_return_mean"] / GOAL
    algorithm.stop()
    return {
        "steps_to_90": to_90,
        "steps": steps,
        "seconds": round(seconds),
        "evaluated": evaluated,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every seed with and without OPRL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env-id", default="OPRLMaze-v0")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-steps", type=int, default=40_960)
    options = parser.parse_args(arguments)
    # Logical CPUs: each env runner asks for one, and there may be fewer.
    ray.init("local", num_cpus=8, include_dashboard=False)
    for seed in options.seeds:
        for oprl in (False, True):
            config = ppo(options.env_id, seed)
            figures = run(with_oprl(config) if oprl else config, options.max_steps)
            print(json.dumps({"seed": seed, "oprl": oprl, **figures}), flush=True)


if __name__ == "__main__":
    main()
