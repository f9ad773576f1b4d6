"""Everything that scores or keeps steps agrees on what an episode saw first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv
from support.fakes import BackAndForth, FirstVisitsReward, trajectory
from support.known_weights import KnownWeights
from support.streams import PATHS, N, every_path

from oprl_gym import OPRLConfig
from oprl_gym.callbacks import ProcessRewardReplayBuffer
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.episodes.packing import content_hash, pack, unpack
from oprl_gym.preferences import segment
from oprl_gym.rewards.scoring import ALONE, StepScorer
from oprl_gym.visits import first_visits
from oprl_gym.wrappers import (
    EpisodeTape,
    ProcessRewardVectorWrapper,
    ProcessRewardWrapper,
    VecProcessReward,
)

MOVES = np.random.default_rng(0).integers(2, size=24).tolist()
EPISODES = 3  # of seven steps, in as many moves


class OfObs(FirstVisitsReward):
    """Scores a step by what it started from."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder.reward_input = "obs"


MIXES = [
    (mode, reward_input, late)
    for mode in ("additive", "potential")
    for reward_input in ("obs", "next_obs", "obs_action")
    for late in (False, True)
    if (mode, reward_input) != ("potential", "obs_action")  # which is refused
]


@pytest.mark.parametrize(("mode", "reward_input", "late"), MIXES)
def test_a_learned_model_scores_a_step_alike_on_every_path(mode, reward_input, late):
    """Steps, ends of both kinds, what the env pays: all agents are told the same."""

    def make() -> BackAndForth:
        return BackAndForth(late)

    env = make()
    config = OPRLConfig(hidden_size=8, reward_input=reward_input)
    spaces = env.observation_space, env.action_space
    learner = KnownWeights(*spaces, config=config, unit=7.0, late=late)
    reward = learner.process_reward
    given = {
        name: path(make=make, reward=reward, actions=MOVES, mode=mode, scale=0.5)
        for name, path in PATHS.items()
    }
    expected, episodes = given["scalar"]
    rewards = [mixed for mixed, _ in expected]
    assert len(set(rewards)) >= 6
    for stream, others in given.values():
        assert [mixed for mixed, _ in stream] == pytest.approx(rewards, abs=1e-5)
        for one, other in zip(episodes, others, strict=True):
            assert one.observations.tolist() == other.observations.tolist()
            rewards_of_other = pytest.approx(other.process_rewards, abs=1e-5)
            assert one.process_rewards == rewards_of_other
    if mode == "additive":  # and an episode is scored afterwards as it was step by step
        for one in episodes:
            scores = (ALONE if late else 7.0) * reward.score_episode(one)
            assert one.process_rewards == pytest.approx(scores, abs=1e-5)


def seen_first(env: Any = None) -> list[np.ndarray]:
    """Return whether each observation of each episode of the moves is new in it."""
    env = BackAndForth() if env is None else env
    seen = [env.reset()[0]]
    episodes = []
    for move in MOVES:
        observation, _, terminated, truncated, _ = env.step(move)
        seen.append(observation)
        if terminated or truncated:
            episodes.append(first_visits(np.stack(seen)))
            seen = [env.reset()[0]]
    return episodes


FIRST = seen_first()


def test_most_steps_are_no_first_visits():
    """Else the tests below would show little."""
    assert len(FIRST) == EPISODES
    assert 0.2 < np.mean(np.concatenate([first[1:] for first in FIRST])) < 0.5
    assert not all(first[-1] for first in FIRST)


@every_path
def test_a_step_is_scored_by_whether_what_it_led_to_is_new(path):
    stream, episodes = path(
        make=BackAndForth, reward=FirstVisitsReward(), actions=MOVES
    )
    scores = [info["process_reward"] for _, info in stream][: 7 * EPISODES]
    assert scores == np.concatenate([first[1:] for first in FIRST]).tolist()
    for episode, first in zip(episodes, FIRST, strict=True):
        assert episode.first_visits.tolist() == first.tolist()
        assert episode.process_rewards.tolist() == first[1:].tolist()


@every_path
def test_or_by_whether_what_it_started_from_is(path):
    stream, _ = path(make=BackAndForth, reward=OfObs(), actions=MOVES)
    scores = [info["process_reward"] for _, info in stream][: 7 * EPISODES]
    assert scores == np.concatenate([first[:-1] for first in FIRST]).tolist()


@every_path
def test_a_potential_reads_both(path):
    stream, episodes = path(
        make=BackAndForth,
        reward=FirstVisitsReward(),
        actions=MOVES,
        mode="potential",
        gamma=0.5,
    )
    scores = [info["process_reward"] for _, info in stream]
    for number, (episode, first) in enumerate(zip(episodes, FIRST, strict=True)):
        after = 0.5 * first[1:]
        after[-1] *= not episode.terminated
        expected = after - first[:-1]
        assert scores[7 * number : 7 * number + 7] == expected.tolist()


@pytest.mark.parametrize("kind", ["scalar", "sb3"])
def test_the_info_of_a_step_tells_both(kind):
    told = []
    if kind == "scalar":
        env = ProcessRewardWrapper(BackAndForth())
        env.reset()
        for move in MOVES:
            _, _, terminated, truncated, info = env.step(move)
            told.append(info["oprl_first_visits"])
            if terminated or truncated:
                env.reset()
    else:
        venv = VecProcessReward(DummyVecEnv([BackAndForth] * N))
        venv.reset()
        for move in MOVES:
            told.append(venv.step(np.full(N, move))[3][1]["oprl_first_visits"])
    expected = [
        (bool(before), bool(reached))
        for first in FIRST
        for before, reached in pairwise(first)
    ]
    assert told[: 7 * EPISODES] == expected
    assert {type(one) for pair in told for one in pair} == {bool}


WRAPPERS = {
    "sb3": lambda: VecProcessReward(DummyVecEnv([BackAndForth] * N)),
    "same_step": lambda: ProcessRewardVectorWrapper(
        SyncVectorEnv([BackAndForth] * N, autoreset_mode=AutoresetMode.SAME_STEP)
    ),
    "next_step": lambda: ProcessRewardVectorWrapper(SyncVectorEnv([BackAndForth] * N)),
}


@pytest.mark.parametrize("mode", ["additive", "potential"])
@pytest.mark.parametrize("kind", ["sb3", "same_step", "next_step"])
def test_a_kept_rollout_remembers_them_also_of_episodes_that_have_ended(kind, mode):
    """An episode that begins in the meantime writes over nothing."""
    make = WRAPPERS[kind]
    env = make()
    env._mixer.scorer.shaping = type(env.shaping)(mode=mode)
    env._mixer.scorer.process_reward = FirstVisitsReward()
    env.reset()
    env.keep_rollout(100)
    for move in MOVES:
        env.step(np.full(N, move))
    rescored = env.rescore_rollout()
    np.testing.assert_allclose(rescored.newest, rescored.given)
    assert len(np.unique(rescored.given)) > 1


def saved_and_gone_on(make: Any, at: int) -> tuple[list[Any], list[Any]]:
    """Return what env and a copy that took over its state tell of the later moves."""
    env, other = make(), make()
    for one in (env, other):
        one._mixer.scorer.process_reward = FirstVisitsReward()
        one.reset()
    for move in MOVES[:at]:
        for one in (env, other):
            one.step(np.full(N, move))
    # What the copy saw itself is to be forgotten: it may be in another process.
    state = env._mixer.state()
    other._mixer.begin(np.eye(3, dtype=np.float32)[[2] * N])
    other._mixer.load_state(state)
    told: tuple[list[Any], list[Any]] = ([], [])
    for move in MOVES[at:]:
        for one, rewards in zip((env, other), told, strict=True):
            rewards.append(one.step(np.full(N, move))[1].tolist())
    return told


@pytest.mark.parametrize("at", range(1, 16))
@pytest.mark.parametrize("kind", ["sb3", "same_step"])
def test_they_go_on_in_the_middle_of_an_episode(kind, at):
    straight, resumed = saved_and_gone_on(WRAPPERS[kind], at)
    assert resumed == straight
    assert len({one for rewards in straight for one in rewards}) > 1


@pytest.mark.parametrize("lean", [False, True])
def test_the_replay_buffer_scores_by_those_of_the_day(lean):
    """Long after the episode is over, and past the end of the buffer."""
    venv = VecProcessReward(
        DummyVecEnv([lambda: gym.wrappers.TimeLimit(BackAndForth(), 7)] * N)
    )
    venv._mixer.scorer.process_reward = FirstVisitsReward()
    model = DQN(
        "MlpPolicy",
        venv,
        replay_buffer_class=ProcessRewardReplayBuffer,
        replay_buffer_kwargs={"handle_timeout_termination": not lean},
        optimize_memory_usage=lean,
        buffer_size=200,
        learning_starts=10**6,
        policy_kwargs={"net_arch": [8]},
        seed=0,
        device="cpu",
    )
    model.learn(500)
    buffer = model.replay_buffer
    assert isinstance(buffer, ProcessRewardReplayBuffer)
    assert buffer.full
    scorer = StepScorer(*venv.reward_spaces(), venv.shaping)
    scorer.process_reward = FirstVisitsReward()  # type: ignore[assignment]
    rows = np.arange(100)
    given = buffer.rewards.copy()
    np.testing.assert_allclose(buffer._mixed(scorer, rows), given[rows], rtol=1e-6)
    assert 0.1 < np.mean(given > 1.05) < 0.9
    scorer.process_reward = OfObs()  # type: ignore[assignment]
    steps = buffer.first_visits[rows, :, 0]
    np.testing.assert_allclose(buffer._mixed(scorer, rows), 1 + 0.1 * steps)


@given(
    states=st.lists(st.integers(0, 2), min_size=3, max_size=12),
    start=st.integers(0, 9),
    length=st.integers(1, 5),
)
def test_a_piece_knows_what_the_whole_episode_had_seen_before_it(states, start, length):
    whole = trajectory(states)
    start = min(start, len(whole) - 1)
    piece = segment(whole, start, min(length, len(whole) - start))
    expected = first_visits(whole.observations)[start : start + len(piece) + 1]
    assert piece.first_visits.tolist() == expected.tolist()


def test_they_are_packed_with_a_piece_and_do_not_make_it_another_one():
    whole = trajectory([0, 1, 0, 1])
    piece = segment(whole, 2, 1)
    assert piece.first_visits.tolist() == [False, False]
    again = unpack(pack(piece))
    assert again.first_visits.tolist() == [False, False]
    assert again.first_visits.dtype == np.bool_
    assert content_hash(again) == content_hash(piece)


def test_the_maze_of_many_envs_agrees_with_its_recorded_episodes():
    venv = VecProcessReward(OPRLMazeVecEnv(num_envs=8))
    venv._mixer.scorer.process_reward = FirstVisitsReward()
    venv.reset()
    rng = np.random.default_rng(0)
    for _ in range(200):
        venv.step(rng.integers(4, size=8))
    episodes = venv.pop_episodes()
    assert len(episodes) >= 8 * 3
    for episode in episodes:
        first = first_visits(episode.observations)
        assert episode.first_visits.tolist() == first.tolist()
        assert episode.process_rewards.tolist() == first[1:].tolist()


def test_a_single_env_on_tape_agrees_too():
    env = ProcessRewardWrapper(EpisodeTape(gym.make("FrozenLake-v1")))
    env._mixer.scorer.process_reward = FirstVisitsReward()
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        _, _, terminated, truncated, _ = env.step(int(rng.integers(4)))
        if terminated or truncated:
            env.reset()
    for episode in env.pop_episodes():
        first = first_visits(episode.observations)
        assert episode.process_rewards.tolist() == first[1:].tolist()


def test_an_answer_stored_before_first_visits_were_kept_can_still_be_read():
    whole = trajectory([0, 1, 0, 2])
    arrays = load(pack(whole))
    del arrays["first_visits"]
    assert unpack(save(arrays)).first_visits.tolist() == [True, True, False, True]
