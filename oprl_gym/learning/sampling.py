"""Some steps of long episodes that stand for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oprl_gym.types import FloatArray, IntArray


@dataclass(frozen=True)
class StepSample:
    """M steps out of S episodes, those of one episode next to each other.

    Attributes:
        episode: (M,) int64 in [0, S), in rising order.
        step: (M,) int64, which step of that episode.
        stands_for: (M,) float32, how many steps of it this one stands for.
        start: (S,) int64, where the steps of each episode begin.
    """

    episode: IntArray
    step: IntArray
    stands_for: FloatArray
    start: IntArray


def sample_steps(
    lengths: IntArray, most: int, rng: np.random.Generator | None = None
) -> StepSample:
    """Choose at most so many steps of each episode; the last one is always there.

    The steps before it are cut into ``most - 1`` stretches of equal length, and one is
    drawn from each. A sum over the sample, weighted by what each step stands for, is an
    unbiased estimate of the sum over all steps, and a closer one than from steps drawn
    independently: stratified sampling (Cochran 1977, "Sampling Techniques", chapter 5).

    Args:
        lengths: (S,) steps of each episode, 1 or more.
        most: At least 2.
        rng: Source of randomness; None takes all steps.
    """
    cut = (lengths > most) & (rng is not None)
    counts = np.where(cut, most, lengths)
    episode = np.repeat(np.arange(len(lengths)), counts)
    start = np.cumsum(counts) - counts
    step = np.arange(len(episode)) - start[episode]
    stands_for = np.ones(len(episode), dtype=np.float32)
    if rng is not None and cut.any():
        of_cut = cut[episode]
        earlier = lengths[episode] - 1
        last = of_cut & (step == most - 1)
        drawn = of_cut & ~last
        stretch = earlier[drawn] / (most - 1)
        places = (step[drawn] + rng.random(len(stretch))) * stretch
        # Rounding may take a place to the very end of the last stretch.
        step[drawn] = np.minimum(places.astype(np.int64), earlier[drawn] - 1)
        step[last] = earlier[last]
        stands_for[drawn] = stretch
    return StepSample(episode, step, stands_for, start)
