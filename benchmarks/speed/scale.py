"""What a long run costs as it goes on: up to ten million env steps.

    python -m benchmarks.speed.scale   # some minutes
    python -m benchmarks.speed.scale --smoke   # seconds; the figures mean nothing

1024 mazes move as one batch, through `ProcessRewardVectorWrapper` and at random; a
learner takes in every episode and is updated every 65,536 env steps and at each point
of the figure. CPU time of one thread, kept apart: stepping (with scoring and
recording), taking episodes in, and updates. Episodes begin at different times, so that
as many end in every step; the clock starts after that. Points lie evenly on a
logarithmic axis, the same number in each decade; the cost is the median of three runs,
the memory that of the first. A single point above its neighbours is likely Python's
garbage collector, which looks through everything once in a while.

Writes `results/scale.csv`, `results/scale.json`, with the rates by decade, and
`results/scale.png`.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from benchmarks import provenance
from benchmarks.speed.memory import resident_mib
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import Rates, write
from oprl_gym import OPRLLearner
from oprl_gym.figures.plotting import GREEN, GRID, INDIGO, INK, ORANGE, new_figure
from oprl_gym.types import IntArray
from oprl_gym.wrappers import ProcessRewardVectorWrapper

FILE, TABLE, FIGURE = "scale.json", "scale.csv", "scale.png"
ENVS = 1024
LIMIT = 60  # steps in an episode
FIRST, LAST, SMOKE_LAST = 4, 7, 5  # powers of ten, in env steps
POINTS = 6  # in each decade
RUNS = 3
TAKE_IN = 16 * ENVS  # env steps after which episodes are taken in
UPDATE = 64 * ENVS  # env steps after which the model is updated
STEPPING, UPDATING = "stepping", "updating"


@dataclass(frozen=True)
class Point:
    """What it cost since the point before.

    Attributes:
        env_steps: Done at its end, over all envs.
        step_us: CPU microseconds an env step: env, scoring, recording.
        take_in_us: CPU microseconds an env step: episodes handed to the learner.
        update_ms: CPU milliseconds an update of the reward model; the median.
        mib: Memory in use at its end.
    """

    env_steps: int
    step_us: float
    take_in_us: float
    update_ms: float
    mib: float


class LongRun:
    """A run that tells what it costs.

    Args:
        seed: Of the actions and the learner.
    """

    def __init__(self, seed: int) -> None:
        self._envs = ProcessRewardVectorWrapper(gym.make_vec("OPRLMaze-v0", ENVS))
        self._rng = np.random.default_rng(seed)
        self._learner = OPRLLearner(
            self._envs.single_observation_space,
            self._envs.single_action_space,
            seed=seed,
        )
        self.env_steps = 0
        self._stagger()

    def go_on(self, until: int) -> Point:
        """Run to a number of env steps, a multiple of ENVS, and update there."""
        begun = self.env_steps
        stepping, taking_in, updates = 0.0, 0.0, []
        while self.env_steps < until:
            part = min(until, self.env_steps + TAKE_IN)
            stepping += _cpu_seconds(lambda part=part: self._step(part))  # type: ignore[misc]
            taking_in += _cpu_seconds(self._take_in)
            if self.env_steps % UPDATE < TAKE_IN or self.env_steps == until:
                updates.append(_cpu_seconds(self._update))
        per_step = 1e6 / (self.env_steps - begun)
        return Point(
            env_steps=self.env_steps,
            step_us=stepping * per_step,
            take_in_us=taking_in * per_step,
            update_ms=1e3 * statistics.median(updates),
            mib=resident_mib(),
        )

    def _stagger(self) -> None:
        """Let the episodes begin one after another, as those of a long run do."""
        self._envs.reset(seed=0)
        for step in range(LIMIT):
            self._envs.step(self._actions())
            beginning = np.arange(ENVS) % LIMIT == step
            self._envs.reset(options={"reset_mask": beginning})
        self._learner.observe(self._envs.pop_episodes())
        self._update()

    def _step(self, until: int) -> None:
        while self.env_steps < until:
            self._envs.step(self._actions())
            self.env_steps += ENVS

    def _take_in(self) -> None:
        self._learner.observe(self._envs.pop_episodes())

    def _update(self) -> None:
        self._learner.update([])
        self._envs.load_reward_state(self._learner.reward_state())

    def _actions(self) -> IntArray:
        return self._rng.integers(4, size=ENVS)


def measure(last: int, runs: int) -> list[Point]:
    """Return the cost along runs of ``10**last`` env steps, printing it."""
    LongRun(seed=runs).go_on(UPDATE)  # what a process does only once is not counted
    of_runs = [points_of(LongRun(seed), last) for seed in range(runs)]
    points = [middle(points) for points in zip(*of_runs, strict=True)]
    for point in points:
        print("  ".join(f"{value:>12,.3f}" for value in astuple(point)))
    return points


def points_of(run: LongRun, last: int) -> list[Point]:
    """Return the points of one run."""
    run.go_on(ENVS * (10**FIRST // ENVS))
    return [run.go_on(target) for target in targets(last)]


def middle(points: Sequence[Point]) -> Point:
    """Return the median costs of several runs; the memory is that of the first."""
    return replace(
        points[0],
        step_us=statistics.median(point.step_us for point in points),
        take_in_us=statistics.median(point.take_in_us for point in points),
        update_ms=statistics.median(point.update_ms for point in points),
    )


def targets(last: int) -> list[int]:
    """Return the env steps of the points, ``POINTS`` in each decade up to ``last``."""
    count = POINTS * (last - FIRST)
    exact = 10 ** (FIRST + np.arange(1, count + 1) / POINTS)
    return [ENVS * round(steps / ENVS) for steps in exact.tolist()]


def rates(points: Sequence[Point]) -> Rates:
    """Return env steps and updates a second, by the decade they were done in."""
    found: Rates = {STEPPING: {}, UPDATING: {}}
    for first in range(0, len(points), POINTS):
        decade = points[first : first + POINTS]
        name = decade_name(FIRST + first // POINTS)
        found[STEPPING][name] = [1e6 / (p.step_us + p.take_in_us) for p in decade]
        found[UPDATING][name] = [1e3 / p.update_ms for p in decade]
    return found


def decade_name(power: int) -> str:
    """Return what the steps from ``10**power`` on are called."""
    return f"10^{power} to 10^{power + 1}"


def write_table(points: Sequence[Point], path: Path) -> None:
    """Write one line a point."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Point))
        for point in points:
            numbers = (f"{value:.3f}" for value in astuple(point)[1:])
            writer.writerow([point.env_steps, *numbers])


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw the costs and the memory over the env steps done."""
    figure, axes = new_figure(1, 3, size=(10, 3.2))
    steps = [point.env_steps for point in points]
    of_step, of_update, memory = axes[0]
    of_step.stackplot(
        steps,
        [point.step_us for point in points],
        [point.take_in_us for point in points],
        labels=("step, score and record it", "hand finished episodes to the learner"),
        colors=(INDIGO, ORANGE),
        alpha=0.85,
    )
    of_step.legend(frameon=False, loc="upper left", fontsize=8, reverse=True)
    line = {"marker": "o", "markersize": 3}
    of_update.plot(steps, [p.update_ms for p in points], color=GREEN, **line)
    memory.plot(steps, [p.mib for p in points], color=INK, **line)
    _dress(of_step, "CPU time of one env step (µs)", steps)
    _dress(of_update, "CPU time of one reward-model update (ms)", steps)
    _dress(memory, "memory in use (MiB)", steps)
    of_update.set_xlabel(f"env steps done, of {ENVS:,} mazes at once")
    figure.savefig(path, metadata={"Software": None})


def _dress(ax: Any, title: str, steps: Sequence[int]) -> None:
    """Let a panel say what it shows, on a logarithmic axis and from 0 up."""
    ax.set_title(title, fontsize=9, loc="left")
    ax.set_xscale("log")
    ax.set_xlim(10**FIRST, 1.1 * steps[-1])
    ax.set_ylim(0, 1.35 * ax.dataLim.y1)
    ax.grid(axis="y", color=GRID)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, draw."""
    options = make_parser(__doc__, "a short run").parse_args(arguments)
    torch.set_num_threads(1)
    points = measure(SMOKE_LAST, 1) if options.smoke else measure(LAST, RUNS)
    command = provenance.command(["--smoke"] if options.smoke else [])
    write(options.results / FILE, "env steps, or updates", rates(points), command)
    write_table(points, options.results / TABLE)
    draw(points, options.results / FIGURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
