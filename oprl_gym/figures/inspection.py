"""Pictures that show whether a learned reward is right, and its numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oprl_gym.figures import plotting
from oprl_gym.figures.saving import figures_of, save_bytes, save_figure
from oprl_gym.runs.findings import Finding
from oprl_gym.runs.folder import RunFolder
from oprl_gym.runs.inspection import FRAMES, Inspection, PlayedEpisode
from oprl_gym.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

NAMES = ("Best", "Middling", "Worst")


def draw_inspection(
    folder: RunFolder, inspection: Inspection, found: Sequence[Finding]
) -> list[Path]:
    """Write ``figures/inspect.json`` and, if there is a reward, two pictures.

    Returns the paths of what was written.

    Raises:
        RunError: A file cannot be written.
    """
    figures = figures_of(folder)
    numbers = figures / "inspect.json"
    text = json.dumps(_as_json(inspection, found), indent=2, allow_nan=False) + "\n"
    save_bytes(numbers, text.encode())
    if not inspection.played:
        return [numbers]
    of_run, of_episodes = figures / "inspect.png", figures / "inspect-episodes.png"
    save_figure(plot_inspection(inspection), of_run)
    save_figure(plot_three_episodes(inspection), of_episodes)
    return [of_run, of_episodes, numbers]


def plot_inspection(inspection: Inspection) -> Figure:
    """Draw accuracy over training, and learned returns against those of the env."""
    figure = plotting.bare_figure((6.4, 5.2))
    grid = figure.add_gridspec(2, 2)
    plotting.plot_accuracy(*inspection.accuracy, figure.add_subplot(grid[0, :]))
    steps, paid, learned = inspection.training
    plotting.plot_learned_returns(
        paid, learned, figure.add_subplot(grid[1, 0]), steps, "late", "In training"
    )
    by_itself = np.array([1.0 - one.luck for one in inspection.played])
    plotting.plot_learned_returns(
        *inspection.returns,
        figure.add_subplot(grid[1, 1]),
        by_itself,
        "less at random",
        "Played now",
    )
    return figure


def plot_three_episodes(inspection: Inspection) -> Figure:
    """Draw the best, a middling and the worst episode: pictures and rewards."""
    three = inspection.best_middling_worst()
    figure = plotting.bare_figure((6.4, 8.0 if three[0].frames else 5.6))
    limits = (
        _limits([one.scores for one in three]),
        _limits([one.env_rewards for one in three]),
    )
    parts: Any = figure.subfigures(3, 1)
    for part, name, episode in zip(parts, NAMES, three, strict=True):
        _plot_episode(part, name, episode, limits)
    return figure


def _limits(rewards: Sequence[FloatArray]) -> tuple[float, float]:
    """Return what an axis reaches from and to, 0 included."""
    values = np.concatenate([*rewards, [0.0]])
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def _plot_episode(
    part: SubFigure,
    name: str,
    episode: PlayedEpisode,
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    heights = [1.2, 1.0, 0.6] if episode.frames else [1.0, 0.6]
    *strip, learned, env = part.subplots(
        len(heights), 1, gridspec_kw={"height_ratios": heights}
    )
    if strip:
        _plot_frames(strip[0], episode)
    color = plotting.INDIGO
    plotting.plot_step_rewards(episode.scores, "learned", color, learned)
    plotting.plot_step_rewards(episode.env_rewards, "env's", plotting.ORANGE, env)
    learned.tick_params(labelbottom=False)
    learned.set_xlabel("")
    for ax, (low, high) in zip((learned, env), limits, strict=True):
        ax.set_ylim(low, high)
    title = (
        f"{name}: env return {episode.env_return:.4g}, learned "
        f"{episode.learned_return:.3g}, {len(episode.scores)} steps"
    )
    part.suptitle(
        title, x=0.01, ha="left", color=plotting.INK, fontsize=11, fontweight="bold"
    )


def _plot_frames(ax: Axes, episode: PlayedEpisode) -> None:
    """Draw pictures side by side, each with the step after which it was taken."""
    last = len(episode.frames) - 1
    shown = np.unique(np.linspace(0, last, FRAMES).round().astype(int))
    height, width, _ = episode.frames[0].shape
    pitch = round(1.06 * width)
    strip = np.full((height, pitch * FRAMES, 3), 255, dtype=np.uint8)
    for place, number in enumerate(shown):
        left = place * pitch
        strip[:, left : left + width] = episode.frames[number]
        words = f"step {episode.frame_steps[number]}"
        middle = (left + width / 2, -0.04 * height)
        ax.text(*middle, words, ha="center", fontsize=8.5, color=plotting.INK)
    ax.imshow(strip)
    ax.set_axis_off()


def _as_json(inspection: Inspection, found: Sequence[Finding]) -> dict[str, Any]:
    """Return all numbers that stand in words or figures."""
    steps, accuracy = inspection.accuracy
    return {
        "env_id": inspection.config.env_id,
        "findings": {one.name: _finding(one) for one in found},
        "accuracy": {"env_steps": steps.tolist(), "values": accuracy.tolist()},
        "played": [
            {
                "env_return": one.env_return,
                "learned_return": one.learned_return,
                "steps": len(one.scores),
                "random_actions": one.luck,
            }
            for one in inspection.played
        ],
    }


def _finding(one: Finding) -> dict[str, Any]:
    words = {"verdict": one.verdict, "says": one.says, "remedy": one.remedy}
    return {**words, **one.numbers}
