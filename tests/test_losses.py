"""Numbers worked out by hand: Bradley-Terry is p = 1 / (1 + exp(b - a))."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oprl_gym.rewards.losses import (
    bradley_terry_errors,
    bradley_terry_loss,
    bradley_terry_slope,
    ordered,
)


def of_one(difference, label):
    """Return the loss of one answer, and the (2,) gradient by the scores of both."""
    sums = torch.tensor([difference, 0.0])
    labels = torch.tensor([[0.5, label], [0.5, 0.5]])
    shares = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    loss = bradley_terry_loss(sums, labels, shares)
    errors = bradley_terry_errors(sums, labels, shares)
    return float(loss), bradley_terry_slope(errors).tolist()


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
    assert of_one(logit, label)[0] == pytest.approx(loss)


def test_gradients_by_hand():
    """dL/da = p - y for the first trajectory, the opposite for the second."""
    assert of_one(math.log(3), 1.0)[1] == pytest.approx([-0.25, 0.25])


def test_errors_by_hand():
    """Foretold with 0.75; a quarter of the weight, and the other answers have none."""
    sums = torch.tensor([math.log(3), 0.0])
    labels = torch.tensor([[0.5, 1.0], [0.5, 0.5]])
    shares = torch.tensor([[0.0, 0.25], [0.0, 0.0]])
    errors = bradley_terry_errors(sums, labels, shares)
    torch.testing.assert_close(errors, torch.tensor([[0.0, -0.0625], [0.0, 0.0]]))


def test_a_tie_pulls_the_scores_together():
    assert of_one(math.log(3), 0.5)[1] == pytest.approx([0.25, -0.25])


@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_very_large_sums_keep_a_finite_loss_and_a_gradient(logit):
    """`log(sigmoid(x) + 1e-8)` stops at 18.4 and gives no gradient there."""
    loss, gradient = of_one(logit, 0.0 if logit > 0 else 1.0)
    assert loss == pytest.approx(1e4)
    assert np.abs(gradient).tolist() == [1.0, 1.0]


@given(logit=st.floats(-50, 50, width=32), label=st.floats(0, 1, width=32))
def test_swapping_the_pair_changes_nothing(logit, label):
    sums, labels = torch.tensor([logit, 0.0]), torch.zeros(2, 2)
    labels[0, 1], labels[1, 0] = label, 1 - label
    loss, swapped = (
        float(bradley_terry_loss(sums, labels, torch.tensor(shares)))
        for shares in ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]])
    )
    assert loss == pytest.approx(swapped, rel=1e-4, abs=1e-5)


@given(seed=st.integers(0, 2**31), n=st.integers(1, 6))
def test_loss_and_gradient_are_those_of_torch_pair_by_pair(seed, n):
    """However many answers there are, and on whichever side of a pair they stand."""
    generator = torch.Generator().manual_seed(seed)
    sums = 5 * torch.randn(n, generator=generator)
    labels, shares = torch.rand(2, n, n, generator=generator)
    shares[torch.rand(n, n, generator=generator) < 0.5] = 0.0
    plain = sums.clone().requires_grad_()
    loss = bradley_terry_loss(sums, labels, shares)
    slope = bradley_terry_slope(bradley_terry_errors(sums, labels, shares))
    expected = torch.zeros(())
    for a in range(n):
        for b in range(n):
            one = nn.functional.binary_cross_entropy_with_logits(
                plain[a] - plain[b], labels[a, b]
            )
            expected = expected + shares[a, b] * one
    expected.backward()
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    torch.testing.assert_close(slope, plain.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (2, 2)])
def test_shapes_that_would_broadcast_are_refused(shape):
    with pytest.raises(ValueError, match=r"must be \(3, 3\)"):
        bradley_terry_loss(torch.zeros(3), torch.zeros(shape), torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"must be \(3, 3\)"):
        bradley_terry_errors(torch.zeros(3), torch.zeros(3, 3), torch.zeros(shape))


def test_only_decided_pairs_have_an_order():
    """A logit of 0 has none, and is wrong; an answer that is hardly sure has one."""
    logits = torch.tensor([2.0, -1.0, 3.0, 0.0, -0.5])
    labels = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.49])
    assert ordered(logits, labels).tolist() == [True, False, False, True]
    assert ordered(logits[2:3], labels[2:3]).tolist() == []
