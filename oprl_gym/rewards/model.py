"""The process reward model: a score for every step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oprl_gym.rewards.images import ImageFront
from oprl_gym.rewards.normaliser import Normaliser


class ProcessRewardModel(nn.Module):
    """One or several networks that score a step; their mean is the process reward.

    Each is Linear-LayerNorm-ReLU, twice, then Linear-Tanh: the network of the
    tutorial. What comes out is multiplied by :attr:`reach`. Weights are drawn from
    ``generator`` alone, so building a model leaves torch's global random state as it
    was.

    Args:
        input_dim: Length d of an input row.
        hidden_size: Units in each hidden layer.
        ensemble_size: Number of networks K.
        generator: Source of the initial weights; None takes a fixed seed of 0.
        varied: Which of the d columns have a magnitude of their own and are to be
            normalised by running statistics (see :class:`Normaliser`); None: none.
        image: (C, H, W) of a picture that a row starts with; it is read by the
            convolutional network of Mnih et al. (2015), Stable-Baselines3's NatureCNN.

    Attributes:
        reach: () float32, the largest score of a step; 1 unless it is set. Where an
            episode has hundreds of steps, a small score of each is a large one of the
            episode: a network that reached to 1 would have to hit it to the hundredth.

    Example:
        >>> import torch
        >>> from oprl_gym import ProcessRewardModel
        >>> model = ProcessRewardModel(input_dim=64)
        >>> model(torch.zeros(5, 64)).shape
        torch.Size([5])
    """

    reach: Tensor  # () float32

    def __init__(
        self,
        input_dim: int,
        hidden_size: int = 128,
        ensemble_size: int = 1,
        generator: torch.Generator | None = None,
        varied: Sequence[bool] | None = None,
        image: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        if generator is None:
            generator = torch.Generator().manual_seed(0)
        self.input_dim = input_dim
        self.hidden_size = hidden_size
        self.ensemble_size = ensemble_size
        self.members = nn.ModuleList(
            _network(input_dim, hidden_size, generator)
            if image is None
            else _image_network(input_dim, image, hidden_size, generator)
            for _ in range(ensemble_size)
        )
        self.register_buffer("reach", torch.ones(()))
        self.normaliser: Normaliser | None = None
        if varied is not None and any(varied):
            self.normaliser = Normaliser(torch.tensor(varied))

    def normalised(self, rows: Tensor) -> Tensor:
        """Return (n, d) rows as the networks read them."""
        return rows if self.normaliser is None else self.normaliser(rows)

    def forward(self, rows: Tensor) -> Tensor:
        """Score (n, d) float32 rows; returns (n,) float32, at most ``reach`` from 0."""
        return self.member_scores(rows).mean(dim=0)

    def member_scores(self, rows: Tensor) -> Tensor:
        """Score (n, d) rows by each network; returns (K, n)."""
        rows = self.normalised(rows)
        scores = torch.stack([member(rows).squeeze(-1) for member in self.members])
        return self.reach * scores


def _network(input_dim: int, hidden: int, generator: torch.Generator) -> nn.Sequential:
    return nn.Sequential(
        _linear(input_dim, hidden, generator),
        nn.LayerNorm(hidden),
        nn.ReLU(),
        _linear(hidden, hidden, generator),
        nn.LayerNorm(hidden),
        nn.ReLU(),
        _linear(hidden, 1, generator),
        nn.Tanh(),
    )


def _image_network(
    input_dim: int, image: tuple[int, int, int], hidden: int, generator: torch.Generator
) -> nn.Sequential:
    front = ImageFront(image, hidden, generator)
    rest = input_dim - front.size
    return nn.Sequential(front, *_network(hidden + rest, hidden, generator))


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a Linear with torch's default distribution, from our own generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = inputs**-0.5  # torch: kaiming_uniform(a=sqrt(5)) comes to this
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
