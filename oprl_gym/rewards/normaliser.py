"""Input columns brought to mean 0 and deviation 1, by what was seen so far."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = 10.0
"""Deviations beyond which a value is cut, so that no outlier drowns the others."""


class Normaliser(nn.Module):
    """Running mean and deviation of each column that has a magnitude of its own.

    The statistics are buffers: they travel and are saved with the weights, and change
    only by :meth:`update`. Before the first update, values stay as they are. Moments
    are merged as in Chan, Golub & LeVeque (1979).

    Args:
        varied: (d,) bool, which columns of a row to normalise. The others (of one-hot
            and binary values, and of boxes from 0 to 1) stay as they are.
    """

    varied: Tensor  # (d,) bool
    count: Tensor  # () float64
    mean: Tensor  # (d,) float64
    squares: Tensor  # (d,) float64, sum of squared differences from the mean

    def __init__(self, varied: Tensor) -> None:
        super().__init__()
        self.register_buffer("varied", varied.clone(), persistent=False)
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(len(varied), dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(len(varied), dtype=torch.float64))

    def update(self, rows: Tensor) -> None:
        """Take (n, d) more rows into account; rows that are not finite are left out."""
        rows = rows[torch.isfinite(rows).all(dim=1)].double()
        n = len(rows)
        if n == 0:
            return
        mean = rows.mean(dim=0)
        squares = (rows - mean).square().sum(dim=0)
        total = self.count + n
        gap = mean - self.mean
        self.mean += gap * n / total
        self.squares += squares + gap.square() * self.count * n / total
        self.count.copy_(total)

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise (n, d) float32 rows."""
        if self.count == 0:
            return rows
        mean, deviation = self.moments()
        scaled = (rows - mean) / deviation
        return torch.where(self.varied, scaled.clamp(-LIMIT, LIMIT), rows)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the (d,) means and deviations so far, float32."""
        deviation = (self.squares / self.count).sqrt()
        # A column that never changed says nothing; it becomes 0.
        deviation = torch.where(deviation > 1e-8, deviation, torch.inf)
        return self.mean.float(), deviation.float()
