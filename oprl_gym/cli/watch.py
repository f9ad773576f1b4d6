"""``oprl-gym watch``."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.extras import how_to_install
from oprl_gym.runs.doing import doing
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.types import Array

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

    mp4: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE.mp4", help_behavior_hint="(default: a window)"),
    ] = None
    """Write a video, with every step in full size (extra [video])."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Watch."""
        folder = RunFolder.open(self.directory)
        writers = [
            (_checked(name, ending), save)
            for name, ending, save in (
                (self.gif, ".gif", _save_gif),
                (self.mp4, ".mp4", _save_mp4),
            )
            if name is not None
        ]
        if self.mp4 is not None:
            _check_video()
        self.trust.vouch(folder.config())
        if not writers:
            _show(folder)
            return
        frames = _frames(folder)
        for path, save in writers:
            save(path, frames)
            print(path)


def _checked(name: str, ending: str) -> Path:
    """Return where to write, once it is seen that it can be: it takes a while."""
    path = Path(name)
    if path.suffix.lower() != ending:
        option = ending.removeprefix(".")
        raise RunError(f"--{option} {name}: the name has to end in {ending}")
    if not path.parent.is_dir():
        raise RunError(f"{path} cannot be written: there is no folder {path.parent}")
    return path


def _check_video() -> None:
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise RunError(f"--mp4 needs one more package; run: {how_to_install('video')}")


def _frames(folder: RunFolder) -> list[Array]:
    from oprl_gym.figures.of_runs import replay

    with doing("playing an episode"):
        rollout, _, _ = replay(folder)
    if not rollout.frames:
        raise RunError(f"{folder.config().env_id} cannot be drawn: it has no rgb_array")
    return rollout.frames


def _save_gif(path: Path, frames: list[Array]) -> None:
    from oprl_gym.figures.animations import save_gif

    save_gif(path, frames)


def _save_mp4(path: Path, frames: list[Array]) -> None:
    from oprl_gym.figures.animations import save_mp4

    save_mp4(path, frames)


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
