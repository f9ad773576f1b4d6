"""A reward model without torch, for a few rows at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.normaliser import LIMIT
from oprl_gym.types import FloatArray

FEW = 64
"""Rows that it scores sooner than torch does, which takes long to begin."""


class _Hidden(NamedTuple):
    """A Linear-LayerNorm-ReLU.

    What LayerNorm takes off, the mean over a row's units, is linear in the row: it is
    taken off the weights and the bias once, instead of off every row.
    """

    weight: FloatArray  # (in, out), rows of mean 0
    bias: FloatArray  # (out,), of mean 0
    scale: FloatArray  # (out,)
    shift: FloatArray  # (out,)
    epsilon: float

    def __call__(self, rows: FloatArray) -> FloatArray:
        values = rows @ self.weight
        values += self.bias
        # einsum: by far the fastest way to the sums of squares of short rows.
        squares = np.einsum("ij,ij->i", values, values)
        values /= np.sqrt(squares / values.shape[1] + self.epsilon)[:, None]
        values *= self.scale
        values += self.shift
        return np.maximum(values, 0.0, out=values)


class QuickModel:
    """The networks of a :class:`ProcessRewardModel` as they are now, in NumPy.

    Args:
        model: On any device, without a picture's front.

    Example:
        >>> import torch
        >>> from oprl_gym import ProcessRewardModel
        >>> model, rows = ProcessRewardModel(input_dim=3), torch.rand(5, 3)
        >>> quick = QuickModel(model)(rows.numpy())
        >>> bool(np.allclose(quick, model(rows).detach(), atol=1e-6))
        True
    """

    def __init__(self, model: ProcessRewardModel) -> None:
        self._reach = np.float32(model.reach.item())
        self._normal = _normal(model)
        self._members = [_layers(member) for member in model.members]

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Score (n, d) float32 rows; returns (n,) float32, as the model does."""
        if self._normal is not None:
            mean, deviation, limit = self._normal
            scaled = (rows - mean) / deviation
            rows = np.maximum(np.minimum(scaled, limit), -limit)
        scores = [self._score(rows, *layers) for layers in self._members]
        return np.mean(scores, axis=0) if len(scores) > 1 else scores[0]

    def _score(
        self, rows: FloatArray, hidden: list[_Hidden], out: FloatArray, bias: FloatArray
    ) -> FloatArray:
        for layer in hidden:
            rows = layer(rows)
        scores: FloatArray = np.tanh(rows @ out + bias)
        return self._reach * scores


def _layers(member: nn.Module) -> tuple[list[_Hidden], FloatArray, FloatArray]:
    """Return the hidden layers, and the weights (in,) and bias (1,) of the last one."""
    linear = [one for one in member.modules() if isinstance(one, nn.Linear)]
    norms = [one for one in member.modules() if isinstance(one, nn.LayerNorm)]
    hidden = [
        _Hidden(
            _array(layer.weight.t() - layer.weight.mean(dim=0)[:, None]),
            _array(layer.bias - layer.bias.mean()),
            _array(norm.weight),
            _array(norm.bias),
            norm.eps,
        )
        for layer, norm in zip(linear[:-1], norms, strict=True)
    ]
    return hidden, _array(linear[-1].weight[0]), _array(linear[-1].bias)


def _normal(
    model: ProcessRewardModel,
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return the (d,) mean, deviation and limit by which columns are normalised."""
    normaliser = model.normaliser
    if normaliser is None or normaliser.count == 0:
        return None
    mean, deviation = (_array(one) for one in normaliser.moments())
    varied = normaliser.varied.cpu().numpy()
    return (
        np.where(varied, mean, np.float32(0)),
        np.where(varied, deviation, np.float32(1)),
        np.where(varied, np.float32(LIMIT), np.float32(np.inf)),
    )


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().float().contiguous().numpy().copy()
    return array
