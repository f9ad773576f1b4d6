"""PPO of RLlib solves the maze with OPRL, on several env runners."""

import pytest

from benchmarks.rllib_maze import ppo, run
from oprl_gym.rllib import with_oprl

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_here")]


def test_it_reaches_95_percent_success():
    figures = run(with_oprl(ppo("OPRLMaze-v0", seed=0)), max_steps=20_480)
    assert figures["evaluated"] >= 0.95
    assert figures["steps"] < 20_480
