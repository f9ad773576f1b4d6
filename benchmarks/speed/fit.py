"""Updates a second of the reward model: pairs of whole episodes, 60 steps each.

    python -m benchmarks.speed.fit   # two minutes
    python -m benchmarks.speed.fit --imitation PYTHON   # and imitation's, see below
    python -m benchmarks.speed.fit --smoke   # seconds; figures mean nothing

One update is one gradient step on 32 pairs for the network of 128 x 128 units. Ours is
`OPRLLearner.update` as it is called in a training, asking the teacher included, divided
by the gradient steps it takes; on dense observations it looks at some steps of each
episode, and "every step" is a batched gradient step that looks at all. The plain loop
passes episode after episode through the same network. PYTHON is the interpreter of an
environment that has `imitation` (1.0.1 needs other versions of Gymnasium and
Stable-Baselines3 than we do); its `BasicRewardTrainer` then takes its turns, see
`imitation_update.py`.

Observations are 64 numbers: states of the maze, which recur and are scored once, or
dense real ones, of which none comes twice. One torch thread, CPU time. Writes
`results/fit.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces

from benchmarks import provenance
from benchmarks.speed.imitation_rival import ImitationRival
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import (
    REPEATS,
    Contestant,
    Rated,
    Rates,
    in_turns,
    show,
    write,
)
from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.learning.answers import gathered
from oprl_gym.learning.batches import PairBatcher
from oprl_gym.rewards.losses import bradley_terry_errors, bradley_terry_slope
from oprl_gym.types import Array, Preference, Trajectory

FILE = "fit.json"
GROUP = "update"
MAZE, DENSE = "maze", "dense"
EVERY_STEP = "every step"
LOOP = "plain loop"
IMITATION = "imitation"
SECONDS = 2.0  # of each contestant in a round

PAIRS, STEPS, EPISODES = 32, 60, 200
# All steps are taken, whatever is foretold: what is measured is theirs.
CONFIG = OPRLConfig(
    batch_size=PAIRS, gradient_steps=20, hidden_size=128, target_error=0.0
)
ACTIONS = spaces.Discrete(4)
STATES = spaces.Box(0.0, 1.0, (64,), np.float32)
REALS = spaces.Box(-np.inf, np.inf, (64,), np.float32)


def measure(repeats: int, seconds: float, imitation: ImitationRival | None) -> Rates:
    """Return the updates a second of all, printing them."""
    maze, dense = maze_episodes(EPISODES), dense_episodes(EPISODES)
    contestants: dict[str, Rated] = {
        MAZE: library(STATES, maze),
        DENSE: library(REALS, dense),
        f"{DENSE}, {EVERY_STEP}": every_step(REALS, dense),
        f"{MAZE}, {LOOP}": plain_loop(STATES, maze),
        f"{DENSE}, {LOOP}": plain_loop(REALS, dense),
    }
    if imitation is not None:
        contestants[IMITATION] = imitation
    rates = {GROUP: in_turns(contestants, repeats, seconds)}
    show(GROUP, rates[GROUP])
    return rates


def library(space: spaces.Box, episodes: Sequence[Trajectory]) -> Contestant:
    """Return the learner's update with one more episode, as it is after many."""
    learner = OPRLLearner(space, ACTIONS, CONFIG, seed=0)
    learner.update(episodes)
    again = cycle(episodes)
    return Contestant(lambda: learner.update([next(again)]), CONFIG.gradient_steps)


def every_step(space: spaces.Box, episodes: Sequence[Trajectory]) -> Contestant:
    """Return one batched gradient step that leaves no step of an episode out.

    `OPRLLearner` looks at some steps of each, if none comes twice: this tells what of
    its speed is owed to that.
    """
    learner = OPRLLearner(space, ACTIONS, CONFIG, seed=0)
    learner.observe(episodes)  # for the statistics that normalise
    batcher = PairBatcher(learner.process_reward.encoder)
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(
        learner.model.parameters(), CONFIG.learning_rate, fused=True
    )

    def step() -> None:
        pairs = rng.integers(len(episodes), size=(PAIRS, 2))
        preferences = [Preference(episodes[a], episodes[b], 1.0) for a, b in pairs]
        batch = batcher.batch(gathered(preferences))
        sums = batch.sums(learner.model(batch.rows))
        errors = bradley_terry_errors(sums.detach(), batch.labels, batch.shares)
        slope = bradley_terry_slope(errors)
        _descend(learner.model, optimizer, sums @ slope)

    return Contestant(step, 1)


def plain_loop(space: spaces.Box, episodes: Sequence[Trajectory]) -> Contestant:
    """Return the same step with a forward pass for every episode, and no encoding."""
    learner = OPRLLearner(space, ACTIONS, CONFIG, seed=0)
    learner.observe(episodes)  # for the statistics that normalise
    rng = np.random.default_rng(0)
    encoded = PairBatcher(learner.process_reward.encoder).encoded
    rows = [torch.from_numpy(encoded(episode)) for episode in episodes]
    labels = torch.from_numpy(rng.integers(2, size=PAIRS)).float()
    optimizer = torch.optim.Adam(learner.model.parameters(), CONFIG.learning_rate)

    def step() -> None:
        pairs = rng.integers(len(rows), size=(PAIRS, 2))
        logits = [
            learner.model(rows[first]).sum() - learner.model(rows[second]).sum()
            for first, second in pairs
        ]
        loss = F.binary_cross_entropy_with_logits(torch.stack(logits), labels)
        _descend(learner.model, optimizer, loss)

    return Contestant(step, 1)


def maze_episodes(n: int) -> list[Trajectory]:
    """Return random walks in the maze, cut off after 60 steps."""
    envs = gym.make_vec("OPRLMaze-v0", 2 * n, max_episode_steps=-1)
    rng = np.random.default_rng(0)
    observations = [envs.reset(seed=0)[0]]
    actions = rng.integers(4, size=(STEPS, 2 * n))
    failed = np.ones(2 * n, dtype=np.bool_)
    for batch in actions:
        observation, _, terminated, _, _ = envs.step(batch)
        observations.append(observation)
        failed &= ~terminated
    kept = np.flatnonzero(failed)[:n]
    whole = np.stack(observations, axis=1)
    return [_episode(whole[i], actions[:, i], np.zeros(STEPS)) for i in kept]


def dense_episodes(n: int) -> list[Trajectory]:
    """Return episodes of normally distributed observations and rewards."""
    rng = np.random.default_rng(0)
    return [
        _episode(
            rng.normal(size=(STEPS + 1, 64)).astype(np.float32),
            rng.integers(4, size=STEPS),
            rng.normal(size=STEPS),
        )
        for _ in range(n)
    ]


def _descend(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: torch.Tensor
) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.max_grad_norm)
    optimizer.step()


def _episode(observations: Array, actions: Array, rewards: Array) -> Trajectory:
    return Trajectory(observations, actions, rewards, np.zeros(STEPS), terminated=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = make_parser(__doc__, "hardly any updates")
    parser.add_argument("--imitation", metavar="PYTHON", help="interpreter that has it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    repeats, seconds = (1, 0.0) if options.smoke else (REPEATS, SECONDS)
    flags = ["--smoke"] if options.smoke else []
    versions = {}
    with ExitStack() as stack:
        imitation = None
        if options.imitation is not None:
            imitation = stack.enter_context(ImitationRival(options.imitation))
            versions = imitation.versions
            flags += ["--imitation", "PYTHON"]
        rates = measure(repeats, seconds, imitation)
    command = provenance.command(flags)
    write(options.results / FILE, "updates", rates, command, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
