"""``oprl-gym train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.config import OPRLConfig
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.episode_log import WINDOW
from oprl_gym.runs.folder import RunError, RunFolder, Summary
from oprl_gym.runs.report import name_of, rate
from oprl_gym.runs.teaching_config import HUMAN_LEARNER

Tracker = Literal["wandb", "trackio"]  # as oprl_gym.training.tracking
TRACK = tyro.conf.arg(metavar="wandb|trackio", help_behavior_hint="(default: neither)")

NEVER_FITTED = (
    "reward      none was learned: too few episodes had ended, or been told apart; "
    "train longer"
)


@dataclass(frozen=True)
class Train:
    """Train an agent and write everything about it to a run folder."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(
        default_factory=TrainConfig
    )

    run_dir: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="DIR", help_behavior_hint="(default: a new one in runs/)"
        ),
    ] = None
    """Run folder to write."""

    resume: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: a new run)"),
    ] = None
    """Go on with the run in DIR, which was broken off; its settings are kept. With
    --total-timesteps a finished one is trained further. What comes from a module is
    named once more: --env-id MODULE:ENV, --env-wrapper MODULE:CLASS."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Replace the run that is in DIR."""

    track: Annotated[Tracker | None, TRACK] = None
    """Also send its progress to Weights & Biases, or to trackio (extras [wandb] and
    [trackio])."""

    trust: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """With --resume: import whatever modules the run's env comes from."""

    def run(self) -> None:
        """Train."""
        if self.trust:
            raise RunError("--trust has an effect with --resume alone; leave it out")
        from oprl_gym.training.run import train

        _one_thread()
        print(report(train(self.config, self.run_dir, self.overwrite, self.track)))

    def read_as(self) -> type[Train | Resume]:
        """Return what the arguments are to be read as, once it is seen what they ask.

        So that no value has to be compared with its default to know if it was given.
        """
        if self.resume is not None:
            return Resume
        return TrainByPeople if self.config.teaching.by_people else Train


@dataclass(frozen=True)
class TrainByPeople(Train):
    """The same with the learner's defaults where people answer."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = field(
        default_factory=lambda: TrainConfig(learner=OPRLConfig(**HUMAN_LEARNER))
    )


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was broken off; its settings are kept."""

    resume: Annotated[str, tyro.conf.arg(metavar="DIR")]
    """Its run folder."""

    total_timesteps: Annotated[
        int | None,
        tyro.conf.arg(metavar="INT", help_behavior_hint="(default: as begun)"),
    ] = None
    """Train up to so many env steps, a finished run too."""

    track: Annotated[Tracker | None, TRACK] = None
    """Also send its progress there."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Go on."""
        self.trust.vouch(RunFolder.begun(self.resume).config())
        from oprl_gym.training.run import resume

        _one_thread()
        print(report(resume(self.resume, self.total_timesteps, self.track)))


def _one_thread() -> None:
    """The networks are so small that more threads only wait for each other."""
    import torch

    torch.set_num_threads(1)


def report(folder: RunFolder) -> str:
    """Return what is worth knowing of a finished run, in a few lines."""
    config, summary = folder.config(), folder.summary()
    lines = [
        f"{config.env_id}, {name_of(config)}, seed {config.seed}: "
        f"{summary.total_timesteps:,} steps in {summary.wall_time_s:.0f} s",
        f"training    {_learned(folder, summary)}",
        f"evaluation  {_success(summary)}"
        f"return {summary.eval_return_mean:g}, {summary.eval_length_mean:g} steps "
        f"({summary.eval_episodes} episodes)",
    ]
    if config.oprl and not len(folder.progress("oprl/reward_loss")[0]):
        lines.append(NEVER_FITTED)
    lines.append(f"results     {folder.path}")
    if not folder.file("rollout.gif").exists():
        lines.append("            no rollout.gif: this env cannot be drawn (rgb_array)")
    return "\n".join(lines)


def _learned(folder: RunFolder, summary: Summary) -> str:
    if summary.success_means is None:
        returns = folder.episodes().env_returns[-WINDOW:]
        if not len(returns):
            return "no episode ended"
        return f"return {returns.mean():.4g}, mean of the last {len(returns)} episodes"
    if summary.steps_to_90 is not None:
        learned = f"90 % success after {summary.steps_to_90:,} steps"
    else:
        learned = "90 % success in training was not reached"
    if summary.first_success_step is not None:
        learned = f"first success at step {summary.first_success_step:,}, {learned}"
    return learned


def _success(summary: Summary) -> str:
    if summary.final_success_rate is None:
        return ""
    greedy, sampled = summary.final_success_rate, summary.sampled_success_rate
    return f"success {rate(greedy)} greedy, {rate(sampled)} sampled; "
