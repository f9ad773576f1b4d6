"""Return decomposition as a rival: the same network, fitted to returns by numbers.

Both learn a reward of a step from whole episodes and their returns, as OPRL does, but
by regression instead of comparison; the agent then learns from it alone. They share
network, memory and updates with our learner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from benchmarks.ladder.settings import Arm
from oprl_gym.config import OPRLConfig
from oprl_gym.learning import OPRLLearner
from oprl_gym.learning.answers import Answers
from oprl_gym.learning.batches import PairBatch
from oprl_gym.learning.fitting import RewardFitter
from oprl_gym.types import FloatArray, Trajectory

Kind = Literal["ircr", "rrd"]

ROWS = 1024
"""Steps looked at in a gradient step: twice as many as of ours."""


class DecomposingFitter(RewardFitter):
    """Fits step scores to returns, which come in the place of the pairs' labels.

    Args:
        kind: "ircr", iterative relative credit refinement (Gangwani, Zhou & Peng 2020,
            arXiv:2011.00864): every step is given its episode's return, brought to 0 to
            1 by the least and the greatest kept. "rrd", randomised return decomposition
            (Ren et al. 2022, arXiv:2111.13485): the mean score of steps drawn from an
            episode is to be its return over its length.
        learner: Whose model is fitted.
        config: Its settings.
    """

    def __init__(self, kind: Kind, learner: OPRLLearner, config: OPRLConfig) -> None:
        super().__init__(learner.model, config.learning_rate, config.max_grad_norm)
        self.kind = kind

    def of_answers(self, scores: Tensor, batch: PairBatch) -> Tensor:
        """Return the mean squared error, of the steps or of the episodes."""
        errors, weights = self._residuals(scores, batch)
        return (weights * errors.square()).sum()

    def errors(self, scores: Tensor, batch: PairBatch) -> Tensor:
        """Return its gradient by what is fitted, of each step or each episode."""
        errors, weights = self._residuals(scores, batch)
        return 2.0 * weights * errors

    def slope(self, scores: Tensor, errors: Tensor, batch: PairBatch) -> Tensor:
        """Return its gradient by the scores."""
        if self.kind == "ircr":
            return errors.sum(dim=0)
        return (errors / batch.visits.sum(dim=1)) @ batch.visits

    def _residuals(self, scores: Tensor, batch: PairBatch) -> tuple[Tensor, Tensor]:
        """Return errors, and how much each counts: (S,) of episodes or (S, U)."""
        targets = batch.labels.diagonal()
        lengths = batch.visits.sum(dim=1)
        if self.kind == "rrd":
            errors = batch.sums(scores) / lengths - targets
            return errors, torch.full_like(errors, 1.0 / len(errors))
        return scores - targets[:, None], batch.visits / lengths.sum()


class DecomposingLearner(OPRLLearner):
    """Our learner with another loss; nobody is asked anything.

    Args:
        arm: Which of the two, and its settings.
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        seed: Of everything random in here.
    """

    def __init__(
        self,
        arm: Arm,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        seed: int,
    ) -> None:
        assert arm.config is not None
        super().__init__(observation_space, action_space, arm.config, seed=seed)
        self._kind: Kind = "ircr" if arm.kind == "ircr" else "rrd"
        self._fitter = DecomposingFitter(self._kind, self, arm.config)

    def _batches(self, answers: Answers, asked: bool) -> Iterator[list[PairBatch]]:
        """Yield batches of episodes; in the place of labels stand their targets."""
        kept = list(self.memory.trajectories)
        targets = self._targets(kept)
        while True:
            size = min(len(kept), self.config.batch_episodes)
            drawn = self.rng.choice(len(kept), size=size, replace=False)
            episodes = Answers(
                [kept[number] for number in drawn],
                np.diag(targets[drawn]),
                np.eye(size),
            )
            yield [self._batcher.batch(episodes, self.rng, ROWS // size)]

    def _targets(self, kept: Sequence[Trajectory]) -> FloatArray:
        """Return what the scores of each episode's steps are fitted to."""
        returns = np.array([one.env_return for one in kept])
        if self._kind == "ircr":
            span = max(float(np.ptp(returns)), 1e-8)
            return (returns - returns.min()) / span
        per_step = returns / np.array([len(one) for one in kept])
        # The network's scores reach from -1 to 1.
        return per_step / max(1e-8, float(np.abs(per_step).max()))
