"""Gradient steps on batches of preferences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oprl_gym.learning.batches import PairBatch
from oprl_gym.rewards.losses import (
    bradley_terry_errors,
    bradley_terry_loss,
    bradley_terry_slope,
)
from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.tensors import optimizer_state, to_arrays

LOSS_SCALE = 2.0**64
"""Pairs that are told apart beyond doubt have gradients below the smallest normal
float, on which a processor is many times slower. Scaled by a power of two on the way,
as in mixed precision (Micikevicius et al. 2018, arXiv:1710.03740), all others stay what
they are to the last bit."""


class RewardFitter:
    """Fits the K networks of a reward model by the Bradley-Terry loss, with Adam.

    Args:
        model: What is fitted, on its device.
        learning_rate: Step size of Adam.
        max_grad_norm: The gradients of each network are clipped to this norm.
        mean_prior: Weight of the squared mean score of a batch's rows in the loss.
            Trajectories of equal length say nothing of a constant in every score, which
            would drift; where lengths differ and tell something, it gives way.
        revisit_prior: Weight of the mean squared score, where it is above 0, that a
            batch's rows would have if the episode had been there before. Hardly a
            good episode comes back to where it was, so the answers leave that open; an
            agent that were paid for it would come back for ever.
        target_error: How far off the answers about each trajectory may be foretold, on
            average, for a complete batch to count as learned. 0: none ever does.

    Example:
        >>> import torch
        >>> from oprl_gym import ProcessRewardModel
        >>> model = ProcessRewardModel(input_dim=2, hidden_size=8)
        >>> fitter = RewardFitter(model, learning_rate=1e-2, max_grad_norm=1.0)
        >>> batch = PairBatch(
        ...     rows=torch.eye(2),
        ...     visits=torch.eye(2),
        ...     labels=torch.ones(2, 2),
        ...     shares=torch.tensor([[0.0, 1.0], [0.0, 0.0]]),
        ... )
        >>> before = float(fitter.loss([batch]))
        >>> all(fitter.step([batch]) for _ in range(20))
        True
        >>> float(fitter.loss([batch])) < before
        True
    """

    def __init__(
        self,
        model: ProcessRewardModel,
        learning_rate: float,
        max_grad_norm: float,
        mean_prior: float = 0.0,
        revisit_prior: float = 0.0,
        target_error: float = 0.0,
    ) -> None:
        self.model = model
        self.max_grad_norm = max_grad_norm
        self.mean_prior = mean_prior
        self.revisit_prior = revisit_prior
        self.target_error = target_error
        self._weights = [in_one_tensor(member) for member in model.members]
        self._learning_rate = learning_rate
        self._optimizer = self._new_optimizer()

    def step(self, batches: Sequence[PairBatch]) -> bool:
        """Take one gradient step, each network on its batch.

        Returns False, with nothing done, if all that they say is learned already.
        """
        scores, errors = [], []
        for member, batch in zip(self.model.members, batches, strict=True):
            rows = batch.rows if self.revisit_prior else batch.seen(batch.rows)
            scores.append(self._scores(member, rows, batch.columns))
            errors.append(self.errors(scores[-1].detach(), batch))
        if all(map(self._learned, errors, batches)):
            return False
        slopes = [
            self.slope(of_network.detach(), of_answers, batch)
            for of_network, of_answers, batch in zip(
                scores, errors, batches, strict=True
            )
        ]
        self.backward(scores, slopes)
        self._clip()
        self._optimizer.step()
        return True

    def loss(self, batches: Sequence[PairBatch]) -> Tensor:
        """Return the mean loss of the networks, each on its batch, without priors."""
        losses = []
        with torch.inference_mode():
            for member, batch in zip(self.model.members, batches, strict=True):
                seen = batch.seen(batch.rows)
                scores = self._scores(member, seen, batch.columns)
                losses.append(self.of_answers(scores, batch))
            return torch.stack(losses).mean()

    def of_answers(self, scores: Tensor, batch: PairBatch) -> Tensor:
        """Return the loss of one network's scores of the rows of a batch.

        Args:
            scores: (V,), or (U,) of those that the trajectories are at.
            batch: Answers about them.
        """
        return bradley_terry_loss(batch.sums(scores), batch.labels, batch.shares)

    def errors(self, scores: Tensor, batch: PairBatch) -> Tensor:
        """Return (S, S) how far off one network foretells each answer, by its share.

        Args:
            scores: As of :meth:`of_answers`, like what follows.
            batch: Answers about them.
        """
        return bradley_terry_errors(batch.sums(scores), batch.labels, batch.shares)

    def slope(self, scores: Tensor, errors: Tensor, batch: PairBatch) -> Tensor:
        """Return the gradient of loss and priors by one network's scores; as they are.

        By hand, as torch would go back through a dozen small operations for it.

        Args:
            scores: As of :meth:`of_answers`.
            errors: What :meth:`errors` says of them.
            batch: Answers about them.
        """
        slope = torch.zeros_like(scores)
        of_sums = bradley_terry_slope(errors)
        seen, of_seen = batch.seen(scores), batch.seen(slope)
        of_seen += of_sums @ batch.visits
        of_seen += 2.0 * self.mean_prior * seen.mean() / len(seen)
        if batch.revisits is not None and self.revisit_prior:
            paid = scores[batch.revisits].clamp(min=0.0)
            paid *= 2.0 * self.revisit_prior / len(paid)
            slope.index_add_(0, batch.revisits, paid)
        return slope

    def _learned(self, errors: Tensor, batch: PairBatch) -> bool:
        """Return whether one network foretells a batch well enough.

        By the trajectory that it knows least of: of hundreds that failed, one that did
        not hardly shows in the mean of all.
        """
        if not (self.target_error and batch.complete):
            return False
        off, shares = (
            one.sum(dim=0) + one.sum(dim=1) for one in (errors.abs(), batch.shares)
        )
        return bool((off <= self.target_error * shares).all())

    def _scores(
        self, member: nn.Module, rows: Tensor, columns: Tensor | None
    ) -> Tensor:
        """Return a network's (n,) scores of (n, d) rows, by some columns or all."""
        if columns is None:
            scores = member(self.model.normalised(rows))
        else:
            first, *others = member.children()
            assert isinstance(first, nn.Linear)
            weight = first.weight.index_select(1, columns)
            scores = F.linear(rows[:, columns], weight, first.bias)
            for layer in others:
                scores = layer(scores)
        return self.model.reach * scores.view(-1)

    def backward(self, scores: Sequence[Tensor], slopes: Sequence[Tensor]) -> None:
        """Let every weight's ``grad`` be the gradient of the loss.

        Args:
            scores: (V,) of each network, as it gave them.
            slopes: (V,) of each, the gradient by those scores.
        """
        for weights in self._weights:
            _gradient(weights).zero_()
        for of_network, slope in zip(scores, slopes, strict=True):
            of_network.backward(LOSS_SCALE * slope)
        for weights in self._weights:
            _gradient(weights).div_(LOSS_SCALE)

    def _clip(self) -> None:
        """Do what torch.nn.utils.clip_grad_norm_ does, at a third of its cost."""
        for weights in self._weights:
            gradient = _gradient(weights)
            factor = self.max_grad_norm / (gradient.norm() + 1e-6)
            gradient.mul_(factor.clamp(max=1.0))

    def weights(self) -> list[Tensor]:
        """Return a copy of the weights of each network."""
        return [weights.detach().clone() for weights in self._weights]

    def go_back(self, weights: Sequence[Tensor]) -> None:
        """Take over weights that :meth:`weights` returned, and begin anew from them.

        The optimiser forgets its averages: they may be spoilt too.
        """
        with torch.no_grad():
            for own, earlier in zip(self._weights, weights, strict=True):
                own.copy_(earlier)
        self._optimizer = self._new_optimizer()

    def finite(self) -> bool:
        """Return whether all weights are numbers."""
        return all(bool(torch.isfinite(weights).all()) for weights in self._weights)

    def state(self) -> dict[str, Any]:
        """Return the optimiser's state, in NumPy. The weights are the model's."""
        state: dict[str, Any] = to_arrays(self._optimizer.state_dict())
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is the state of a model with other networks.
        """
        self._optimizer.load_state_dict(optimizer_state(self._optimizer, state))

    def _new_optimizer(self) -> torch.optim.Adam:
        return torch.optim.Adam(self._weights, lr=self._learning_rate, fused=True)


def in_one_tensor(network: nn.Module) -> nn.Parameter:
    """Lay the weights of a network, and their gradients, into one tensor each.

    The network's own become views of it. What is done to all of them then is done in
    one operation instead of ten, which for layers this small is most of the cost.

    Args:
        network: Its weights are all of one dtype and on one device.

    Returns:
        (W,) all weights, one after another; its ``grad`` is set, to zeros.

    Example:
        >>> network = nn.Linear(2, 1)
        >>> weights = in_one_tensor(network)
        >>> with torch.no_grad():
        ...     weights.copy_(torch.tensor([1.0, 2.0, 3.0]))
        Parameter containing:
        tensor([1., 2., 3.], requires_grad=True)
        >>> network(torch.ones(1, 2)).item()
        6.0
    """
    parameters = list(network.parameters())
    weights = nn.Parameter(torch.cat([one.detach().reshape(-1) for one in parameters]))
    weights.grad = torch.zeros_like(weights)
    sizes = [one.numel() for one in parameters]
    values, gradients = weights.detach().split(sizes), weights.grad.split(sizes)
    for one, value, gradient in zip(parameters, values, gradients, strict=True):
        one.data = value.view_as(one)
        one.grad = gradient.view_as(one)
    return weights


def _gradient(weights: nn.Parameter) -> Tensor:
    assert weights.grad is not None
    return weights.grad
