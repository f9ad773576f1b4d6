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

    The gradient by z is sigmoid(z) - label. It is added up here for each trajectory,
    not by torch for each pair, of which there are S times as many.

    Args:
        sums: (S,) scores of the trajectories.
        labels: (S, S) P(the one of the row is preferred to that of the column); 0.5 is
            "equal".
        shares: (S, S) weights of the answers that add up to 1; 0 where there is none.
    """
    if not labels.shape == shares.shape == (len(sums), len(sums)):
        raise ValueError(
            f"labels and shares must be ({len(sums)}, {len(sums)}), as there are so "
            f"many sums, got {tuple(labels.shape)} and {tuple(shares.shape)}"
        )
    with torch.no_grad():
        logits = sums[:, None] - sums
        loss = F.binary_cross_entropy_with_logits(
            logits, labels, shares, reduction="sum"
        )
        error = shares * (logits.sigmoid_() - labels)
        slope = error.sum(dim=1) - error.sum(dim=0)
    to_descend = slope @ sums
    return loss + to_descend - to_descend.detach()


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
