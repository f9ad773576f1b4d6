"""DelayedReward: an episode's pay comes with its last step, and all of it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv
from support.fakes import BackAndForth, CountingEnv

from oprl_gym.preferences.pay import EnvPay
from oprl_gym.wrappers import DelayedReward, ProcessRewardWrapper


@pytest.fixture
def registered():
    """Register the counting env, which no module of the library knows."""
    gym.register("Counting-v0", "support.fakes:CountingEnv")
    yield "Counting-v0"
    gym.registry.pop("Counting-v0")


def rewards_of(env: gym.Env, steps: int) -> list[float]:
    env.reset()
    rewards = []
    for _ in range(steps):
        _, reward, terminated, truncated, _ = env.step(0)
        rewards.append(reward)
        if terminated or truncated:
            env.reset()
    return rewards


@pytest.mark.parametrize("terminates", [True, False])
def test_each_episode_is_paid_for_at_its_end(terminates):
    """Steps of the counting env pay 1001, 1002, 1003."""
    env = DelayedReward(CountingEnv(terminates=terminates))
    assert rewards_of(env, 7) == [0.0, 0.0, 3006.0, 0.0, 0.0, 3006.0, 0.0]


def test_nothing_but_the_reward_is_changed():
    env, plain = DelayedReward(CountingEnv()), CountingEnv()
    assert env.reset()[0].tolist() == plain.reset()[0].tolist()
    for _ in range(3):
        ours, theirs = env.step(2), plain.step(2)
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[2:] == theirs[2:]


def test_what_a_reset_cuts_short_is_forgotten():
    env = DelayedReward(CountingEnv())
    rewards_of(env, 2)
    assert rewards_of(env, 3) == [0.0, 0.0, 3006.0]


def test_a_time_limit_belongs_inside():
    inside = DelayedReward(TimeLimit(CountingEnv(length=10**9), 2))
    assert rewards_of(inside, 4) == [0.0, 2003.0, 0.0, 2003.0]
    outside = TimeLimit(DelayedReward(CountingEnv(length=10**9)), 2)
    assert rewards_of(outside, 4) == [0.0, 0.0, 0.0, 0.0]  # never paid


def test_returns_stay_what_they_are_to_whoever_records_them():
    env = ProcessRewardWrapper(DelayedReward(BackAndForth()))
    rewards_of(env, 70)
    episodes = env.pop_episodes()
    assert {episode.env_return for episode in episodes} == {7.0}
    assert all(not episode.env_rewards[:-1].any() for episode in episodes)
    pay = EnvPay()
    pay.observe(episodes)
    assert pay.late is True


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_it_is_an_env_like_any_other():
    check_env(DelayedReward(gym.make("OPRLMaze-v0").unwrapped), skip_render_check=True)


@pytest.mark.parametrize("through", ["env.spec", "JSON"])
def test_it_is_rebuilt_from_its_spec(registered, through):
    env = DelayedReward(gym.make(registered, length=2))
    spec = env.spec if through == "env.spec" else EnvSpec.from_json(env.spec.to_json())
    rebuilt = gym.make(spec)
    assert isinstance(rebuilt, DelayedReward)
    assert rebuilt.spec == env.spec
    assert rewards_of(rebuilt, 4) == [0.0, 2003.0, 0.0, 2003.0]


def test_with_other_wrappers_around_it_is_rebuilt_in_its_place(registered):
    env = ProcessRewardWrapper(DelayedReward(gym.make(registered)), scale=0.5)
    rebuilt = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(rebuilt, ProcessRewardWrapper)
    assert isinstance(rebuilt.env, DelayedReward)


def test_it_can_be_named_among_the_wrappers_of_an_id(registered):
    gym.register(
        "Late-v0", CountingEnv, additional_wrappers=(DelayedReward.wrapper_spec(),)
    )
    try:
        assert rewards_of(gym.make("Late-v0"), 3) == [0.0, 0.0, 3006.0]
        envs = gym.make_vec("Late-v0", num_envs=2, vectorization_mode="sync")
        envs.reset()
        paid = [envs.step(np.zeros(2, int))[1].tolist() for _ in range(3)]
        assert paid == [[0.0, 0.0], [0.0, 0.0], [3006.0, 3006.0]]
    finally:
        gym.registry.pop("Late-v0")


@pytest.mark.parametrize("vec_env_cls", [None, SubprocVecEnv])
def test_in_each_of_several_envs(vec_env_cls):
    venv = make_vec_env(
        BackAndForth, 2, wrapper_class=DelayedReward, vec_env_cls=vec_env_cls
    )
    venv.reset()
    paid = [venv.step(np.zeros(2, int))[1].tolist() for _ in range(14)]
    venv.close()
    expected = [[0.0, 0.0]] * 6 + [[7.0, 7.0]]
    assert paid == 2 * expected


def test_the_envs_may_be_of_different_length():
    venv = make_vec_env(
        lambda length: CountingEnv(length),
        1,
        wrapper_class=DelayedReward,
        env_kwargs={"length": 2},
    )
    venv.reset()
    assert [float(venv.step([0])[1][0]) for _ in range(4)] == [0, 2003, 0, 2003]


@pytest.mark.parametrize("mode", gym.vector.AutoresetMode)
def test_in_a_gymnasium_vector_env(mode):
    envs = gym.vector.SyncVectorEnv(
        [lambda: DelayedReward(CountingEnv(length=2))] * 2, autoreset_mode=mode
    )
    envs.reset()
    paid = []
    for _ in range(6):
        _, rewards, ended, _, _ = envs.step(np.zeros(2, int))
        paid.append(float(rewards[0]))
        if mode is gym.vector.AutoresetMode.DISABLED and ended.any():
            envs.reset(options={"reset_mask": ended})
    rest = [0.0] if mode is gym.vector.AutoresetMode.NEXT_STEP else []
    assert paid == (3 * [0.0, 2003.0, *rest])[:6]
