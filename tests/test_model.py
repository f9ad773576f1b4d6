import pytest
import torch
from torch import nn

from oprl_gym import ProcessRewardModel


def test_the_default_is_the_tutorials_network():
    (network,) = ProcessRewardModel(input_dim=64).members
    kinds = [type(layer) for layer in network]
    half = [nn.Linear, nn.LayerNorm, nn.ReLU]
    assert kinds == [*half, *half, nn.Linear, nn.Tanh]
    widths = [layer.out_features for layer in network if isinstance(layer, nn.Linear)]
    assert widths == [128, 128, 1]


def test_scores_are_one_per_row_within_the_range_of_tanh():
    model = ProcessRewardModel(input_dim=4, hidden_size=8)
    scores = model(100 * torch.randn(7, 4, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (7,)
    assert bool((scores.abs() <= 1).all())


def test_an_ensembles_score_is_the_mean_of_different_members():
    model = ProcessRewardModel(input_dim=4, hidden_size=8, ensemble_size=3)
    rows = torch.eye(4)
    members = model.member_scores(rows)
    assert members.shape == (3, 4)
    torch.testing.assert_close(model(rows), members.mean(dim=0))
    assert len({tuple(scores.tolist()) for scores in members}) == 3


def test_weights_come_from_the_generator_and_nothing_else():
    """Building a model must not shift the agent's random numbers."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (
        ProcessRewardModel(4, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    rows = torch.eye(4)
    assert torch.equal(first(rows), again(rows))
    assert not torch.equal(first(rows), other(rows))


def test_initial_weights_have_torchs_default_distribution():
    torch.manual_seed(0)
    model = ProcessRewardModel(100, hidden_size=100)
    ours = model.state_dict()["members.0.0.weight"]
    torchs = nn.Linear(100, 100).weight.detach()
    assert float(ours.abs().max()) == pytest.approx(0.1, rel=1e-2)
    assert float(ours.std()) == pytest.approx(float(torchs.std()), rel=0.02)


def test_scores_reach_as_far_as_is_set():
    model = ProcessRewardModel(input_dim=4, hidden_size=8, ensemble_size=2)
    rows = torch.eye(4)
    near = model(rows)
    model.reach.fill_(0.25)
    torch.testing.assert_close(model(rows), 0.25 * near)
    again = ProcessRewardModel(input_dim=4, hidden_size=8, ensemble_size=2)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again(rows), 0.25 * near)
