"""Bradley-Terry preference learning, as pure functions of tensors.

Bradley & Terry (1952), "Rank analysis of incomplete block designs", Biometrika 39;
as a loss on trajectory scores: Christiano et al. (2017), arXiv:1706.03741.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def bradley_terry_loss(sums: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
    """Return the cross-entropy in nats between answers about pairs and Bradley-Terry.

    By it the first of a pair is preferred with the probability sigmoid(z), z being the
    difference of the trajectories' scores. Computed from z, so that sums of hundreds of
    step scores neither overflow nor lose their gradient.

    Args:
        sums: (S,) scores of the trajectories.
        labels: (S, S) P(the one of the row is preferred to that of the column); 0.5 is
            "equal".
        shares: (S, S) weights of the answers that add up to 1; 0 where there is none.
    """
    _check_shapes(sums, labels, shares)
    logits = sums[:, None] - sums
    return F.binary_cross_entropy_with_logits(logits, labels, shares, reduction="sum")


def bradley_terry_errors(sums: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
    """Return (S, S) by how much each answer is foretold too high, times its share.

    That is (sigmoid(z) - label) * share, the gradient of :func:`bradley_terry_loss` by
    z. Their magnitudes add up to the mean error.

    Args:
        sums: As of the loss, like the two that follow.
        labels: (S, S)
        shares: (S, S)

    Example:
        >>> sums = torch.zeros(2)  # nothing is told apart, and the first is the better
        >>> labels = torch.tensor([[0.5, 1.0], [0.0, 0.5]])
        >>> bradley_terry_errors(sums, labels, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[ 0.0000, -0.5000],
                [ 0.0000,  0.0000]])
    """
    _check_shapes(sums, labels, shares)
    return (sums[:, None] - sums).sigmoid_().sub_(labels).mul_(shares)


def bradley_terry_slope(errors: Tensor) -> Tensor:
    """Return the (S,) gradient of :func:`bradley_terry_loss` by the sums.

    The errors are added up for each trajectory, at a fraction of what it takes torch to
    go back through each of the S * S pairs.

    Args:
        errors: (S, S) of :func:`bradley_terry_errors`.

    Example:
        >>> bradley_terry_slope(torch.tensor([[0.0, -0.5], [0.0, 0.0]]))
        tensor([-0.5000,  0.5000])
    """
    return errors.sum(dim=1) - errors.sum(dim=0)


def _check_shapes(sums: Tensor, labels: Tensor, shares: Tensor) -> None:
    if not labels.shape == shares.shape == (len(sums), len(sums)):
        raise ValueError(
            f"labels and shares must be ({len(sums)}, {len(sums)}), as there are so "
            f"many sums, got {tuple(labels.shape)} and {tuple(shares.shape)}"
        )


def ordered(logits: Tensor, labels: Tensor) -> Tensor:
    """Return for each pair that has an order whether the logits have it too.

    Labels of exactly 0.5 have none and are left out; a logit of 0 counts as wrong.

    Args:
        logits: (B,)
        labels: (B,)

    Returns (B',) bool with B' <= B.
    """
    decided = labels != 0.5
    return (torch.sign(logits) == torch.sign(labels - 0.5))[decided]
