"""RewardFitter: the same steps as plain torch takes, in one tensor."""

import numpy as np
import pytest
import torch
from torch import nn

from oprl_gym import ProcessRewardModel
from oprl_gym.learning.batches import PairBatch
from oprl_gym.learning.fitting import RewardFitter, in_one_tensor
from oprl_gym.rewards.losses import bradley_terry_loss


def batch(rng, pairs=6, rows=5):
    counts = torch.from_numpy(rng.uniform(0.5, 2.0, pairs)).float()
    return PairBatch(
        rows=torch.eye(rows),
        visits=torch.from_numpy(rng.integers(-2, 3, (pairs, rows))).float(),
        labels=torch.from_numpy(rng.integers(2, size=pairs)).float(),
        shares=counts / counts.sum(),
    )


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("max_norm", [0.01, 100.0])
def test_it_takes_the_steps_of_plain_torch(rng, models, max_norm):
    """One optimiser, clipping by torch, a loss in which a pair counts by its share."""
    batches = [[batch(rng) for _ in range(models)] for _ in range(10)]
    ours = ProcessRewardModel(5, hidden_size=8, ensemble_size=models)
    plain = ProcessRewardModel(5, hidden_size=8, ensemble_size=models)
    fitter = RewardFitter(ours, learning_rate=1e-2, max_grad_norm=max_norm)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    for of_step in batches:
        losses = [
            (one.shares * _cross_entropy(one.logits(member(one.rows)[:, 0]), one)).sum()
            for member, one in zip(plain.members, of_step, strict=True)
        ]
        optimizer.zero_grad()
        expected = torch.stack(losses)
        expected.sum().backward()
        for member in plain.members:
            nn.utils.clip_grad_norm_(member.parameters(), max_norm)
        optimizer.step()
        loss = fitter.step(of_step)
        assert float(loss) == pytest.approx(float(expected.detach().mean()), rel=1e-5)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


def _cross_entropy(logits, one):
    return nn.functional.binary_cross_entropy_with_logits(
        logits, one.labels, reduction="none"
    )


@pytest.mark.parametrize("factor", [1.0, 2.0**-130])
def test_gradients_are_exact_however_small_the_loss(factor):
    """Pairs told apart beyond doubt have such; plain floats this small are inexact."""
    model = ProcessRewardModel(2, hidden_size=8)
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    model(rows)[0].backward()
    plain = [weight.grad.clone() for weight in model.parameters()]
    fitter = RewardFitter(model, learning_rate=1e-3, max_grad_norm=1.0)
    fitter.backward(model(rows)[0] * factor)
    for weight, expected in zip(model.parameters(), plain, strict=True):
        assert torch.equal(weight.grad, expected * factor)


def test_weights_laid_into_one_tensor_are_still_the_networks_own():
    network = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    values = [one.detach().clone() for one in network.parameters()]
    weights = in_one_tensor(network)
    assert weights.shape == (3 * 2 + 2 + 2 + 2,)
    for one, value in zip(network.parameters(), values, strict=True):
        assert torch.equal(one, value)
    network(torch.ones(1, 3))[0, 0].backward()
    gradients = [one.grad.reshape(-1) for one in network.parameters()]
    assert torch.equal(weights.grad, torch.cat(gradients))
    other = {name: w + 1 for name, w in network.state_dict().items()}
    network.load_state_dict(other)
    assert torch.equal(weights[:6], values[0].reshape(-1) + 1)


def test_it_goes_back_to_earlier_weights_and_goes_on_as_if_new(rng):
    one = batch(rng)
    model = ProcessRewardModel(5, hidden_size=8)
    fitter = RewardFitter(model, learning_rate=1e-2, max_grad_norm=1.0)
    before = fitter.weights()
    first = float(fitter.step([one]))
    after = fitter.weights()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    assert not fitter.finite()
    fitter.go_back(before)
    assert fitter.finite()
    assert float(fitter.step([one])) == first
    assert all(map(torch.equal, fitter.weights(), after))


def test_its_state_is_what_it_takes_to_go_on(rng):
    batches = [[batch(rng)] for _ in range(6)]
    models = [ProcessRewardModel(5, hidden_size=8) for _ in range(2)]
    fitters = [RewardFitter(model, 1e-2, 1.0) for model in models]
    for one in batches[:3]:
        fitters[0].step(one)
    models[1].load_state_dict(models[0].state_dict())
    fitters[1].load_state(fitters[0].state())
    for one in batches[3:]:
        assert float(fitters[0].step(one)) == float(fitters[1].step(one))
    assert all(map(torch.equal, fitters[0].weights(), fitters[1].weights()))


def test_the_state_of_other_networks_is_refused(rng):
    small = RewardFitter(ProcessRewardModel(5, hidden_size=8), 1e-2, 1.0)
    small.step([batch(rng)])
    large = RewardFitter(ProcessRewardModel(5, hidden_size=16), 1e-2, 1.0)
    with pytest.raises(ValueError, match=r"fitting \[161\] weights, here are \[449\]"):
        large.load_state(small.state())


def test_shares_weigh_the_loss():
    logits, labels = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])
    shares = torch.tensor([0.25, 0.75])
    expected = 0.25 * np.log(2.0) + 0.75 * np.log1p(np.exp(-2.0))
    loss = bradley_terry_loss(logits, labels, shares)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
