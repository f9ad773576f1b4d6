"""Bradley-Terry preference learning, as pure functions of tensors.

Bradley & Terry (1952), "Rank analysis of incomplete block designs", Biometrika 39;
as a loss on trajectory scores: Christiano et al. (2017), arXiv:1706.03741.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_logits(step_scores: Tensor, visits: Tensor) -> Tensor:
    """Return (B,) differences of trajectory scores, first minus second.

    A pair's difference is a weighted sum of step scores: +1 for every step of the
    first trajectory, -1 for every step of the second (each divided by the number of
    steps when means are compared). Pairs of any length so fit in one batch, and steps
    that share an input row share its score.

    Args:
        step_scores: (U,) scores of distinct input rows.
        visits: (B, U), how much each row adds to each pair's difference.
    """
    return visits @ step_scores


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


def ordered_share(logits: Tensor, labels: Tensor) -> float | None:
    """Return the share of pairs whose order the logits get right.

    Labels of exactly 0.5 have no order and do not count; a logit of 0 counts as
    wrong. None if no pair counts.
    """
    decided = labels != 0.5
    if not bool(decided.any()):
        return None
    right = torch.sign(logits) == torch.sign(labels - 0.5)
    return float(right[decided].float().mean())
