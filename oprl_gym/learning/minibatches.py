"""What each gradient step looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from oprl_gym.config import OPRLConfig
from oprl_gym.learning.answers import Answers, smoothed
from oprl_gym.learning.batches import PairBatch, PairBatcher

ROWS = 512
"""Steps in a gradient step where each is an input row of its own."""

PICTURES = 256
"""The same where each is a picture, which costs as much as hundreds of other rows."""


def minibatches(
    answers: Answers,
    asked: bool,
    config: OPRLConfig,
    batcher: PairBatcher,
    rng: np.random.Generator,
) -> Iterator[list[PairBatch]]:
    """Yield a batch for each model, for one gradient step after the other, for ever.

    All pairs at once where a rule judged them and rows recur; else some of them, drawn
    anew for each model.

    Args:
        answers: To take them from.
        asked: Whether they are answers about single pairs, of which some are drawn;
            else all pairs of some of the trajectories are.
        config: Says how many.
        batcher: Turns them into rows.
        rng: Source of randomness.
    """
    answers = replace(answers, labels=smoothed(answers.labels, config.label_smoothing))
    models = range(config.ensemble_size)
    if not asked and batcher.rows_recur(answers.trajectories):
        batch = replace(batcher.batch(answers, rng), complete=True)
        while True:
            yield [batch for _ in models]
    rows = ROWS if batcher.encoder.image is None else PICTURES
    while True:
        some = [
            answers.draw(config.batch_size, rng)
            if asked
            else answers.among(config.batch_episodes, rng)
            for _ in models
        ]
        yield [
            batcher.batch(one, rng, max(8, rows // len(one.trajectories)))
            for one in some
        ]
