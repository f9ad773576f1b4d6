"""What VecNormalize makes of rewards that were scored anew."""

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from oprl_gym.callbacks.normalised import normalised_change
from oprl_gym.wrappers.mixing import Rescored

STARTS = np.zeros((50, 2))


def normaliser(var: float, training: bool = True) -> VecNormalize:
    venv = VecNormalize(make_vec_env("oprl_gym:OPRLMaze-v0", 2), training, gamma=0.5)
    venv.ret_rms.mean, venv.ret_rms.var, venv.ret_rms.count = 0.0, var, 150.0
    return venv


def rescored(given, newest):
    shape = STARTS.shape
    return Rescored(
        np.broadcast_to(given, shape),
        np.broadcast_to(newest, shape),
        np.zeros(shape, dtype=np.bool_),
    )


def test_by_hand():
    """All episodes last a step: what each has been paid is its reward."""
    starts = np.ones_like(STARTS)
    # 150 zeros of variance 4 and 100 threes: mean 1.2, variance 0.6 * 4 + 0.24 * 9.
    change = normalised_change(rescored(1.0, 3.0), starts, [normaliser(4.0)])
    np.testing.assert_allclose(change, 2.0 / np.sqrt(4.56))


def test_what_an_episode_was_paid_counts_on():
    """1, 1.5, 1.75, ... at a discount of a half."""
    paid = np.repeat(2.0 - 0.5 ** np.arange(50), 2)
    both = np.concatenate([np.zeros(150), paid])
    change = normalised_change(rescored(0.0, 1.0), STARTS, [normaliser(0.0)])
    np.testing.assert_allclose(change, 1.0 / both.std(), rtol=1e-4)


def test_the_first_learned_rewards_of_an_env_that_has_paid_nothing_are_not_huge(rng):
    newest = 0.03 * rng.normal(size=STARTS.shape)
    change = normalised_change(rescored(0.0, newest), STARTS, [normaliser(1e-12)])
    assert 1.0 < np.abs(change).max() < 10.0


@pytest.mark.parametrize(("newest", "clipped"), [(1.0, 0.5), (100.0, 10.0)])
def test_one_that_learns_no_more_scales_and_clips_as_it_did(newest, clipped):
    frozen = normaliser(4.0, training=False)
    change = normalised_change(rescored(0.0, newest), STARTS, [frozen])
    np.testing.assert_allclose(change, clipped)


def test_of_two_the_inner_one_comes_first():
    inner, outer = normaliser(4.0, training=False), normaliser(0.25, training=False)
    inner.clip_reward = 1.0
    change = normalised_change(rescored(0.0, 100.0), STARTS, [inner, outer])
    np.testing.assert_allclose(change, 2.0)
