"""QuickModel: torch's scores, without torch."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from oprl_gym import ProcessRewardModel
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.process_reward import ProcessReward
from oprl_gym.rewards.quick_model import FEW, QuickModel


def model(rng, varied=None, models=1):
    """Return one whose every weight differs from its initial value."""
    made = ProcessRewardModel(5, hidden_size=16, ensemble_size=models, varied=varied)
    with torch.no_grad():
        for weight in made.parameters():
            noise = rng.normal(scale=0.3, size=tuple(weight.shape))
            weight += torch.from_numpy(noise).float()
    return made


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("n", [1, 8, FEW])
def test_it_scores_as_torch_does(rng, models, n):
    slow = model(rng, models=models)
    rows = rng.normal(size=(n, 5)).astype(np.float32)
    with torch.inference_mode():
        expected = slow(torch.from_numpy(rows)).numpy()
    scores = QuickModel(slow)(rows)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_it_normalises_as_torch_does(rng):
    """Also columns that never changed, those left alone, and values far out."""
    slow = model(rng, varied=[True, True, False, True, False])
    seen = rng.normal(3.0, [1.0, 100.0, 1.0, 0.0, 5.0], size=(50, 5))
    slow.normaliser.update(torch.from_numpy(seen).float())
    rows = rng.normal(3.0, 200.0, size=(20, 5)).astype(np.float32)
    with torch.inference_mode():
        expected = slow(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(QuickModel(slow)(rows), expected, atol=1e-6)


@pytest.mark.parametrize("models", [1, 3])
def test_it_reaches_as_far_as_torch_does(rng, models):
    slow = model(rng, models=models)
    slow.reach.fill_(0.125)
    rows = rng.normal(size=(6, 5)).astype(np.float32)
    with torch.inference_mode():
        expected = slow(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(QuickModel(slow)(rows), expected, atol=1e-6)
    assert np.abs(expected).max() <= 0.125


def test_it_leaves_the_rows_as_they_are(rng):
    rows = rng.normal(size=(3, 5)).astype(np.float32)
    before = rows.copy()
    QuickModel(model(rng, varied=[True] * 5))(rows)
    assert np.array_equal(rows, before)


def test_few_steps_and_many_get_the_same_scores(rng):
    """And new ones as soon as the weights change."""
    space = spaces.Box(-np.inf, np.inf, (5,), np.float32)
    encoder = StepEncoder(space, spaces.Discrete(2), "next_obs")
    reward = ProcessReward(encoder, model(rng, varied=[True] * 5))
    reward.fitted = True
    reward._table.max_rows = 0
    observations = rng.normal(size=(3 * FEW, 5)).astype(np.float32)
    new = np.ones(3 * FEW, bool)
    for _ in range(2):
        many = reward.score(observations, new)
        few = [reward.score(part, new[:FEW]) for part in np.split(observations, 3)]
        np.testing.assert_allclose(np.concatenate(few), many, atol=1e-6)
        assert np.ptp(many) > 0.1
        other = ProcessReward(encoder, model(rng, varied=[True] * 5))
        reward.load_state(other.state())
        reward.fitted = True
        assert not np.allclose(reward.score(observations, new), many, atol=1e-3)
