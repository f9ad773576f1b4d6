"""``oprl-gym watch``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.runs.folder import RunError, RunFolder

LAST_LOOK_S = 1.5


@dataclass(frozen=True)
class Watch:
    """Watch a run's agent play, on the learned reward if the env is a maze."""

    directory: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DIR")]
    """The run folder."""

    gif: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE.gif", help_behavior_hint="(default: a window)"),
    ] = None
    """Write an animation instead of opening a window."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Watch."""
        folder = RunFolder.open(self.directory)
        self.trust.vouch(folder.config())
        if self.gif is None:
            _show(folder)
        else:
            _write_gif(folder, Path(self.gif))


def _write_gif(folder: RunFolder, path: Path) -> None:
    from oprl_gym.figures.of_runs import replay, save_gif

    rollout, _, _ = replay(folder)
    if not rollout.frames:
        raise RunError(f"{folder.config().env_id} cannot be drawn: it has no rgb_array")
    save_gif(path, rollout.frames)
    print(path)


def _show(folder: RunFolder) -> None:
    from oprl_gym.cli.window import needs_window
    from oprl_gym.figures.of_runs import show_reward
    from oprl_gym.runs.env import env_facts, make_env
    from oprl_gym.runs.evaluation import greedy_rollout, load_reward
    from oprl_gym.runs.policy import load_policy

    config = folder.config()
    facts = env_facts(config)
    if "human" not in facts.render_modes:
        raise RunError(f"{config.env_id} has no window; try --gif FILE.gif")
    model, reward = load_policy(folder), load_reward(folder, facts)
    with needs_window():
        env = make_env(config, "human")
        try:
            show_reward(env, reward)
            rollout = greedy_rollout(model, env)
            time.sleep(LAST_LOOK_S)
        finally:
            env.close()
    print(f"{len(rollout.actions)} steps, return {sum(rollout.env_rewards):g}")
