"""What sixty answers of a script teach, beside the env's reward or alone.

    python -m benchmarks.sixty_answers --seeds 12 --env-reward-weight 0

The script stands in a person's place: it sees the maze, prefers the episode that came
nearer to the goal, and goes home after its last answer. Prints the success rate of each
tenth of the run.
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from benchmarks.ladder.agents import make_agent
from benchmarks.ladder.settings import ALGOS
from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.preferences import ProgressTeacher, Queries, Teacher
from oprl_gym.runs.teaching_config import HUMAN_LEARNER
from oprl_gym.types import Trajectory
from oprl_gym.wrappers import VecProcessReward

ENV_ID = "OPRLMaze-TwoWallsLong-v0"
ANSWERS = 60
STEPS = 60_000
PARTS = 10


class Script(Teacher):
    """Gives so many answers, each to a question of its own, and no more."""

    def __init__(self, answers: int = ANSWERS) -> None:
        env: Any = gym.make(ENV_ID).unwrapped
        self.sees = ProgressTeacher(distance_to_goal(env.layout))
        self.left = answers

    def judge(self, first: Trajectory, second: Trajectory) -> float | None:
        """Return 1 for the first, 0 for the second, 0.5 for both; None once gone."""
        if self.left == 0:
            self.done = True
            return None
        self.left -= 1
        one, other = self.sees.scores([first, second])[:, 0]
        return 0.5 if one == other else float(one > other)


class Successes(BaseCallback):
    """Notes when each episode ended, and whether at the goal."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[int, bool]] = []

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "oprl_episode" in info:
                won = info["oprl_episode"]["env_return"] > 0
                self.ends.append((self.num_timesteps, won))
        return True

    def rates(self) -> list[float]:
        """Return the success rate of each part of the run."""
        steps, won = (np.array(one) for one in zip(*self.ends, strict=True))
        part = np.minimum(steps * PARTS // STEPS, PARTS - 1)
        return [round(float(won[part == n].mean()), 2) for n in range(PARTS)]


def success_rates(seed: int, env_reward_weight: float) -> list[float]:
    """Return them of one run of the ladder's PPO."""
    bare = make_vec_env(ENV_ID, ALGOS["ppo"].n_envs, seed=seed)
    venv = VecProcessReward(bare, env_reward_weight=env_reward_weight)
    config = OPRLConfig(**HUMAN_LEARNER)
    spaces = venv.reward_spaces()
    learner = OPRLLearner(*spaces, config, Script(), seed, Queries("challenge"))
    successes = Successes()
    callback = [OPRLCallback(learner=learner), successes]
    make_agent(ALGOS["ppo"], venv, seed).learn(STEPS, callback=callback)
    return successes.rates()


def main() -> None:
    """Print the rates of some seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many (1)")
    parser.add_argument("--first-seed", type=int, default=0, help="(0)")
    parser.add_argument("--env-reward-weight", type=float, default=0.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        rates = success_rates(seed, options.env_reward_weight)
        print(f"seed {seed}: {' '.join(f'{rate:4.2f}' for rate in rates)}", flush=True)


if __name__ == "__main__":
    main()
