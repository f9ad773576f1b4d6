"""The cheap rivals: what each step is paid, by numbers worked out by hand."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.rivals.shaping import ConstantReward, CountBonus
from oprl_gym.cli import main
from oprl_gym.runs.config import TrainConfig
from oprl_gym.training.envs import make_training_env
from oprl_gym.wrappers import VecFirstVisitBonus, VecStepCost

GOAL = 5.0


class Walk(gym.Env):
    """Goes where the action says; ends at place 3, which pays 5."""

    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return action, GOAL * (action == 3), action == 3, False, {}


def paid(venv, actions):
    """Return what env 0 of two is paid for each action."""
    return [float(venv.step(np.array([a, 0]))[1][0]) for a in actions]


def walks(kind, limit=None):
    make = Walk if limit is None else lambda: gym.wrappers.TimeLimit(Walk(), limit)
    venv = kind(DummyVecEnv([make, make]))
    venv.reset()
    return venv


def test_what_is_new_in_the_episode_pays_a_hundredth_of_a_unit():
    venv = walks(VecFirstVisitBonus)
    # Place 0 was there before; the goal is new, and from then on a unit is 5.
    assert paid(venv, [1, 0, 2, 1, 3]) == pytest.approx([0.01, 0, 0.01, 0, 5.01])
    assert paid(venv, [0, 1, 1]) == pytest.approx([0, 0.05, 0])


def test_the_longest_episode_costs_a_unit():
    venv = walks(VecStepCost)
    assert paid(venv, [1, 2, 1, 3]) == pytest.approx([0, 0, 0, 5])  # none has ended
    assert paid(venv, [1, 3, 1]) == pytest.approx([-5 / 4, 5 - 5 / 4, -5 / 4])


def test_how_long_an_episode_may_be_is_known_where_the_spec_says_so():
    venv = VecStepCost(DummyVecEnv([lambda: gym.make("OPRLMaze-v0")]))
    venv.reset()
    assert venv.step(np.array([0]))[1].tolist() == pytest.approx([-1 / 60])


def test_the_env_own_reward_stays_to_be_read():
    venv = walks(VecFirstVisitBonus)
    infos = venv.step(np.array([3, 1]))[3]
    assert [info["env_reward"] for info in infos] == [GOAL, 0.0]


def test_of_two_bonuses_both_know_what_the_env_paid():
    venv = VecFirstVisitBonus(walks(VecStepCost))
    venv.reset()
    venv.step(np.array([1, 1]))
    venv.step(np.array([3, 1]))  # an episode of two steps, and a unit is 5
    _, rewards, _, infos = venv.step(np.array([0, 2]))
    assert [info["env_reward"] for info in infos] == [0.0, 0.0]
    assert rewards.tolist() == pytest.approx([-5 / 2, -5 / 2 + 0.05])


@pytest.mark.parametrize("kind", [VecFirstVisitBonus, VecStepCost])
def test_a_bonus_goes_on_from_its_state(kind):
    venv, other = walks(kind), walks(kind)
    paid(venv, [1, 2, 3, 1, 2])
    other.load_recording_state(venv.recording_state())
    actions = [1, 0, 2, 3, 1]
    assert paid(other, actions) == paid(venv, actions)
    with pytest.raises(ValueError, match="of 2 envs, here 1"):
        kind(DummyVecEnv([Walk])).load_recording_state(venv.recording_state())


@pytest.mark.parametrize(
    "env_id", ["OPRLMaze-v0", "benchmarks.minigrid:OneHotDoorKey-5x5-v0"]
)
def test_once_the_goal_is_known_they_pay_what_the_benchmarks_rivals_do(env_id):
    """Those are told what a goal is worth, and how long an episode may last."""
    worth = 10.0 if env_id == "OPRLMaze-v0" else 1.0
    limit = gym.make(env_id).spec.max_episode_steps or 250

    def make(kind, *arguments):
        venv = kind(DummyVecEnv([lambda: gym.make(env_id)]), *arguments)
        venv.seed(0)
        venv.reset()
        return venv

    ours = [make(VecFirstVisitBonus), make(VecStepCost)]
    theirs = [make(CountBonus, worth / 100), make(ConstantReward, -worth / limit)]
    for venv in ours:
        venv._pay.observe_rewards([np.array([worth])])
    if ours[1]._limit is None:
        ours[1]._longest = limit
    actions = np.random.default_rng(0).integers(0, 3, size=(100, 1))
    for pair in zip(ours, theirs, strict=True):
        rewards = [[float(venv.step(a)[1][0]) for a in actions] for venv in pair]
        assert rewards[0] == pytest.approx(rewards[1])


def test_a_run_has_a_bonus_or_a_learned_reward(capsys):
    with pytest.raises(ValueError, match="bonus='step-cost' is a rival"):
        TrainConfig(bonus="step-cost")
    assert main(["train", "--bonus", "first-visit"]) == 2
    assert "add --no-oprl" in capsys.readouterr().err
    config = TrainConfig(oprl=False, bonus="first-visit", n_envs=1)
    assert isinstance(make_training_env(config), VecFirstVisitBonus)
