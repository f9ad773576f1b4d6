"""The pictures of a run, drawn from what its folder holds, and comparisons of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from oprl_gym.envs import Layout
from oprl_gym.figures import plotting
from oprl_gym.figures.animations import save_gif
from oprl_gym.figures.reward_map import plot_reward_map, reward_frames
from oprl_gym.figures.saving import figures_of, save_figure
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import drawable_env, env_facts, maze_of
from oprl_gym.runs.episode_log import TARGET, WINDOW, EpisodeLog
from oprl_gym.runs.folder import RunFolder
from oprl_gym.runs.report import name_of
from oprl_gym.runs.reward_maps import RewardMaps, reward_maps
from oprl_gym.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oprl_gym.rewards import ProcessReward
    from oprl_gym.runs.evaluation import Rollout

REWARD_FPS = 3


def draw_run(folder: RunFolder) -> None:
    """Draw all pictures of a run: two figures, and a GIF if the env can be drawn.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    figures_of(folder)
    draw_learning(folder)
    rollout, env, reward = replay(folder)
    maze = maze_of(env)
    maps = None
    if maze is not None and reward is not None:
        maps = reward_maps(folder, maze.layout)
        if maps is not None and len(maps.env_steps) > 1:
            _save_reward_gif(folder, maze.layout, maps)
    figure = reward_figure(folder.config(), rollout, env, reward, maps)
    save_figure(figure, folder.figures / "reward_map.png")
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


def show_reward(env: gym.Env[Any, Any], reward: ProcessReward | None) -> None:
    """Let a maze draw the learned reward under it; other envs stay as they are."""
    from oprl_gym.runs.evaluation import cell_rewards

    maze = maze_of(env)
    if reward is not None and maze is not None:
        cells = cell_rewards(reward, maze.layout)
        # Colours change at 0: half-way between the worst cell and the best.
        maze.set_heat(cells - (np.nanmin(cells) + np.nanmax(cells)) / 2)


def draw_learning(folder: RunFolder) -> None:
    """Draw ``figures/learning.png``: does the agent learn, and does the reward?

    Success, where any is known, and the return; of a learned reward its returns beside
    the env's, and its accuracy on new pairs.
    """
    config, log = folder.config(), folder.episodes()
    figure = plotting.bare_figure((8, 5.6 if config.oprl else 3.0))
    grid = figure.add_gridspec(2 if config.oprl else 1, 2)
    succeeds = bool((log.success == 1.0).any())
    top = [grid[0, 0], grid[0, 1]] if succeeds else [grid[0, :]]
    axes = [figure.add_subplot(place) for place in top]
    plotting.plot_returns(log.env_steps, log.env_returns, WINDOW, axes[-1])
    if succeeds:
        target = (TARGET, log.steps_to())
        plotting.plot_success(log.env_steps, log.success, WINDOW, target, axes[0])
    if config.oprl:
        axes.append(figure.add_subplot(grid[1, 0]))
        plotting.plot_accuracy(*folder.progress("oprl/accuracy"), axes[-1])
        steps, paid, learned = log.scored()
        ax = figure.add_subplot(grid[1, 1])
        plotting.plot_learned_returns(
            paid, learned, ax, steps, "late", "Learned return"
        )
    last = max([1, *log.env_steps[-1:].tolist()])
    for ax in axes:
        if ax.lines:
            ax.set_xlim(0, 1.03 * last)
    title = f"{config.env_id}, {name_of(config)}, seed {config.seed}"
    figure.suptitle(title, x=0.01, ha="left", color=plotting.INK, fontsize=12)
    save_figure(figure, folder.figures / "learning.png")


def draw_comparison(folders: Sequence[RunFolder], out: Path) -> None:
    """Draw the success rates of several runs on one figure.

    Runs that differ in nothing but the seed share a colour and a mean. If an env among
    them reports no success, or none succeeded, returns are drawn instead.

    Raises:
        RunError: A run cannot be read, or ``out`` cannot be written.
    """
    runs = [(folder.config(), folder.episodes()) for folder in folders]
    percent = all(log.reports_success for _, log in runs) and any(
        log.first_success_step() is not None for _, log in runs
    )
    groups: dict[str, list[tuple[TrainConfig, EpisodeLog]]] = {}
    labels = distinct_labels([config for config, _ in runs])
    for label, run in zip(labels, runs, strict=True):
        groups.setdefault(label, []).append(run)
    curves = [
        plotting.Curve(
            label,
            [
                (log.env_steps, log.success if percent else log.env_returns)
                for _, log in group
            ],
            seeds=len({config.seed for config, _ in group}),
        )
        for label, group in groups.items()
    ]
    figure, axes = plotting.new_figure(size=(8, 4.6))
    ax = plotting.plot_curves(curves, WINDOW, percent, axes[0, 0])
    env_ids = {config.env_id for config, _ in runs}
    if len(env_ids) == 1:
        title = ax.set_title(f"{ax.get_title(loc='left')}, {env_ids.pop()}", loc="left")
        title.set_fontweight("bold")
    ax.set_xlim(left=0)
    save_figure(figure, out)


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


def reward_figure(
    config: TrainConfig,
    rollout: Rollout,
    env: gym.Env[Any, Any],
    reward: ProcessReward | None,
    maps: RewardMaps | None = None,
) -> Figure:
    """Return the learned reward as a figure: on the maze, or along an episode.

    Args:
        config: Of the run.
        rollout: The agent's greedy episode.
        env: In which it was played.
        reward: What was learned, if anything.
        maps: Of a maze's training: cells where it never was are hatched.
    """
    from oprl_gym.runs.evaluation import step_rewards

    steps, total = len(rollout.actions), sum(rollout.env_rewards)
    greedy = f"greedy episode, {steps} steps, return {total:g}"
    maze = maze_of(env)
    if maze is not None:
        visited = None if maps is None else maps.visited()
        ax = _maze_map(config, maze.layout, rollout, reward, visited)
        ax.set_xlabel(f"{greedy}\n{ax.get_xlabel()}".strip())
    else:
        name, values = _rewards_along(rollout, reward, step_rewards)
        title = f"{config.env_id}: {greedy}"
        ax = plotting.plot_episode_rewards(values, name, title)
    return ax.figure  # type: ignore[return-value]


def _maze_map(
    config: TrainConfig,
    layout: Layout,
    rollout: Rollout,
    reward: ProcessReward | None,
    visited: BoolArray | None,
) -> Axes:
    from oprl_gym.runs.evaluation import cell_rewards

    if reward is None:
        return plot_reward_map(layout, None, rollout.cells, config.env_id)
    cells = cell_rewards(reward, layout)
    title = f"{config.env_id}: learned reward"
    return plot_reward_map(layout, cells, rollout.cells, title, visited=visited)


def _save_reward_gif(folder: RunFolder, layout: Layout, maps: RewardMaps) -> None:
    """Draw ``figures/reward.gif``: how the learned reward came to what it is."""
    frames = reward_frames(layout, maps, folder.config().env_id)
    save_gif(folder.figures / "reward.gif", frames, REWARD_FPS)


def _rewards_along(
    rollout: Rollout, reward: ProcessReward | None, score: Any
) -> tuple[str, FloatArray]:
    if reward is None:
        return "env reward", np.array(rollout.env_rewards)
    return "learned reward", score(reward, rollout)


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings by which runs of one algorithm may differ."""
    values = asdict(config.resolved())
    learner = values.pop("learner")
    if config.oprl:
        values.update({f"learner.{name}": value for name, value in learner.items()})
    without_effect = () if config.oprl else ("scale", "mode")
    for name in (
        "env_id",
        "algo",
        "oprl",
        "bonus",
        "seed",
        "total_timesteps",
        *without_effect,
    ):
        del values[name]
    return values
