"""The pictures of a run, drawn from what its folder holds, and comparisons of runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from oprl_gym.envs import OPRLMazeEnv
from oprl_gym.figures import plotting
from oprl_gym.figures.reward_map import plot_reward_map
from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import EnvFacts, env_facts, make_env
from oprl_gym.runs.episode_log import TARGET, WINDOW
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.types import Array, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from oprl_gym.rewards import ProcessReward
    from oprl_gym.runs.evaluation import Rollout

POLICY_LOSS = {"ppo": "train/policy_gradient_loss", "a2c": "train/policy_loss"}
GIF_FPS = 8
GIF_LAST_FRAME_MS = 1500
MAX_GIF_FRAMES = 150
MAX_GIF_PIXELS = 400


def draw_run(folder: RunFolder) -> None:
    """Draw all pictures of a run: two figures, and a GIF if the env can be drawn.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    if folder.figures.is_symlink():
        raise RunError(f"{folder.figures} leads elsewhere; nothing is drawn there")
    draw_learning(folder)
    rollout, env, reward = replay(folder)
    _draw_reward(folder, rollout, env, reward)
    if rollout.frames:
        save_gif(folder.file("rollout.gif"), rollout.frames)


def replay(
    folder: RunFolder,
) -> tuple[Rollout, gym.Env[Any, Any], ProcessReward | None]:
    """Play a run's greedy episode; returns it, the env (closed), and the reward."""
    from oprl_gym.runs.evaluation import greedy_rollout, load_reward
    from oprl_gym.runs.policy import load_policy

    config = folder.config()
    facts = env_facts(config)
    reward = load_reward(folder, facts)
    env = drawable_env(config, facts)
    try:
        show_reward(env, reward)
        return greedy_rollout(load_policy(folder), env), env, reward
    finally:
        env.close()


def drawable_env(config: TrainConfig, facts: EnvFacts) -> gym.Env[Any, Any]:
    """Return the plain env of a run, with pictures if it can make any."""
    if "rgb_array" not in facts.render_modes:
        return make_env(config)
    env = make_env(config, "rgb_array")
    try:
        env.reset()
        env.render()
    except gym.error.DependencyNotInstalled:  # not ours to ask for
        env.close()
        return make_env(config)
    return env


def show_reward(env: gym.Env[Any, Any], reward: ProcessReward | None) -> None:
    """Let a maze draw the learned reward under it; other envs stay as they are."""
    from oprl_gym.runs.evaluation import cell_rewards

    if reward is not None and isinstance(env.unwrapped, OPRLMazeEnv):
        cells = cell_rewards(reward, env.unwrapped)
        # Colours change at 0: half-way between the worst cell and the best.
        env.unwrapped.set_heat(cells - (np.nanmin(cells) + np.nanmax(cells)) / 2)


def draw_learning(folder: RunFolder) -> None:
    """Draw ``figures/learning.png``: return, success rate and the two losses."""
    config, log = folder.config(), folder.episodes()
    figure, axes = plotting.new_figure(2, 2, size=(9, 6))
    plotting.plot_returns(log.env_steps, log.env_returns, WINDOW, axes[0, 0])
    target = (TARGET, log.steps_to())
    plotting.plot_success(log.env_steps, log.success, WINDOW, target, axes[0, 1])
    _draw_reward_loss(folder, config, axes[1, 0])
    steps, losses = folder.progress(POLICY_LOSS[config.algo])
    plotting.plot_loss(
        steps,
        losses,
        "Policy loss",
        "policy-gradient loss",
        plotting.RED,
        ax=axes[1, 1],
    )
    last = max([0, *log.env_steps.tolist(), *steps.tolist()])
    for ax in axes.flat:
        if ax.lines:
            ax.set_xlim(0, 1.03 * max(last, 1))
    title = f"{config.env_id}, {name_of(config)}, seed {config.seed}"
    figure.suptitle(title, x=0.01, ha="left", color=plotting.INK, fontsize=12)
    _save(figure, folder.figures / "learning.png")


def draw_comparison(folders: Sequence[RunFolder], out: Path) -> None:
    """Draw the success rates of several runs on one figure.

    Runs that differ in nothing but the seed share a colour and a mean. If an env among
    them reports no success, returns are drawn instead.

    Raises:
        RunError: A run cannot be read, or ``out`` cannot be written.
    """
    runs = [(folder.config(), folder.episodes()) for folder in folders]
    percent = all(log.reports_success for _, log in runs)
    groups: dict[str, plotting.Curve] = {}
    labels = distinct_labels([config for config, _ in runs])
    for label, (_, log) in zip(labels, runs, strict=True):
        values = log.success if percent else log.env_returns
        curve = groups.setdefault(label, plotting.Curve(label, []))
        groups[label] = plotting.Curve(
            label, [*curve.runs, (log.env_steps, np.asarray(values))]
        )
    figure, axes = plotting.new_figure(size=(8, 4.6))
    ax = plotting.plot_curves(list(groups.values()), WINDOW, percent, axes[0, 0])
    env_ids = {config.env_id for config, _ in runs}
    if len(env_ids) == 1:
        title = ax.set_title(f"{ax.get_title(loc='left')}, {env_ids.pop()}", loc="left")
        title.set_fontweight("bold")
    ax.set_xlim(left=0)
    _save(figure, out)


def distinct_labels(configs: Sequence[TrainConfig]) -> list[str]:
    """Return a name for each run, equal where only the seed (or budget) differs."""
    several_envs = len({config.env_id for config in configs}) > 1
    flat = [_settings(config) for config in configs]
    labels = []
    for config, values in zip(configs, flat, strict=True):
        name = name_of(config)
        peers = [v for c, v in zip(configs, flat, strict=True) if name_of(c) == name]
        differing = [k for k in values if any(v[k] != values[k] for v in peers)]
        parts = [
            name,
            *(f"{k.removeprefix('learner.')} {values[k]}" for k in differing),
        ]
        labels.append(", ".join([config.env_id, *parts] if several_envs else parts))
    return labels


def name_of(config: TrainConfig) -> str:
    """Return what a run is called in legends and titles."""
    return f"{config.algo.upper()} {'+ OPRL' if config.oprl else 'plain'}"


def save_gif(path: Path, frames: Sequence[Array]) -> None:
    """Write frames as an endless GIF that holds its last frame a while.

    Args:
        path: Where to.
        frames: (height, width, 3) uint8 each. Of a long episode only every second,
            third, ... and the last are kept.
    """
    from PIL import Image

    stride = -(-len(frames) // MAX_GIF_FRAMES)
    kept = [*frames[:-1:stride], frames[-1]]
    images = [Image.fromarray(frame) for frame in kept]
    for image in images:
        image.thumbnail((MAX_GIF_PIXELS, MAX_GIF_PIXELS))
    # One palette for all frames, of all their colours: else colours flicker.
    sample = Image.fromarray(np.concatenate([kept[0], kept[len(kept) // 2], kept[-1]]))
    palette = sample.quantize(128)
    first, *rest = [
        image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images
    ]
    durations = [1000 // GIF_FPS] * len(rest) + [GIF_LAST_FRAME_MS]
    file = io.BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=rest, duration=durations, loop=0
    )
    try:
        replace_file(path, file.getvalue())
    except OSError as error:
        raise _unwritable(path, error) from error


def _draw_reward_loss(folder: RunFolder, config: TrainConfig, ax: Axes) -> None:
    steps, losses = folder.progress("oprl/reward_loss")
    title, unit = "Reward-model loss", "Bradley-Terry loss (nats)"
    chance = (plotting.CHANCE_LOSS, "chance") if len(losses) else None
    plotting.plot_loss(steps, losses, title, unit, plotting.ORANGE, chance, ax)
    if not config.oprl:
        for text in ax.texts:
            text.set_text("no learned reward in this run")
    elif len(losses):
        ax.set_ylim(bottom=0)


def _draw_reward(
    folder: RunFolder,
    rollout: Rollout,
    env: gym.Env[Any, Any],
    reward: ProcessReward | None,
) -> None:
    """Draw ``figures/reward_map.png``: on the maze, or along the greedy episode."""
    from oprl_gym.runs.evaluation import cell_rewards, step_rewards

    config = folder.config()
    steps, total = len(rollout.actions), sum(rollout.env_rewards)
    title = f"{config.env_id}: greedy episode, {steps} steps, return {total:g}"
    if isinstance(env.unwrapped, OPRLMazeEnv):
        cells = None if reward is None else cell_rewards(reward, env.unwrapped)
        ax = plot_reward_map(env.unwrapped.layout, cells, rollout.cells, title)
    else:
        name, values = _rewards_along(rollout, reward, step_rewards)
        ax = plotting.plot_episode_rewards(values, name, title)
    _save(ax.figure, folder.figures / "reward_map.png")


def _rewards_along(
    rollout: Rollout, reward: ProcessReward | None, score: Any
) -> tuple[str, FloatArray]:
    if reward is None:
        return "env reward", np.array(rollout.env_rewards)
    return "process reward", score(reward, rollout)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings by which runs of one algorithm may differ."""
    values = asdict(config.resolved())
    learner = values.pop("learner")
    if config.oprl:
        values.update({f"learner.{name}": value for name, value in learner.items()})
    without_effect = () if config.oprl else ("scale", "mode")
    for name in ("env_id", "algo", "oprl", "seed", "total_timesteps", *without_effect):
        del values[name]
    return values


def _save(figure: Any, path: Path) -> None:
    try:
        image = io.BytesIO()
        figure.savefig(image, format=path.suffix.removeprefix("."))
        path.parent.mkdir(exist_ok=True)  # git, for one, keeps no empty folder
        replace_file(path, image.getvalue())
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} cannot be written: {error}")
