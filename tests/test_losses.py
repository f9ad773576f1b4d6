"""Numbers worked out by hand: Bradley-Terry is p = 1 / (1 + exp(b - a))."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oprl_gym.rewards.losses import (
    bradley_terry_loss,
    ordered,
    pair_logits,
    preference_probability,
)


def test_pair_logits_are_first_minus_second():
    # Three episodes: states 0 and 1; state 2 twice; state 0. They score 3, 10 and 1.
    scores = torch.tensor([1.0, 2.0, 5.0])
    visits = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    logits = pair_logits(scores, visits, torch.tensor([[0, 1], [1, 2], [0, 0]]))
    assert logits.tolist() == [-7.0, 9.0, 0.0]


def test_probabilities_by_hand():
    logits = torch.tensor([0.0, math.log(3), -math.log(3)])
    assert preference_probability(logits).tolist() == pytest.approx([0.5, 0.75, 0.25])


@pytest.mark.parametrize(
    ("logit", "label", "loss"),
    [
        (0.0, 1.0, math.log(2)),
        (math.log(3), 1.0, math.log(4 / 3)),
        (math.log(3), 0.0, math.log(4)),
        (math.log(3), 0.5, 0.5 * math.log(4 / 3) + 0.5 * math.log(4)),
    ],
)
def test_losses_by_hand(logit, label, loss):
    value = bradley_terry_loss(torch.tensor([logit]), torch.tensor([label]))
    assert float(value) == pytest.approx(loss)


def test_the_loss_is_the_mean_over_pairs():
    logits = torch.tensor([math.log(3), math.log(3)])
    value = bradley_terry_loss(logits, torch.tensor([1.0, 0.0]))
    assert float(value) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_gradients_by_hand():
    """dL/da = p - y for the first trajectory, the opposite for the second."""
    scores = torch.tensor([math.log(3), 0.0], requires_grad=True)
    logits = pair_logits(scores, torch.eye(2), torch.tensor([[0, 1]]))
    bradley_terry_loss(logits, torch.tensor([1.0])).backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx([-0.25, 0.25])


def test_a_tie_pulls_the_scores_together():
    logits = torch.tensor([math.log(3)], requires_grad=True)
    bradley_terry_loss(logits, torch.tensor([0.5])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0.25])


@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_very_large_sums_keep_a_finite_loss_and_a_gradient(logit):
    """`log(sigmoid(x) + 1e-8)` stops at 18.4 and gives no gradient there."""
    logits = torch.tensor([logit], requires_grad=True)
    wrong = 0.0 if logit > 0 else 1.0
    loss = bradley_terry_loss(logits, torch.tensor([wrong]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1e4)
    assert logits.grad is not None
    assert logits.grad.abs().tolist() == [1.0]


@given(logit=st.floats(-50, 50, width=32), label=st.floats(0, 1, width=32))
def test_swapping_the_pair_changes_nothing(logit, label):
    loss = bradley_terry_loss(torch.tensor([logit]), torch.tensor([label]))
    swapped = bradley_terry_loss(torch.tensor([-logit]), torch.tensor([1 - label]))
    assert float(loss) == pytest.approx(float(swapped), rel=1e-4, abs=1e-5)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="must both be"):
        bradley_terry_loss(torch.zeros(3), torch.zeros(3, 1))


def test_only_decided_pairs_have_an_order():
    """A logit of 0 has none, and is wrong; an answer that is hardly sure has one."""
    logits = torch.tensor([2.0, -1.0, 3.0, 0.0, -0.5])
    labels = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.49])
    assert ordered(logits, labels).tolist() == [True, False, False, True]
    assert ordered(logits[2:3], labels[2:3]).tolist() == []


def test_shares_weigh_the_loss():
    logits, labels = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])
    expected = 0.25 * math.log(2) + 0.75 * math.log1p(math.exp(-2))
    loss = bradley_terry_loss(logits, labels, torch.tensor([0.25, 0.75]))
    assert float(loss) == pytest.approx(expected, rel=1e-6)
