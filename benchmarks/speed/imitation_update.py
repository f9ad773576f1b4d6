"""One update of imitation's reward model, timed in an environment that has imitation.

`fit.py --imitation PYTHON` starts this file with that interpreter and nothing else of
ours in reach. It says which versions it found, in one line of JSON; from then on it
answers every line it reads, which is a number of seconds, with updates a second of
CPU time, having worked that long.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import gymnasium as gym
import numpy as np
import torch
from imitation.algorithms.preference_comparisons import (  # type: ignore[import-not-found]
    BasicRewardTrainer,
    CrossEntropyRewardLoss,
    PreferenceDataset,
    PreferenceModel,
)
from imitation.data.types import TrajectoryWithRew  # type: ignore[import-not-found]
from imitation.rewards.reward_nets import (  # type: ignore[import-not-found]
    BasicRewardNet,
)

PAIRS, STEPS, INPUTS = 32, 60, 64  # as in fit.py
PACKAGES = ("imitation", "gymnasium", "numpy", "torch")


def make_trainer() -> BasicRewardTrainer:
    """Return the trainer with the network of 128 x 128 units."""
    network = BasicRewardNet(
        gym.spaces.Box(-np.inf, np.inf, (INPUTS,), np.float32),
        gym.spaces.Discrete(4),
        hid_sizes=(128, 128),
    )
    return BasicRewardTrainer(
        PreferenceModel(network),
        CrossEntropyRewardLoss(),
        rng=np.random.default_rng(0),
        batch_size=PAIRS,
    )


def make_dataset() -> PreferenceDataset:
    """Return one batch of pairs, so that an epoch is one update."""
    rng = np.random.default_rng(0)
    pairs = [(_fragment(rng), _fragment(rng)) for _ in range(PAIRS)]
    dataset = PreferenceDataset()
    dataset.push(pairs, rng.integers(2, size=PAIRS).astype(np.float32))
    return dataset


def updates_a_second(
    trainer: BasicRewardTrainer, dataset: PreferenceDataset, seconds: float
) -> float:
    """Return the rate of `train`, called at least once."""
    calls, start = 0, time.process_time()
    while True:
        trainer.train(dataset)
        calls += 1
        elapsed = time.process_time() - start
        if elapsed > seconds:
            return calls / elapsed


def _fragment(rng: np.random.Generator) -> TrajectoryWithRew:
    return TrajectoryWithRew(
        obs=rng.normal(size=(STEPS + 1, INPUTS)).astype(np.float32),
        acts=rng.integers(4, size=STEPS),
        infos=None,
        terminal=False,
        rews=rng.normal(size=STEPS),
    )


def main() -> None:
    """Answer until there is nothing more to read."""
    # What imitation prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    trainer, dataset = make_trainer(), make_dataset()
    versions = {name: version(name) for name in PACKAGES}
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        rate = updates_a_second(trainer, dataset, float(line))
        print(rate, file=answers, flush=True)


if __name__ == "__main__":
    main()
