"""The three wrappers, with a process reward that shows which observation it was given.

In `CountingEnv` the observation is 100 * episode + step and the reward 1000 + step, so
every number below can be read off: a swapped observation, a reward of the wrong step
or a reset observation taken for a terminal one would all show.
"""

from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv
from support.fakes import ConstantReward, CountingEnv, TellingReward
from support.streams import ACTIONS, N, every_path, scalar_stream, vector_stream

import oprl_gym  # noqa: F401 (registers the mazes)
from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.rewards.scoring import ALONE
from oprl_gym.wrappers import (
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)


def ends_by(terminates):
    return lambda: CountingEnv(terminates=terminates)


@every_path
@pytest.mark.parametrize("terminates", [True, False])
@pytest.mark.parametrize("scale", [0.1, 0.0, -0.5])
def test_each_step_gets_its_own_env_and_process_reward(path, terminates, scale):
    stream, _ = path(make=ends_by(terminates), scale=scale)
    reached = [101, 102, 103, 201, 202, 203, 301, 302]
    paid = [1001, 1002, 1003, 1001, 1002, 1003, 1001, 1002]
    assert [info["process_reward"] for _, info in stream] == reached
    assert [info["env_reward"] for _, info in stream] == paid
    mixed = [env + scale * process for env, process in zip(paid, reached, strict=True)]
    assert [reward for reward, _ in stream] == pytest.approx(mixed)


@every_path
@pytest.mark.parametrize("terminates", [True, False])
def test_episodes_are_recorded_as_they_were_scored(path, terminates):
    _, episodes = path(make=ends_by(terminates))
    assert len(episodes) == 2
    for number, episode in enumerate(episodes, start=1):
        states = [100 * number + step for step in range(4)]
        assert episode.observations.ravel().tolist() == states
        assert episode.actions.tolist() == ACTIONS[3 * number - 3 : 3 * number]
        assert episode.env_rewards.tolist() == [1001, 1002, 1003]
        assert episode.process_rewards.tolist() == states[1:]
        assert episode.terminated is terminates


@every_path
def test_the_last_step_tells_the_episodes_returns(path):
    stream, _ = path(scale=0.5)
    told = [info.get("oprl_episode") for _, info in stream]
    assert [index for index, returns in enumerate(told) if returns] == [2, 5]
    assert told[5] == {
        "env_return": 3006.0,
        "process_return": 606.0,
        "mixed_return": 3006.0 + 0.5 * 606.0,
    }


@every_path
@pytest.mark.parametrize("terminates", [True, False])
def test_a_potential_is_zero_at_termination_and_never_at_truncation(path, terminates):
    stream, _ = path(make=ends_by(terminates), mode="potential", gamma=0.5, scale=2.0)
    last = 0 if terminates else 103
    process = [0.5 * 101 - 100, 0.5 * 102 - 101, 0.5 * last - 102]
    assert [info["process_reward"] for _, info in stream][:3] == process
    assert stream[2][0] == pytest.approx(1003 + 2.0 * process[2])


@every_path
def test_discounted_potentials_telescope_over_an_episode(path):
    """Whatever the path, shaping adds -phi(start): the best policy stays the best."""
    stream, _ = path(mode="potential", gamma=0.5)
    process = [info["process_reward"] for _, info in stream]
    discounted = sum(0.5**step * process[step] for step in range(3))
    assert discounted == pytest.approx(-100)


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
@pytest.mark.parametrize("copy", [True, False])
def test_vector_envs_of_all_kinds_stream_the_same(mode, kind, copy):
    """In processes of their own; into arrays that are used again and again."""
    options = {"copy": copy}
    if kind is AsyncVectorEnv:
        options["context"] = "forkserver"  # a fork of many threads may hang
    stream, episodes = vector_stream(mode, kind=kind, options=options)
    scalar, scalar_episodes = scalar_stream()
    for (reward, info), (scalar_reward, scalar_info) in zip(
        stream, scalar, strict=True
    ):
        assert reward == scalar_reward
        assert info == {key: scalar_info[key] for key in info}
    for episode, expected in zip(episodes, scalar_episodes, strict=True):
        assert episode.observations.tolist() == expected.observations.tolist()
        assert episode.actions.tolist() == expected.actions.tolist()
        assert episode.process_rewards.tolist() == expected.process_rewards.tolist()


MAZE_WRAPPERS = {
    "scalar": lambda **kw: ProcessRewardWrapper(gym.make("OPRLMaze-v0"), **kw),
    "sb3": lambda **kw: VecProcessReward(
        DummyVecEnv([lambda: gym.make("OPRLMaze-v0")] * N), **kw
    ),
    "vector": lambda **kw: ProcessRewardVectorWrapper(
        gym.make_vec("OPRLMaze-v0", num_envs=N), **kw
    ),
}
every_wrapper = pytest.mark.parametrize(
    "make", MAZE_WRAPPERS.values(), ids=MAZE_WRAPPERS.keys()
)


def maze_learner(**config):
    env = gym.make("OPRLMaze-v0")
    return OPRLLearner(
        env.observation_space, env.action_space, OPRLConfig(**config), seed=0
    )


@every_wrapper
def test_an_unfitted_model_adds_exactly_zero(make):
    env = make()
    env.load_reward_state(maze_learner().reward_state())
    env.reset()
    action = 1 if isinstance(env, ProcessRewardWrapper) else np.ones(N, int)
    for _ in range(5):
        reward = env.step(action)[1]
        assert np.all(np.asarray(reward) == 0.0)


@every_wrapper
def test_a_fitted_model_scores_the_observation_reached(make):
    learner = maze_learner()
    learner.process_reward.changed(fitted=True)
    env = make(scale=0.5)
    env.load_reward_state(learner.reward_state())
    env.reset()
    scalar = isinstance(env, ProcessRewardWrapper)
    observation, reward, *_ = env.step(1 if scalar else np.ones(N, int))
    reached = np.atleast_2d(observation)
    expected = 0.5 * learner.process_reward.score(reached, np.ones(len(reached), bool))
    np.testing.assert_allclose(np.atleast_1d(reward), expected, atol=1e-6)


@every_wrapper
def test_reward_input_must_agree_with_the_learners(make):
    env = make(reward_input="obs")
    with pytest.raises(ValueError, match="'obs' but the learner uses 'next_obs'"):
        env.load_reward_state(maze_learner(reward_input="next_obs").reward_state())
    env.load_reward_state(maze_learner(reward_input="obs").reward_state())


@every_wrapper
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": float("nan")}, "scale .* nan"),
        ({"mode": "multiplicative"}, "mode .* 'multiplicative'"),
        ({"gamma": 1.5}, "gamma .* 1.5"),
        ({"reward_input": "state"}, "reward_input .* 'state'"),
        ({"mode": "potential", "reward_input": "obs_action"}, "state alone"),
    ],
)
def test_arguments_without_meaning_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("truncates", [False, True])
@pytest.mark.parametrize("kind", ["scalar", "sb3", "vector"])
def test_a_kept_rollout_is_scored_again_by_the_newest_weights(kind, truncates):
    """Also the steps of episodes that have ended and been recorded since."""

    def make():
        return CountingEnv(terminates=not truncates)

    env, n, action = {
        "scalar": lambda: (ProcessRewardWrapper(make(), scale=0.5), 1, 0),
        "sb3": lambda: (
            VecProcessReward(DummyVecEnv([make] * N), scale=0.5),
            N,
            [0] * N,
        ),
        "vector": lambda: (
            ProcessRewardVectorWrapper(
                SyncVectorEnv([make] * N, autoreset_mode=AutoresetMode.SAME_STEP),
                scale=0.5,
            ),
            N,
            [0] * N,
        ),
    }[kind]()
    env._mixer.scorer.process_reward = ConstantReward(2.0)
    env.reset()
    env.step(np.array(action) if n > 1 else action)  # before the rollout: not kept
    env.keep_rollout(100)
    for _ in range(2):
        env.step(np.array(action) if n > 1 else action)
    env._mixer.scorer.process_reward = TellingReward()

    rescored = env.rescore_rollout()

    assert rescored.given.tolist() == [[1003.0] * n, [1004.0] * n]
    newest = [[1002 + 0.5 * 102] * n, [1003 + 0.5 * 103] * n]
    assert rescored.newest.tolist() == newest
    assert rescored.truncated.tolist() == [[False] * n, [truncates] * n]


def test_steps_that_only_reset_are_not_scored_again_either():
    env = ProcessRewardVectorWrapper(SyncVectorEnv([CountingEnv] * N), scale=0.5)
    env.reset()
    env.keep_rollout(100)
    for _ in range(4):
        env.step(np.zeros(N, int))
    env._mixer.scorer.process_reward = TellingReward()
    assert env.rescore_rollout().newest[3].tolist() == [0.0] * N


def test_without_the_env_reward_only_the_process_reward_is_left():
    env = ProcessRewardWrapper(CountingEnv(length=2), scale=0.5, env_reward_weight=0.0)
    env._mixer.scorer.process_reward = ConstantReward(-0.25)
    env.reset()
    assert env.step(0)[1] == -0.125 * ALONE
    _, reward, _, _, info = env.step(0)
    assert reward == -0.125 * ALONE
    assert info["env_reward"] == 1002
    assert info["oprl_episode"]["mixed_return"] == -0.25 * ALONE


@every_path
@pytest.mark.parametrize("paid", [0.0, 1.0])
def test_the_end_of_an_episode_is_scored_like_any_other_step(path, paid):
    """Whatever the env paid there: nothing is charged, nothing left out."""

    def make():
        return gym.wrappers.TransformReward(CountingEnv(), lambda reward: paid)

    stream, _ = path(make=make, reward=ConstantReward(-2.0), gamma=0.5)
    assert [info["process_reward"] for _, info in stream] == [-2.0] * len(ACTIONS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="env_reward_weight must be a finite"):
        ProcessRewardWrapper(CountingEnv(), env_reward_weight=value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ProcessRewardWrapper(gym.wrappers.NormalizeReward(CountingEnv())),
        lambda: ProcessRewardVectorWrapper(
            gym.wrappers.vector.NormalizeReward(SyncVectorEnv([CountingEnv] * 2))
        ),
        lambda: ProcessRewardVectorWrapper(
            SyncVectorEnv([lambda: gym.wrappers.NormalizeReward(CountingEnv())])
        ),
    ],
)
def test_rewards_by_a_scale_that_moves_are_refused(make):
    with pytest.raises(ValueError, match="VecNormalize\\(VecProcessReward"):
        make()


def test_only_a_kept_rollout_can_be_scored_again():
    env = ProcessRewardWrapper(CountingEnv())
    env.reset()
    env.step(0)
    with pytest.raises(RuntimeError, match="keep_rollout"):
        env.rescore_rollout()


def test_of_too_long_a_rollout_no_more_is_kept_than_tells_that_it_is():
    env = ProcessRewardWrapper(CountingEnv(length=100))
    env.reset()
    env.keep_rollout(3)
    for _ in range(50):
        env.step(0)
    assert len(env.rescore_rollout().given) == 4
    env.keep_rollout(0)
    env.step(0)
    with pytest.raises(RuntimeError, match="no rollout was kept"):
        env.rescore_rollout()


def test_the_env_itself_is_not_touched():
    """Observations and infos go through; the env's own info dict is not written to."""
    env = CountingEnv()
    info_of_env = {}
    env.step = lambda action, step=env.step: (*step(action)[:4], info_of_env)  # type: ignore[method-assign]
    wrapped = ProcessRewardWrapper(env)
    assert wrapped.reset()[0].tolist() == [100]
    assert wrapped.step(0)[0].tolist() == [101]
    assert info_of_env == {}


ALL_ARGUMENTS = {
    "scale": 0.3,
    "mode": "potential",
    "gamma": 0.9,
    "reward_input": "obs",
    "env_reward_weight": 0.5,
}
SPECS = {
    "env.spec": lambda spec: spec,
    "through JSON": lambda spec: EnvSpec.from_json(spec.to_json()),
    "wrapper_spec": lambda spec: replace(
        gym.spec("OPRLMaze-v0"),
        additional_wrappers=(ProcessRewardWrapper.wrapper_spec(**ALL_ARGUMENTS),),
    ),
}


@pytest.mark.parametrize("told", SPECS.values(), ids=SPECS)
def test_the_wrapper_is_rebuilt_from_its_spec(told):
    env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"), **ALL_ARGUMENTS)
    assert asdict(env.shaping) == ALL_ARGUMENTS
    rebuilt = gym.make(told(env.spec))
    assert isinstance(rebuilt, ProcessRewardWrapper)
    assert rebuilt.shaping == env.shaping
    assert rebuilt.spec == env.spec
    in_each = gym.make_vec(told(env.spec), num_envs=2, vectorization_mode="sync")
    assert in_each.get_attr("shaping") == (env.shaping,) * 2


def test_a_vector_env_must_say_how_it_resets():
    env = SyncVectorEnv([CountingEnv])
    env.metadata = {}
    with pytest.raises(ValueError, match="autoreset_mode"):
        ProcessRewardVectorWrapper(env)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:an episode has not ended in:UserWarning")
def test_an_episode_of_a_hundred_thousand_steps_is_learned_from():
    """As long as it may be: recorded whole, compared, and its steps scored."""
    counting = CountingEnv()
    env = ProcessRewardWrapper(counting)
    config = OPRLConfig(hidden_size=8, min_preferences=1)
    learner = OPRLLearner(env.observation_space, env.action_space, config, seed=0)
    for counting.length in (100_000, 50):
        env.reset(seed=0)
        for _ in range(counting.length):
            ended = env.step(0)[2]
        assert ended
    episodes = env.pop_episodes()
    assert [len(episode) for episode in episodes] == [100_000, 50]
    report = learner.update(episodes)
    assert report.gradient_steps
    assert not report.reverted
    env.load_reward_state(learner.reward_state())
    env.reset(seed=0)
    assert env.step(0)[4]["process_reward"] != 0.0
