"""Random network distillation (Burda et al. 2018, arXiv:1810.12894) as a rival."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from benchmarks.rivals.shaping import BonusVecEnv
from oprl_gym.types import Array, BoolArray, FloatArray
from oprl_gym.visits import VisitTracker

HIDDEN = 128
FEATURES = 64
LEARNING_RATE = 1e-4
FIT_EVERY = 256
"""Env steps from one fit of the predictor to the next, as often as OPRL learns."""

EPOCHS = 4
CLIP = 5.0
GAMMA = 0.99
ALPHA = 0.5
"""Share of the novelty come from that is taken off, as in NovelD's paper."""


class RandomNetworkDistillation(BonusVecEnv):
    """Pays for observations that a network cannot predict yet.

    A predictor learns what a fixed random network makes of the observations met; its
    squared error is the bonus. As in the paper, observations are normalised and clipped
    to 5, and the bonus is divided by the running standard deviation of its discounted
    return, which does not end with an episode. Unlike in the paper, one value function
    serves both rewards, so that agents are the same in all arms.

    Args:
        venv: Envs with flat observations.
        scale: Weight of the bonus.
        seed: Of both networks and of the minibatches.

    Raises:
        ValueError: The observations are no flat vectors.
    """

    def __init__(self, venv: VecEnv, scale: float, seed: int) -> None:
        super().__init__(venv, scale)
        space = venv.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"RND needs flat observations, got {space}; flatten them")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._target = _network(space.shape[0], depth=1)
            self._predictor = _network(space.shape[0], depth=2)
        self._optimizer = torch.optim.Adam(
            self._predictor.parameters(), lr=LEARNING_RATE
        )
        self._observations = RunningMeanStd(shape=space.shape)
        self._returns = RunningMeanStd(shape=())
        self._discounted = np.zeros(venv.num_envs)
        self._waiting: list[Array] = []

    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return the normalised prediction errors, and learn when it is time."""
        self._observations.update(reached)
        errors = self.novelty(before, reached)
        self._discounted = GAMMA * self._discounted + errors
        self._returns.update(self._discounted)
        self._waiting.append(reached)
        if len(self._waiting) * self.num_envs >= FIT_EVERY:
            self._fit(np.concatenate(self._waiting))
            self._waiting.clear()
        normalised: FloatArray = errors / np.sqrt(self._returns.var + 1e-8)
        return normalised

    def novelty(self, before: Array, reached: Array) -> FloatArray:
        """Return the (N,) bonuses before they are normalised."""
        with torch.no_grad():
            return self._errors(reached).numpy().astype(np.float64)

    def _fit(self, observations: Array) -> None:
        for _ in range(EPOCHS):
            loss = self._errors(observations).mean()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def _errors(self, observations: Array) -> Tensor:
        """Return (N,) mean squared errors of the prediction."""
        mean, var = self._observations.mean, self._observations.var
        normal = np.clip((observations - mean) / np.sqrt(var + 1e-8), -CLIP, CLIP)
        inputs = torch.as_tensor(normal, dtype=torch.float32)
        with torch.no_grad():
            wanted = self._target(inputs)
        errors: Tensor = (self._predictor(inputs) - wanted).pow(2).mean(dim=1)
        return errors


def _network(inputs: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs, HIDDEN), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, FEATURES))


class NovelD(RandomNetworkDistillation):
    """Pays for coming from what is known to what is not, once an episode.

    NovelD (Zhang et al. 2021): max(n(s') - alpha n(s), 0) where s' is new in the
    episode, n being the prediction error of random network distillation.

    Args: as of :class:`RandomNetworkDistillation`.
    """

    def __init__(self, venv: VecEnv, scale: float, seed: int) -> None:
        super().__init__(venv, scale, seed)
        self._visits = VisitTracker(venv.num_envs)

    def begin(self, first: Array, beginning: BoolArray) -> None:
        """Forget what the last episode has seen."""
        self._visits.begin(first, beginning)

    def novelty(self, before: Array, reached: Array) -> FloatArray:
        """Return the (N,) differences, 0 where the observation is not new."""
        gain = super().novelty(before, reached) - ALPHA * super().novelty(
            before, before
        )
        return np.where(self._visits.step(reached), np.maximum(gain, 0.0), 0.0)
