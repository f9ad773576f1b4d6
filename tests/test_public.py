"""The public suite: envs by their rules, rivals by theirs."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv
from support.fakes import trajectory

from benchmarks.ladder.envs import make_env
from benchmarks.ladder.recording import return_curve
from benchmarks.ladder.settings import ARMS, SUITES, fits
from benchmarks.public import goals
from benchmarks.public.rungs import EASY, LATE, PUBLIC, SEARCH, UNSEEN
from benchmarks.rivals.decomposition import DecomposingFitter, DecomposingLearner
from benchmarks.rivals.rnd import NovelD
from benchmarks.rivals.shaping import VelocityBonus
from oprl_gym.learning.batches import PairBatch
from oprl_gym.runs.episode_log import Episode, EpisodeLog


def deep_sea(size: int) -> gym.Env:
    return gym.make("benchmarks.public.deep_sea:DeepSea-v0", size=size)


def dive(env: gym.Env, rights: list[bool]) -> tuple[list[float], dict]:
    """Go right or not at each step; returns the rewards and the last info."""
    env.reset()
    sea, paid = env.unwrapped, []
    for right in rights:
        means = sea.right[sea._row, sea._column]
        _, reward, terminated, _, info = env.step(means if right else 1 - means)
        paid.append(reward)
    assert terminated
    return paid, info


# Envs


@pytest.mark.parametrize("rung", PUBLIC)
def test_every_env_is_a_sound_one(rung):
    env = make_env(PUBLIC[rung])
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    for _ in range(30):
        observation, reward, terminated, truncated, _ = env.step(
            env.action_space.sample()
        )
        assert env.observation_space.contains(observation)
        assert math.isfinite(reward)
        if terminated or truncated:
            env.reset()
    env.close()


def test_deep_sea_passes_gymnasiums_own_check():
    check_env(deep_sea(4).unwrapped)


def test_only_who_goes_right_all_the_way_finds_the_treasure():
    paid, info = dive(deep_sea(3), [True, True, True])
    cost = 0.01 / 3
    assert paid == pytest.approx([-cost, -cost, 1 - cost])
    assert info["is_success"]


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_single_step_to_the_left_loses_it(wrong):
    rights = [step != wrong for step in range(3)]
    paid, info = dive(deep_sea(3), rights)
    assert sum(paid) == pytest.approx(-2 * 0.01 / 3)
    assert not info["is_success"]


def test_what_right_means_is_drawn_for_each_cell_and_the_same_in_all_envs():
    one, other = deep_sea(10).unwrapped.right, deep_sea(10).unwrapped.right
    assert np.array_equal(one, other)
    assert 0.3 < one.mean() < 0.7


def test_late_envs_pay_nothing_before_the_end():
    env = make_env(LATE["CartPole-late"])
    env.reset(seed=0)
    paid, ended = [], False
    while not ended:
        _, reward, terminated, truncated, _ = env.step(0)
        paid.append(reward)
        ended = terminated or truncated
    assert paid == [0.0] * (len(paid) - 1) + [float(len(paid))]


# Rivals


def test_paid_for_speed():
    env = "benchmarks.public.cars:RescaledMountainCar-v0"
    venv = VelocityBonus(DummyVecEnv([lambda: gym.make(env)]), 2.0)
    venv.reset()
    observations, rewards, _, _ = venv.step(np.array([2]))
    assert rewards[0] == pytest.approx(-1 + 2 * abs(observations[0, 1]))


def test_noveld_pays_for_a_first_visit_alone():
    venv = NovelD(DummyVecEnv([lambda: deep_sea(4)]), 1.0, seed=0)
    space = venv.observation_space.shape
    cells = np.eye(*space, dtype=np.float32)
    venv.begin(cells[:1], np.array([True]))
    ended = np.array([False])
    paid = [
        float(venv.bonus(cells[before : before + 1], cells[at : at + 1], ended)[0])
        for before, at in [(0, 1), (1, 0), (0, 1), (1, 2)]
    ]
    assert paid[1:3] == [0.0, 0.0]
    assert paid[0] >= 0.0
    assert paid[3] >= 0.0


@pytest.mark.parametrize("kind", ["ircr", "rrd"])
def test_return_decomposition_finds_the_state_that_is_paid(kind, rng):
    """Episodes that see state 3 are paid for it; by IRCR all their steps are."""
    space = gym.spaces.Box(0, 1, (4,), np.float32)
    learner = DecomposingLearner(ARMS[kind], space, gym.spaces.Discrete(2), seed=0)
    for _ in range(30):
        episodes = []
        for _ in range(10):
            states = rng.integers(4, size=6).tolist()
            episodes.append(trajectory(states, [float(s == 3) for s in states[1:]]))
        report = learner.update(episodes)
    assert report.reward_loss is not None
    scores = learner.process_reward.score(
        np.eye(4, dtype=np.float32), np.ones(4, dtype=np.bool_)
    )
    assert scores.argmax() == 3


@pytest.mark.parametrize("kind", ["ircr", "rrd"])
def test_return_decomposition_descends_its_loss(kind, rng):
    """By the gradient that torch finds."""
    space = gym.spaces.Box(0, 1, (4,), np.float32)
    learner = DecomposingLearner(ARMS[kind], space, gym.spaces.Discrete(2), seed=0)
    fitter = DecomposingFitter(kind, learner, learner.config)
    targets = torch.tensor([0.5, -1.0, 0.25])
    batch = PairBatch(
        rows=torch.eye(4),
        visits=torch.tensor([[2.0, 1, 0, 0], [0, 3, 1, 1], [0, 0, 0, 1]]),
        labels=torch.diag(targets),
        shares=torch.eye(3) / 3,
    )
    scores = torch.from_numpy(rng.normal(size=4)).float().requires_grad_()
    fitter.of_answers(scores, batch).backward()
    known = scores.detach()
    slope = fitter.slope(known, fitter.errors(known, batch), batch)
    torch.testing.assert_close(slope, scores.grad)


# Settings, measures, claims


def test_arms_are_asked_for_only_where_they_mean_something():
    assert fits("velocity", "MountainCar", "ppo")
    assert not fits("velocity", "DeepSea-10", "ppo")
    assert fits("dense", "Hopper-late", "ppo")
    assert not fits("dense", "CartPole-v1", "ppo")
    assert not any(fits("oracle", rung, "ppo") for rung in PUBLIC)


def test_each_env_is_in_the_suite_of_its_kind():
    suites = {"search": SEARCH, "late": LATE, "easy": EASY, "unseen": UNSEEN}
    for name, rungs in suites.items():
        assert SUITES[name].rungs == tuple(rungs)
        assert SUITES[name].seeds == goals.SEEDS


def test_a_return_curve_looks_at_the_latest_100_episodes():
    log = EpisodeLog.of(
        Episode(10 * (n + 1), float(n >= 100), 10, None) for n in range(200)
    )
    assert return_curve(log, 2000, 4) == [0.0, 0.0, 0.5, 1.0]
    assert return_curve(log, 20, 4)[0] is None


def test_claims_without_runs_are_not_yet_run():
    claims = goals.check({})
    assert {claim.state for claim in claims} == {"not yet run"}
    assert {item.label.split()[1] for c in claims for item in c.items} <= set(PUBLIC)
