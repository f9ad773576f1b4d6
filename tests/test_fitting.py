"""RewardFitter: the same steps as plain torch takes, in one tensor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from oprl_gym import ProcessRewardModel
from oprl_gym.learning.batches import PairBatch
from oprl_gym.learning.fitting import RewardFitter, in_one_tensor


def batch(rng, rows=5, trajectories=4):
    weights = rng.uniform(0.5, 2.0, size=(trajectories, trajectories))
    shares = torch.from_numpy(np.triu(weights)).float()
    return PairBatch(
        rows=torch.eye(rows + 2),
        visits=torch.from_numpy(rng.integers(3, size=(trajectories, rows))).float(),
        labels=torch.from_numpy(rng.uniform(size=shares.shape)).float(),
        shares=shares / shares.sum(),
        revisits=torch.tensor([4, 5, 6]),
    )


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("max_norm", [0.01, 100.0])
@pytest.mark.parametrize("priors", [(0.0, 0.0), (0.5, 0.0), (0.0, 2.0), (0.5, 2.0)])
def test_it_takes_the_steps_of_plain_torch(rng, models, max_norm, priors):
    """One optimiser, clipping by torch, a loss in which a pair counts by its share."""
    batches = [[batch(rng) for _ in range(models)] for _ in range(10)]
    ours = ProcessRewardModel(7, hidden_size=8, ensemble_size=models)
    plain = ProcessRewardModel(7, hidden_size=8, ensemble_size=models)
    fitter = RewardFitter(ours, 1e-2, max_norm, *priors)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    for of_step in batches:
        losses = [
            _plain_loss(member, one, *priors)
            for member, one in zip(plain.members, of_step, strict=True)
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        # What is told leaves out the priors.
        of_answers = [
            float(_plain_loss(member, one, 0.0, 0.0).detach())
            for member, one in zip(plain.members, of_step, strict=True)
        ]
        for member in plain.members:
            nn.utils.clip_grad_norm_(member.parameters(), max_norm)
        optimizer.step()
        loss = float(fitter.loss(of_step))
        assert loss == pytest.approx(np.mean(of_answers), rel=1e-5)
        fitter.step(of_step)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("revisit_prior", [0.0, 2.0])
def test_columns_that_are_0_in_all_rows_may_be_left_out(rng, revisit_prior):
    """The same steps but for rounding, and the weights of those stay as they are."""
    one = batch(rng)
    rows = torch.zeros(len(one.rows), 20)
    columns = torch.tensor([1, 4, 5, 9, 13, 16, 18])
    rows[:, columns] = one.rows
    models = [ProcessRewardModel(20, hidden_size=8) for _ in range(2)]
    unused = [n for n in range(20) if n not in columns.tolist()]
    before = models[0].members[0][0].weight[:, unused].clone()
    for model, of_rows in zip(models, [None, columns], strict=True):
        fitter = RewardFitter(model, 1e-2, 1.0, 0.5, revisit_prior)
        for _ in range(10):
            fitter.step([replace(one, rows=rows, columns=of_rows)])
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
    assert torch.equal(models[1].members[0][0].weight[:, unused], before)


def test_what_is_foretold_well_enough_is_not_learned_again(rng):
    """Steps are taken down to the error that is aimed at, and none after it."""
    one = batch(rng)
    worth = torch.tensor([1.0, 0.5, 0.0, -1.0])
    one = replace(
        one,
        visits=torch.eye(4, 5),
        labels=torch.sigmoid(worth[:, None] - worth),
        complete=True,
    )
    model = ProcessRewardModel(7, hidden_size=8)
    fitter = RewardFitter(model, 1e-2, 1.0, target_error=0.05)

    def error():
        with torch.inference_mode():
            sums = one.visits @ (model.reach * model.members[0](one.rows)[:5, 0])
            off = (torch.sigmoid(sums[:, None] - sums) - one.labels).abs() * one.shares
            shares = one.shares.sum(dim=0) + one.shares.sum(dim=1)
            return float(((off.sum(dim=0) + off.sum(dim=1)) / shares).max())

    errors = [error()]
    while fitter.step([one]) and len(errors) < 500:
        errors.append(error())
    assert len(errors) > 3
    assert all(error >= 0.05 for error in errors[:-1])
    assert errors[-1] < 0.05
    before = fitter.weights()
    assert not fitter.step([one])
    assert all(map(torch.equal, before, fitter.weights()))


def test_one_success_among_many_failures_is_learned():
    """It hardly shows in the mean of all answers."""
    n = 300
    labels = torch.full((n, n), 0.5)
    labels[0], labels[:, 0], labels[0, 0] = 0.8, 0.2, 0.5
    one = PairBatch(
        rows=torch.eye(n),
        visits=torch.eye(n),
        labels=labels,
        shares=(1 - torch.eye(n)) / (n * (n - 1)),
        complete=True,
    )
    model = ProcessRewardModel(n, hidden_size=8)
    fitter = RewardFitter(model, 1e-2, 1.0, target_error=0.05)
    assert fitter.step([one])
    steps = 1
    while fitter.step([one]) and steps < 500:
        steps += 1
    assert 10 < steps < 500
    scores = model(one.rows).detach()
    assert float(scores[0] - scores[1:].max()) > 1.0


def test_of_several_networks_all_have_to_foretell_it(rng):
    one = replace(batch(rng), complete=True)
    known = replace(one, visits=torch.zeros(4, 5), labels=torch.full((4, 4), 0.5))
    fitter = RewardFitter(ProcessRewardModel(7, 8, 2), 1e-2, 1.0, target_error=0.05)
    assert not fitter.step([known, known])
    assert fitter.step([known, one])


def test_a_part_of_the_answers_is_no_reason_to_stop(rng):
    one = replace(batch(rng), visits=torch.zeros(4, 5), labels=torch.full((4, 4), 0.5))
    fitter = RewardFitter(ProcessRewardModel(7, 8), 1e-2, 1.0, target_error=0.05)
    assert fitter.step([one])


def _plain_loss(member, one, mean_prior, revisit_prior):
    scores = member(one.rows)[:, 0]
    seen = scores[:5]
    sums = [sum(n * s for n, s in zip(row, seen, strict=True)) for row in one.visits]
    loss = mean_prior * seen.mean() ** 2
    for revisit in scores[4:]:
        loss = loss + revisit_prior * max(0, revisit) ** 2 / 3
    for a in range(4):
        for b in range(a, 4):
            p = torch.sigmoid(sums[a] - sums[b])
            label, share = one.labels[a, b], one.shares[a, b]
            loss = loss - share * (label * p.log() + (1 - label) * (1 - p).log())
    return loss


def fitted(one, *priors, steps=400):
    """Return a model fitted to the answers of a batch."""
    model = ProcessRewardModel(one.rows.shape[1], hidden_size=8)
    fitter = RewardFitter(model, 1e-2, 100.0, *priors)
    for _ in range(steps):
        fitter.step([one])
    return model


def scores_of(one, *priors, steps=400):
    """Return the scores of a batch's rows once they are fitted to its answers."""
    return read(fitted(one, *priors, steps=steps), one.rows)


def read(model, rows):
    """Return a model's scores."""
    with torch.inference_mode():
        return model(rows)


def certain(visits, label):
    """Return a batch of one answer about two trajectories."""
    return PairBatch(
        rows=torch.eye(len(visits[0])),
        visits=torch.tensor(visits),
        labels=torch.tensor([[0.5, label], [0.5, 0.5]]),
        shares=torch.tensor([[0.0, 1.0], [0.0, 0.0]]),
    )


def test_the_mean_prior_draws_to_0_what_the_answers_leave_open():
    """Of two episodes as long as each other nothing is said of a constant."""
    one = certain([[1.0, 0.0], [0.0, 1.0]], 0.75)
    scores = scores_of(one, 1.0)
    assert scores.tolist() == pytest.approx([np.log(3) / 2, -np.log(3) / 2], abs=0.02)


def test_the_mean_prior_gives_way_where_lengths_tell_something():
    """Three times the only state against once: the label asks for its score itself."""
    one = certain([[3.0], [1.0]], 0.75)
    free = scores_of(one, 0.0)
    assert free.tolist() == pytest.approx([np.log(3) / 2], abs=0.02)
    drawn = scores_of(one, 0.01)
    assert 0.4 < float(drawn) <= float(free)


@pytest.mark.parametrize("reach", [0.25, 1.0])
def test_scores_of_any_reach_come_to_what_is_asked_for(reach):
    """Eight visits against none: they differ by log(4) however far a step reaches."""
    one = certain([[8.0, 0.0], [0.0, 8.0]], 0.8)
    model = ProcessRewardModel(2, hidden_size=8)
    model.reach.fill_(reach)
    fitter = RewardFitter(model, 1e-2, 100.0, mean_prior=1.0)
    for _ in range(600):
        fitter.step([one])
    with torch.inference_mode():
        first, second = (8 * model(one.rows)).tolist()
    assert first - second == pytest.approx(np.log(4), abs=0.02)


def test_a_smoothed_answer_asks_for_so_much_and_no_more():
    """Else a pair told apart beyond doubt would drive scores apart for ever."""
    sure = scores_of(certain([[1.0, 0.0], [0.0, 1.0]], 0.8), 1.0, steps=1500)
    assert float(sure[0] - sure[1]) == pytest.approx(np.log(4), abs=0.02)


NEW, AGAIN = [1.0, 0.0, 1.0], [1.0, 0.0, 0.0]
"""A good place, reached for the first time and come back to."""
ELSEWHERE, ELSEWHERE_AGAIN = [0.0, 1.0, 1.0], [0.0, 1.0, 0.0]


def flagged(rows, visits, label=0.9):
    """Return a batch of one answer, of rows that end in whether they are new."""
    seen = torch.tensor(rows)
    revisits = seen.clone()
    revisits[:, -1] = 0.0
    numbers = torch.arange(len(rows), 2 * len(rows))
    both = torch.cat([seen, revisits])
    return replace(certain(visits, label), rows=both, revisits=numbers)


@pytest.mark.parametrize("revisit_prior", [0.0, 10.0])
def test_coming_back_earns_nothing_as_long_as_no_answer_speaks_for_it(revisit_prior):
    """A network that was only ever told of first visits pays for all others as much."""
    one = flagged([NEW, ELSEWHERE], [[1.0, 0.0], [0.0, 1.0]])
    model = fitted(one, 1.0, revisit_prior)
    first, again = read(model, torch.tensor([NEW, AGAIN])).tolist()
    assert first > 0.8
    assert again < 0.1 if revisit_prior else again > 0.5


def test_coming_back_may_cost():
    """The prior is no floor."""
    one = flagged([NEW, AGAIN, ELSEWHERE], [[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    assert scores_of(one, 1.0, 10.0)[1] < -0.3


def test_answers_that_insist_are_heard():
    """Of two episodes the better one differs in nothing but that it came back often."""
    visits = [[1.0, 30.0, 0.0], [1.0, 0.0, 30.0]]
    one = flagged([NEW, AGAIN, ELSEWHERE_AGAIN], visits)
    sums = 30 * scores_of(one, 1.0, 10.0)
    assert sums[1] - sums[2] == pytest.approx(np.log(9), abs=0.1)


@pytest.mark.parametrize("factor", [1.0, 2.0**-130])
def test_gradients_are_exact_however_small_the_loss(factor):
    """Pairs told apart beyond doubt have such; plain floats this small are inexact."""
    model = ProcessRewardModel(2, hidden_size=8)
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    model(rows)[0].backward()
    plain = [weight.grad.clone() for weight in model.parameters()]
    fitter = RewardFitter(model, learning_rate=1e-3, max_grad_norm=1.0)
    fitter.backward([model(rows)], [torch.tensor([factor, 0.0])])
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
    model = ProcessRewardModel(7, hidden_size=8)
    fitter = RewardFitter(model, learning_rate=1e-2, max_grad_norm=1.0)
    before = fitter.weights()
    first = float(fitter.loss([one]))
    fitter.step([one])
    after = fitter.weights()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    assert not fitter.finite()
    fitter.go_back(before)
    assert fitter.finite()
    assert float(fitter.loss([one])) == first
    fitter.step([one])
    assert all(map(torch.equal, fitter.weights(), after))


def test_its_state_is_what_it_takes_to_go_on(rng):
    batches = [[batch(rng)] for _ in range(6)]
    models = [ProcessRewardModel(7, hidden_size=8) for _ in range(2)]
    fitters = [RewardFitter(model, 1e-2, 1.0) for model in models]
    for one in batches[:3]:
        fitters[0].step(one)
    models[1].load_state_dict(models[0].state_dict())
    fitters[1].load_state(fitters[0].state())
    for one in batches[3:]:
        for fitter in fitters:
            fitter.step(one)
    assert all(map(torch.equal, fitters[0].weights(), fitters[1].weights()))


def test_the_state_of_other_networks_is_refused(rng):
    small = RewardFitter(ProcessRewardModel(7, hidden_size=8), 1e-2, 1.0)
    small.step([batch(rng)])
    large = RewardFitter(ProcessRewardModel(7, hidden_size=16), 1e-2, 1.0)
    with pytest.raises(ValueError, match=r"shape \(177,\), here they are \(481,\)"):
        large.load_state(small.state())
