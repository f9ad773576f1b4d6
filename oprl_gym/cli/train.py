"""``oprl-gym train``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import tyro

from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError
from oprl_gym.runs.report import rate

if TYPE_CHECKING:
    from oprl_gym.runs.folder import RunFolder


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
    --total-timesteps a finished one is trained further."""

    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Replace the run that is in DIR."""

    def run(self) -> None:
        """Train."""
        import torch

        from oprl_gym.training.run import resume, train

        # The networks are so small that more threads only wait for each other.
        torch.set_num_threads(1)
        if self.resume is None:
            folder = train(self.config, self.run_dir, self.overwrite)
        else:
            folder = resume(self.resume, self._steps_to_resume())
        print(report(folder))

    def _steps_to_resume(self) -> int | None:
        """Return ``--total-timesteps``, if given; any other option would be in vain.

        Raises:
            RunError: There is one.
        """
        steps = self.config.total_timesteps
        default = TrainConfig()
        kept = replace(self.config, total_timesteps=default.total_timesteps)
        if kept != default or self.run_dir is not None or self.overwrite:
            raise RunError(
                "--resume keeps the settings of the run; the only other option that "
                "goes with it is --total-timesteps"
            )
        return None if steps == default.total_timesteps else steps


def report(folder: RunFolder) -> str:
    """Return what is worth knowing of a finished run, in a few lines."""
    config, summary = folder.config(), folder.summary()
    name = f"{config.algo.upper()} {'+ OPRL' if config.oprl else 'plain'}"
    if summary.steps_to_90 is not None:
        learned = f"90 % success after {summary.steps_to_90:,} steps"
    else:
        learned = "90 % success in training was not reached"
    if summary.first_success_step is not None:
        learned = f"first success at step {summary.first_success_step:,}, {learned}"
    if summary.success_means is None:
        learned = "this env reports no success"
    lines = [
        f"{config.env_id}, {name}, seed {config.seed}: "
        f"{summary.total_timesteps:,} steps in {summary.wall_time_s:.0f} s",
        f"training    {learned}",
        f"evaluation  success {rate(summary.final_success_rate)} greedy, "
        f"{rate(summary.sampled_success_rate)} sampled; "
        f"return {summary.eval_return_mean:g}, {summary.eval_length_mean:g} steps "
        f"({summary.eval_episodes} episodes)",
        f"results     {folder.path}",
    ]
    if not folder.file("rollout.gif").exists():
        lines.append("            no rollout.gif: this env cannot be drawn (rgb_array)")
    return "\n".join(lines)
