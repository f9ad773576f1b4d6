"""What the env's own reward counts, and what a score is worth beside it."""

from __future__ import annotations

import csv

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from support.fakes import BackAndForth, ConstantReward
from support.streams import every_path

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.preferences import (
    LexicographicTeacher,
    NoveltyTeacher,
    ReturnTeacher,
    SimulatedTeacher,
)
from oprl_gym.rewards.scoring import ALONE
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

MOVES = [0, 1, 1, 0, 0, 0, 1] * 3
WEIGHTS = [
    (None, False, 1.0),
    (None, True, 0.0),  # paid for whole episodes: the process reward has shared it out
    (1.0, True, 1.0),
    (0.5, True, 0.5),
    (0.0, False, 0.0),
]


def late_env() -> BackAndForth:
    return BackAndForth(late=True)


@every_path
@pytest.mark.parametrize(("given", "late", "weight"), WEIGHTS)
def test_what_is_mixed(path, given, late, weight):
    """A score is worth the unit of the env, or what it is worth alone."""
    stream, episodes = path(
        make=BackAndForth,
        reward=ConstantReward(0.5, unit=8.0, late=late),
        actions=MOVES,
        env_reward_weight=given,
        scale=0.1,
    )
    process = 0.5 * (8.0 if weight else ALONE)
    for mixed, info in stream:
        assert info["env_reward"] == 1.0
        assert info["process_reward"] == process
        assert mixed == pytest.approx(weight + 0.1 * process)
    assert episodes[0].process_rewards.tolist() == [process] * 7
    assert stream[6][1]["oprl_episode"] == pytest.approx(
        {
            "env_return": 7.0,
            "process_return": 7 * process,
            "mixed_return": 7 * (weight + 0.1 * process),
        }
    )


@every_path
def test_a_potential_is_worth_as_much(path):
    stream, _ = path(
        make=BackAndForth,
        reward=ConstantReward(0.5, unit=8.0),
        actions=MOVES,
        mode="potential",
        gamma=0.5,
    )
    assert stream[0][1]["process_reward"] == 8.0 * (0.5 * 0.5 - 0.5)


@every_path
def test_beside_a_potential_the_env_goes_on_paying(path):
    """By itself it adds up to the same whatever the agent does."""
    stream, _ = path(
        make=BackAndForth,
        reward=ConstantReward(0.5, late=True),
        actions=MOVES,
        mode="potential",
        gamma=0.5,
        scale=0.1,
    )
    mixed, info = stream[0]
    assert info["process_reward"] == 0.5 * 0.5 - 0.5
    assert mixed == pytest.approx(1.0 + 0.1 * info["process_reward"])


def test_a_potential_alone_is_refused():
    with pytest.raises(ValueError, match="env_reward_weight=0 leaves nothing to learn"):
        ProcessRewardWrapper(BackAndForth(), mode="potential", env_reward_weight=0.0)


MAKERS = {
    "scalar": lambda **kw: ProcessRewardWrapper(late_env(), **kw),
    "sb3": lambda **kw: VecProcessReward(DummyVecEnv([late_env] * 2), **kw),
    "vector": lambda **kw: ProcessRewardVectorWrapper(
        gym.vector.SyncVectorEnv([late_env] * 2), **kw
    ),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_reward_counts_until_there_is_something_in_its_place(make):
    """As long as the model is unfitted there is no other reward to learn from."""
    env = make()
    assert env.env_reward_weight == 1.0
    env._mixer.scorer.process_reward = ConstantReward(0.5, late=True)
    env._mixer.scorer.process_reward.fitted = False
    assert env.env_reward_weight == 1.0
    env._mixer.scorer.process_reward.fitted = True
    assert env.env_reward_weight == 0.0
    env._mixer.scorer.process_reward.late = False  # taken back
    assert env.env_reward_weight == 1.0


def learner_of(env: gym.Env) -> OPRLLearner:
    config = OPRLConfig(hidden_size=8, min_preferences=1, gradient_steps=1)
    return OPRLLearner(env.observation_space, env.action_space, config, seed=0)


def play(env: ProcessRewardWrapper, episodes: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(episodes):
        env.reset()
        for _ in range(7):
            env.step(int(rng.integers(2)))


@pytest.mark.parametrize(
    ("teacher", "late"),
    [
        (None, True),
        (ReturnTeacher(), True),
        (LexicographicTeacher([NoveltyTeacher(), ReturnTeacher()]), True),
        (SimulatedTeacher(np.random.default_rng(0)), True),
        (NoveltyTeacher(), False),  # says nothing of what is paid
        (LexicographicTeacher([NoveltyTeacher()]), False),
    ],
)
def test_only_what_is_learned_from_returns_can_take_their_place(teacher, late):
    env = ProcessRewardWrapper(BackAndForth(late=True))
    config = OPRLConfig(hidden_size=8, min_preferences=1, gradient_steps=1)
    spaces = env.observation_space, env.action_space
    learner = OPRLLearner(*spaces, config, teacher, seed=0)
    play(env, 12)
    learner.update(env.pop_episodes())
    assert learner.process_reward.late is late


@pytest.mark.parametrize("late", [True, False])
def test_a_learner_finds_out_how_the_env_pays(late):
    env = ProcessRewardWrapper(BackAndForth(late))
    learner = learner_of(env)
    play(env, 9)
    learner.update(env.pop_episodes())
    env.load_reward_state(learner.reward_state())
    assert learner.process_reward.fitted
    assert learner.process_reward.unit == pytest.approx(7.0 if late else 1.0)
    assert env.env_reward_weight == 1.0  # nine episodes are too few to tell
    play(env, 1)
    learner.update(env.pop_episodes())
    env.load_reward_state(learner.reward_state())
    assert env.env_reward_weight == (0.0 if late else 1.0)


def test_episodes_decide_also_before_anything_is_fitted():
    env = ProcessRewardWrapper(BackAndForth(late=True))
    learner = learner_of(env)
    play(env, 10)
    learner.observe(env.pop_episodes())
    env.load_reward_state(learner.reward_state())
    assert learner.process_reward.late
    assert env.env_reward_weight == 1.0


SET_UPS = {
    "single env": lambda: ProcessRewardWrapper(late_env()),
    "Monitor outside": lambda: Monitor(ProcessRewardWrapper(late_env())),
    "wrapper in each env": lambda: make_vec_env(
        late_env, 2, wrapper_class=ProcessRewardWrapper
    ),
    "in subprocesses": lambda: make_vec_env(
        late_env, 2, wrapper_class=ProcessRewardWrapper, vec_env_cls=SubprocVecEnv
    ),
    "VecProcessReward": lambda: VecProcessReward(make_vec_env(late_env, 2)),
}


@pytest.mark.parametrize("set_up", SET_UPS.values(), ids=SET_UPS)
def test_an_agent_of_a_late_env_comes_to_learn_from_the_process_reward(
    set_up, tmp_path
):
    model = PPO("MlpPolicy", set_up(), n_steps=64, n_epochs=1, seed=0, device="cpu")
    model.set_logger(configure(str(tmp_path), ["csv"]))
    config = OPRLConfig(hidden_size=8, min_preferences=4, update_interval=64)
    try:
        model.learn(640, callback=OPRLCallback(config), log_interval=1)
        venv = model.get_env()
        assert venv is not None
        assert RewardWrappers.find(venv).env_reward_weight() == 0.0
    finally:
        model.env.close()
    model.logger.close()
    with (tmp_path / "progress.csv").open(newline="") as file:
        *_, row = csv.DictReader(file)
    assert float(row["oprl/env_reward_weight"]) == 0.0
    assert float(row["oprl/env_reward_mean"]) == 1.0
    # An episode has seven steps. What it pays is no part of this.
    expected = 0.1 * 7 * float(row["oprl/process_reward_mean"])
    assert float(row["oprl/mixed_return"]) == pytest.approx(expected, rel=1e-3)


def test_the_agents_rollout_is_scored_anew_without_the_env_reward():
    """In the rollout at whose end the model is first fitted, too."""
    env = VecProcessReward(DummyVecEnv([late_env] * 2))
    env._mixer.scorer.process_reward = ConstantReward(0.0)
    env.reset()
    env.keep_rollout(100)
    for _ in range(7):
        env.step(np.zeros(2, int))
    env._mixer.scorer.process_reward = ConstantReward(0.5, unit=7.0, late=True)
    rescored = env.rescore_rollout()
    assert rescored.given[-1].tolist() == [7.0, 7.0]
    np.testing.assert_allclose(rescored.newest, np.full((7, 2), 0.1 * 0.5 * ALONE))


@pytest.mark.parametrize("weight", [None, 0.0, 1.0])
def test_automatic_is_a_setting_that_a_spec_remembers(weight):
    env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"), env_reward_weight=weight)
    rebuilt = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert rebuilt.get_wrapper_attr("shaping").env_reward_weight == weight
    assert ProcessRewardWrapper(late_env()).shaping.env_reward_weight is None


@pytest.mark.parametrize("weight", [None, 0.0])
def test_answers_without_a_margin_know_of_no_unit(weight):
    """What a person prefers is not measured in what the env pays."""
    env = ProcessRewardWrapper(BackAndForth(), env_reward_weight=weight)
    config = OPRLConfig(hidden_size=8, min_preferences=4, pairs_per_update=16)
    learner = OPRLLearner(env.observation_space, env.action_space, config, seed=0)
    play(env, 12)
    learner.update(env.pop_episodes())
    assert learner.process_reward.fitted
    env.load_reward_state(learner.reward_state())
    assert env._mixer.scorer.unit == 1.0
