"""Bradley-Terry preference learning, as pure functions of tensors.

Bradley & Terry (1952), "Rank analysis of incomplete block designs", Biometrika 39;
as a loss on trajectory scores: Christiano et al. (2017), arXiv:1706.03741.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_logits(step_scores: Tensor, visits: Tensor, pairs: Tensor) -> Tensor:
    """Return (B,) differences of trajectory scores, first minus second.

    A trajectory's score is the sum of those of its steps. Steps that share an input row
    share its score, so that trajectories of any length fit in one batch.

    Args:
        step_scores: (U,) scores of distinct input rows.
        visits: (S, U), how often each trajectory is at each row.
        pairs: (B, 2) int64 numbers of trajectories, the first and the second.
    """
    sums = visits @ step_scores
    return sums[pairs[:, 0]] - sums[pairs[:, 1]]


def preference_probability(logits: Tensor) -> Tensor:
    """Return (B,) probabilities that the first is preferred: sigmoid of the logit."""
    return torch.sigmoid(logits)


def bradley_terry_loss(
    logits: Tensor, labels: Tensor, shares: Tensor | None = None
) -> Tensor:
    """Return the mean cross-entropy in nats between labels and Bradley-Terry.

    Args:
        logits: (B,) score of the first trajectory minus that of the second.
        labels: (B,) P(first preferred) in [0, 1]; 0.5 is "equal".
        shares: (B,) weights that add up to 1, of a weighted mean; None: all alike.

    Computed from logits, so that sums of hundreds of step scores neither overflow nor
    lose their gradient.
    """
    if logits.shape != labels.shape or logits.ndim != 1:
        raise ValueError(
            f"logits and labels must both be (B,), got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if shares is None:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.binary_cross_entropy_with_logits(logits, labels, shares, reduction="sum")


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
