"""The reward trainer, without Ray around it."""

import numpy as np
from gymnasium import spaces
from support.fakes import QUICK, trajectory

from oprl_gym.episodes.arrays import pack_trajectories
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.rllib.episodes import StepSpaces
from oprl_gym.rllib.trainer import RewardTrainer, Settings

SPACES = StepSpaces(spaces.Box(0, 1, (4,), dtype=np.float32), spaces.Discrete(2))
EPISODES = {
    1: [trajectory([0, 1, 2]), trajectory([0, 1, 2, 3], [0.0, 0.0, 1.0])],
    2: [trajectory([0, 2, 0]), trajectory([0, 3], [1.0])],
}


def new_trainer():
    return RewardTrainer(SPACES, Settings(QUICK, None, Shaping()), seed=0)


def fed(order, rounds=3):
    trainer = new_trainer()
    for _ in range(rounds):
        for env_runner in order:
            trainer.take(env_runner, 64, pack_trajectories(EPISODES[env_runner]))
        trainer.newest(None)
    return trainer


def test_weights_are_handed_out_once():
    trainer = new_trainer()
    version, state = trainer.newest(None)
    assert not state.fitted
    assert trainer.newest(version) is None
    trainer.take(1, QUICK.update_interval - 1, pack_trajectories(EPISODES[1]))
    assert trainer.newest(version) is None, "an update is not due yet"
    trainer.take(1, 1, pack_trajectories([]))
    newer, _ = trainer.newest(version)
    assert newer > version
    assert len(trainer.learner.memory.trajectories) == 2


def test_it_is_chance_which_runner_comes_first_and_makes_no_difference():
    first, second = fed([1, 2]), fed([2, 1])
    assert first.newest(None)[1].fitted
    np.testing.assert_equal(first.state(), second.state())


def test_episodes_are_scored_by_the_weights_before_the_update():
    trainer = fed([1, 2])
    before = trainer.learner.process_reward
    expected = before.unit * before.score_episode(EPISODES[1][1])
    assert expected.any()
    trainer.take(1, QUICK.update_interval, pack_trajectories(EPISODES[1]))
    trainer.newest(None)
    kept = trainer.learner.memory.trajectories[-1]
    np.testing.assert_allclose(kept.process_rewards, expected, atol=1e-6)
    total = sum(
        one.process_return for one in list(trainer.learner.memory.trajectories)[-2:]
    )
    mean = trainer.report()["process_reward_mean"]
    np.testing.assert_allclose(mean, total / (2 + 3))


def test_a_state_goes_on_where_it_was_taken():
    trainer = fed([1, 2])
    trainer.take(2, 100, pack_trajectories(EPISODES[2]))
    other = new_trainer()
    trainer.settle()
    other.load_state(trainer.state())
    for one in (trainer, other):
        one.take(1, 200, pack_trajectories(EPISODES[1]))
        one.newest(None)
    assert trainer.report() == other.report()
    np.testing.assert_equal(trainer.state(), other.state())
    assert other.newest(0) is not None, "weights were loaded that nobody has"
