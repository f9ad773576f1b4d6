"""Rewards changed after a rollout, against Stable-Baselines3's own computation."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer

from oprl_gym.callbacks.advantages import add_rewards, advantage_change


def test_a_change_counts_for_the_steps_before_it_by_hand():
    """Three steps, then a new episode begins: what comes later is none of its past."""
    change = np.array([[0.0], [0.0], [1.0], [4.0]])
    starts = np.array([[1.0], [0.0], [0.0], [1.0]])
    expected = [[0.25], [0.5], [1.0], [4.0]]
    assert advantage_change(change, starts, decay=0.5).tolist() == expected


def filled_buffer(rewards, starts, values, last_values, dones, lam):
    steps, envs = rewards.shape
    buffer = RolloutBuffer(
        steps, spaces.Discrete(2), spaces.Discrete(2), gae_lambda=lam, n_envs=envs
    )
    for t in range(steps):
        buffer.add(
            np.zeros(envs),
            np.zeros(envs),
            rewards[t],
            starts[t],
            torch.tensor(values[t]),
            torch.zeros(envs),
        )
    buffer.compute_returns_and_advantage(torch.tensor(last_values), dones)
    return buffer


@given(seed=st.integers(0, 2**32 - 1), lam=st.sampled_from([0.0, 0.95, 1.0]))
def test_advantages_are_those_of_rewards_that_were_so_from_the_start(seed, lam):
    rng = np.random.default_rng(seed)
    shape = (rng.integers(1, 8), rng.integers(1, 4))
    old, change = rng.normal(size=(2, *shape)).astype(np.float32)
    starts = (rng.random(shape) < 0.3).astype(np.float32)
    values = rng.normal(size=shape).astype(np.float32)
    last, dones = (
        rng.normal(size=shape[1]).astype(np.float32),
        rng.random(shape[1]) < 0.5,
    )

    buffer = filled_buffer(old, starts, values, last, dones, lam)
    add_rewards(buffer, change)
    expected = filled_buffer(old + change, starts, values, last, dones, lam)

    for name in ("rewards", "advantages", "returns"):
        np.testing.assert_allclose(
            getattr(buffer, name), getattr(expected, name), atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("steps", [1, 3])
def test_no_change_leaves_every_bit(steps):
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(2, steps, 2)).astype(np.float32)
    arguments = (rewards, np.zeros_like(rewards), values, values[0], np.zeros(2), 0.9)
    buffer, untouched = filled_buffer(*arguments), filled_buffer(*arguments)
    add_rewards(buffer, np.zeros((steps, 2)))
    assert np.array_equal(buffer.advantages, untouched.advantages)
    assert np.array_equal(buffer.rewards, untouched.rewards)
