"""What OPRL costs a whole training, and what it is spent on.

    python -m benchmarks.speed.overhead   # half an hour
    python -m benchmarks.speed.overhead --envs DoorKey
    python -m benchmarks.speed.overhead --imitation PYTHON   # and imitation's: below
    python -m benchmarks.speed.overhead --smoke   # seconds; the figures mean nothing

PPO and A2C of Stable-Baselines3, alone, with OPRL and with the novelty bonus of RND, 8
envs, 50,000 env steps, one torch thread, CPU time; they take turns. Settings and envs
are those of the ladder (settings.py). Writes `results/overhead.json` (env steps a
second, for the ratios), `results/overhead.csv` and `results/overhead.png` (what the
time of a step goes into), after each training and beside what is there of others.

PYTHON is the interpreter of an environment that has `imitation`, as for `fit.py`. Its
wrapper then takes its turn on CartPole-v1, the one of these envs that it can have, and
so does the plain agent with the versions found there; see `imitation_training.py`.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks import provenance
from benchmarks.ladder.agents import make_agent
from benchmarks.ladder.envs import make_venv
from benchmarks.ladder.run import shaped
from benchmarks.ladder.settings import ARMS, RUNGS, agent_of
from benchmarks.speed.imitation_rival import TRAINING, ImitationRival
from benchmarks.speed.options import make_parser
from benchmarks.speed.rates import Rated, in_turns, read, show, write
from oprl_gym import OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.episodes.recorder import EpisodeRecorder
from oprl_gym.figures.plotting import FAINT, GREEN, INDIGO, ORANGE, new_figure
from oprl_gym.rewards.scoring import StepScorer

FILE, TABLE, FIGURE = "overhead.json", "overhead.csv", "overhead.png"
PLAIN, OPRL, RND = "plain", "OPRL", "RND"
IMITATION, IMITATION_PLAIN = "imitation's wrapper", "plain, imitation's versions"
IN_IMITATION = "CartPole-v1"
ENVS = {"OPRLMaze-v0": "OPRLMaze-v0", "CartPole-v1": "CartPole", "DoorKey": "doorkey"}
STEPS, SMOKE_STEPS = 50_000, 2_048
ROUNDS = 3

PARTS: dict[str, list[tuple[type, str]]] = {
    "scoring": [(StepScorer, "score")],
    "recording": [(EpisodeRecorder, "step"), (EpisodeRecorder, "begin")],
    "fitting": [(OPRLLearner, "observe"), (OPRLLearner, "update")],
}
"""Whose time counts as which part."""
REST = "handing over, logging"
COLORS = {PLAIN: FAINT, "scoring": GREEN, "recording": ORANGE, "fitting": INDIGO}
REST_COLOR = "#C9CCD3"


@dataclass
class Training:
    """A whole training, anew with each call of :meth:`rate`.

    Attributes:
        algo: "ppo" or "a2c".
        rung: Name of a rung.
        arm: Name of an arm, "plain" or "oprl".
        steps: Env steps.
        seconds: CPU seconds of the runs so far, by part.
    """

    algo: str
    rung: str
    arm: str
    steps: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, seconds: float) -> float:
        """Return the env steps a second of one run, however long that takes."""
        model, callback = self._agent()
        with ExitStack() as stack:
            spent = {
                part: stack.enter_context(stopwatch(methods))
                for part, methods in PARTS.items()
            }
            start = time.process_time()
            model.learn(self.steps, callback=callback)
            elapsed = time.process_time() - start
        self.seconds.setdefault("all", []).append(elapsed)
        for part, (total,) in spent.items():
            self.seconds.setdefault(part, []).append(total)
        return float(self.steps / elapsed)

    def microseconds(self, part: str) -> float:
        """Return the median CPU time of a part, for each env step, without warm-up."""
        return 1e6 * statistics.median(self.seconds[part][1:]) / self.steps

    def _agent(self) -> tuple[Any, OPRLCallback | None]:
        algo, rung = agent_of(self.rung, self.algo), RUNGS[self.rung]
        venv = shaped(make_venv(rung, algo.n_envs, 0), ARMS[self.arm], rung, 0)
        model = make_agent(algo, venv, 0)
        return model, OPRLCallback() if self.arm == "oprl" else None


@contextmanager
def stopwatch(methods: Sequence[tuple[type, str]]) -> Iterator[list[float]]:
    """Add up the CPU seconds spent in some methods; they must not call each other."""
    total = [0.0]

    def timed(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return method(*args, **kwargs)
            finally:
                total[0] += time.process_time() - start

        return call

    with ExitStack() as stack:
        for owner, name in methods:
            replaced = timed(getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, replaced))
        yield total


def measure(
    algo: str, name: str, steps: int, rounds: int, others: Mapping[str, Rated]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return env steps a second of all, and microseconds of a step by part."""
    plain, ours, rnd = (
        Training(algo, ENVS[name], arm, steps) for arm in ("plain", "oprl", "rnd")
    )
    all_of_them = {PLAIN: plain, OPRL: ours, RND: rnd, **others}
    rates = in_turns(all_of_them, rounds, 0.0)
    return rates, split(plain, ours)


def imitations(
    stack: ExitStack, python: str, algo: str, steps: int
) -> dict[str, ImitationRival]:
    """Return imitation's contestants, whose processes end with the stack."""
    agent = json.dumps(asdict(agent_of(ENVS[IN_IMITATION], algo)))
    arms = {IMITATION_PLAIN: "plain", IMITATION: "wrapped"}
    return {
        name: stack.enter_context(
            ImitationRival(python, TRAINING, [arm, agent, str(steps)])
        )
        for name, arm in arms.items()
    }


def split(plain: Training, ours: Training) -> dict[str, float]:
    """Return the microseconds of an env step, by what they are spent on."""
    row = {PLAIN: plain.microseconds("all")}
    row |= {part: ours.microseconds(part) for part in PARTS}
    return {**row, REST: max(0.0, ours.microseconds("all") - sum(row.values()))}


def add(
    results: Path,
    training: str,
    rates: dict[str, list[float]],
    parts: Mapping[str, float],
    command: str,
    versions: Mapping[str, str],
) -> None:
    """Write one training's figures beside those of the others that are there."""
    known = read(results / FILE)
    groups = {**(known.rates if known else {}), training: rates}
    here = provenance.versions()
    kept = known.versions.items() if known else ()
    elsewhere = {name: of_it for name, of_it in kept if name not in here}
    write(results / FILE, "env steps", groups, command, {**elsewhere, **versions})
    rows = {row["training"]: row for row in read_table(results / TABLE)}
    rows[training] = {"training": training, **parts}
    with (results / TABLE).open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[training]), lineterminator="\n")
        table.writeheader()
        for row in rows.values():
            words = {k: v if isinstance(v, str) else f"{v:.1f}" for k, v in row.items()}
            table.writerow(words)
    draw(read_table(results / TABLE), results / FIGURE)


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the table so far."""
    if not path.exists():
        return []
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return [
        {k: v if k == "training" else float(v) for k, v in row.items()} for row in rows
    ]


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one bar for each training, the plain agent's share first."""
    figure, axes = new_figure(size=(7, 0.9 + 0.5 * len(rows)))
    ax = axes[0, 0]
    names = [row["training"] for row in rows]
    left = [0.0] * len(rows)
    for part in (PLAIN, *PARTS, REST):
        widths = [row[part] for row in rows]
        label = "the agent itself" if part == PLAIN else part
        color = COLORS.get(part, REST_COLOR)
        ax.barh(names, widths, left=left, height=0.6, color=color, label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for y, (total, row) in enumerate(zip(left, rows, strict=True)):
        ax.text(total, y, f"  {total / row[PLAIN]:.2f}x", va="center")
    ax.set_xlim(0, 1.12 * max(left))
    ax.invert_yaxis()
    ax.set_xlabel("CPU time of an env step (µs), and the total relative to a plain run")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = make_parser(__doc__, "one short run each")
    parser.add_argument("--envs", metavar="A,B", help=f"of {', '.join(ENVS)}; all")
    parser.add_argument("--imitation", metavar="PYTHON", help="interpreter that has it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = options.envs.split(",") if options.envs else list(ENVS)
    algos, steps, rounds = ["ppo", "a2c"], STEPS, ROUNDS
    if options.smoke:
        algos, steps, rounds = ["ppo"], SMOKE_STEPS, 1
        names = names if options.envs else names[:1]
    unknown = set(names) - set(ENVS)
    if unknown:
        parser.error(f"--envs: {', '.join(unknown)} is not one of {', '.join(ENVS)}")
    # That of all trainings: those measured earlier stand in the same files.
    flags = ["--smoke"] if options.smoke else []
    command = provenance.command(
        [*flags, "--imitation", "PYTHON"] if options.imitation else flags
    )
    versions: dict[str, str] = {}
    for name in names:
        for algo in algos:
            with ExitStack() as stack:
                others: dict[str, ImitationRival] = {}
                if options.imitation and name == IN_IMITATION:
                    others = imitations(stack, options.imitation, algo, steps)
                    versions = others[IMITATION].versions
                rates, parts = measure(algo, name, steps, rounds, others)
            training = f"{algo.upper()} {name}"
            show(training, rates)
            add(options.results, training, rates, parts, command, versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
