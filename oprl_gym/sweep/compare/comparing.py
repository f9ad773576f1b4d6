"""Do a comparison: look at the env, train what is missing, answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oprl_gym.engines import Engine
from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.config import TrainConfig
from oprl_gym.sweep.compare import words
from oprl_gym.sweep.compare.answer import answer
from oprl_gym.sweep.compare.arms import entries
from oprl_gym.sweep.compare.figure import draw_compare
from oprl_gym.sweep.compare.looking import pays_late
from oprl_gym.sweep.compare.scores import scores
from oprl_gym.sweep.outcomes import write_tables
from oprl_gym.sweep.runs import SweepRun
from oprl_gym.sweep.spec import Sweep
from oprl_gym.sweep.sweeping import run_sweep


def compare(config: TrainConfig, seeds: int, out: Path, engine: Engine) -> None:
    """Train each arm with each seed, and say whether a learned reward helps.

    Writes a sweep's folder, ``compare.png`` and ``verdict.json``, and prints the
    answer. What is broken off goes on when it is called again.

    Args:
        config: Of the run with OPRL, with the first seed.
        seeds: How many.
        out: The folder.
        engine: Who does the runs.

    Raises:
        RunError: The env or the folder cannot be used; or runs failed, and the others
            are done.
    """
    late = pays_late(config)
    if _left_out(config, late):
        print(f"{words.LATE}\n", flush=True)
    arms = tuple(entry.arm(config) for entry in entries(_left_out(config, late)))
    sweep = Sweep(arms, tuple(range(config.seed, config.seed + seeds)))

    def report(runs: Sequence[SweepRun], out: Path) -> None:
        _report(runs, out, config, late)

    run_sweep(sweep, out, engine, report)


def _left_out(config: TrainConfig, late: bool) -> bool:
    """Whether OPRL would leave out the env's reward, and nobody has said otherwise."""
    return late and config.env_reward_weight is None and config.mode == "additive"


def _report(
    runs: Sequence[SweepRun], out: Path, config: TrainConfig, late: bool
) -> None:
    found = answer(scores(runs))
    title = words.headline(found, config.env_id)
    replace_file(out / "verdict.json", words.as_json(found, config, late))
    if not found.scores.arms:
        print("", f"{title}.", *words.sentences(found), sep="\n")
        return
    write_tables(runs, out)
    draw_compare(found.scores, title, out / "compare.png")
    print(f"\n{title}.")
    for line in words.sentences(found):
        print(line)
    print(f"\n{words.table(found)}\n")
    if found.oprl is not None and found.oprl.more_seeds:
        seeds = len({run.seed for run in runs}) + found.oprl.more_seeds
        print(f"next        the same command with --seeds {seeds} goes on from here")
    for number, line in enumerate(words.to_write(found)):
        print(f"{'' if number else 'write':<12}{line}")
    print(f"results     {out}: compare.png, verdict.json, runs.csv, runs/")
