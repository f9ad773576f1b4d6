"""What is kept and shown of a training run while it goes on."""

from __future__ import annotations

import csv
import math
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat, Logger
from tqdm import tqdm  # type: ignore[import-untyped]

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.runs.episode_log import WINDOW, EpisodeLog
from oprl_gym.runs.folder import RunFolder
from oprl_gym.runs.success import (
    FIRST,
    GOAL,
    IS_SUCCESS,
    episode_success,
    pays_beside_goal,
    reward_threshold,
)

Row = dict[str, float | int]
"""Of progress.csv: numbers by column, those that are there."""


class EpisodeLogger(BaseCallback):
    """Keeps what is to be known of every training episode."""

    def __init__(self) -> None:
        super().__init__()
        # Columns of machine numbers: millions of episodes fit in memory.
        self._env_steps = array("q")
        self._env_returns = array("d")
        self._lengths = array("q")
        self._success = array("d")  # as in EpisodeLog, while there is a goal if any
        self._learned = array("d")
        self._threshold: float | None = None
        self._told: str | None = None  # what success means by the env's own word
        self._has_goal = True  # as far as seen: it pays for nothing else

    @property
    def success_means(self) -> str | None:
        """What an episode's success means, in words; None if there is no such thing."""
        if self._told is not None:
            return self._told
        one_failed = not all(success == 1.0 for success in self._success[:FIRST])
        return GOAL if self._has_goal and one_failed else None

    def log(self) -> EpisodeLog:
        """Return the episodes so far."""
        success = np.array(self._success, dtype=np.float64)
        return EpisodeLog(
            np.array(self._env_steps, dtype=np.int64),
            np.array(self._env_returns, dtype=np.float64),
            np.array(self._lengths, dtype=np.int64),
            np.full_like(success, np.nan) if self.success_means is None else success,
            np.array(self._learned, dtype=np.float64),
        )

    def latest(self) -> tuple[float, bool] | None:
        """Return how the latest 100 episodes went, None before the first.

        Returns:
            Their success rate, or their mean return where there is no success; and
            whether it is the former.
        """
        known = self.success_means is not None
        values = (self._success if known else self._env_returns)[-WINDOW:]
        return (float(np.mean(values)), known) if values else None

    def state(self) -> dict[str, Any]:
        """Return all episodes so far, for a checkpoint."""
        return {
            "env_steps": np.array(self._env_steps, dtype=np.int64),
            "env_returns": np.array(self._env_returns, dtype=np.float64),
            "lengths": np.array(self._lengths, dtype=np.int64),
            "success": np.array(self._success, dtype=np.float64),
            "learned_returns": np.array(self._learned, dtype=np.float64),
            "told": self._told,
            "has_goal": self._has_goal,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from the episodes of a checkpoint."""
        self._env_steps = array("q", state["env_steps"])
        self._env_returns = array("d", state["env_returns"])
        self._lengths = array("q", state["lengths"])
        self._success = array("d", state["success"])
        self._learned = array("d", state["learned_returns"])
        self._told = state["told"]
        self._has_goal = state["has_goal"]

    def _on_training_start(self) -> None:
        self._threshold = reward_threshold(self.training_env)
        if self._threshold is not None and self._told is None:
            self._told = f"return >= {self._threshold:g}"

    def _on_step(self) -> bool:
        rewards, dones = self.locals["rewards"], self.locals["dones"]
        for env, info in enumerate(self.locals["infos"]):
            # The env's own, if something was added to it.
            reward = info.get("env_reward", rewards[env])
            if self._has_goal and pays_beside_goal(reward, dones[env], info):
                self._has_goal = False
            if "episode" in info:
                self._note(info)
        return True

    def _note(self, info: dict[str, Any]) -> None:
        total, length = float(info["episode"]["r"]), int(info["episode"]["l"])
        if "is_success" in info:
            self._told = IS_SUCCESS
        success = episode_success(info, total, self._threshold, self._has_goal)
        self._env_steps.append(self.num_timesteps)
        self._env_returns.append(total)
        self._lengths.append(length)
        self._success.append(math.nan if success is None else float(success))
        learned = info.get("oprl_episode", {}).get("process_return", math.nan)
        self._learned.append(learned)


class ProgressBar(BaseCallback):
    """A progress bar with how it goes and reward-model loss; none without a terminal.

    Args:
        total: Env steps to be taken.
        log: Where success rate or return come from.
        oprl: Where the reward-model loss comes from; None without OPRL.
    """

    def __init__(
        self, total: int, log: EpisodeLogger, oprl: OPRLCallback | None
    ) -> None:
        super().__init__()
        self._log = log
        self._oprl = oprl
        # `disable=None` is tqdm's word for "unless standard error is a terminal".
        self._bar = tqdm(total=total, unit=" steps", disable=None)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _on_training_start(self) -> None:
        # A resumed run does not begin at 0, and its speed is that of today alone.
        self._bar.initial = self._bar.n = self.num_timesteps

    def _on_step(self) -> bool:
        self._bar.update(self.num_timesteps - self._bar.n)
        return True

    def _on_rollout_end(self) -> None:
        shown: dict[str, str] = {}
        if (latest := self._log.latest()) is not None:
            value, known = latest
            shown |= {"success": f"{value:.0%}"} if known else {"return": f"{value:g}"}
        if self._oprl is not None:
            report = self._oprl.report
            loss = None if report is None else report.reward_loss
            shown["reward loss"] = "-" if loss is None else f"{loss:.3f}"
        self._bar.set_postfix(shown, refresh=False)


class FolderWatch(BaseCallback):
    """Gives a run up once its folder is gone, rather than at its end, hours later.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self._folder = folder

    def _on_rollout_start(self) -> None:
        self._folder.check_there()

    def _on_step(self) -> bool:
        return True


class Stopwatch:
    """Seconds of training, those before a checkpoint included."""

    def __init__(self) -> None:
        self._before = 0.0
        self._start: float | None = None

    def start(self) -> None:
        """Begin to count."""
        self._start = time.perf_counter()

    def stop(self) -> None:
        """Count no further."""
        self._before, self._start = self.seconds(), None

    def seconds(self) -> float:
        """Return the seconds so far."""
        if self._start is None:
            return self._before
        return self._before + time.perf_counter() - self._start

    def state(self) -> dict[str, Any]:
        """Return the seconds so far, for a checkpoint."""
        return {"seconds": self.seconds()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from the seconds of a checkpoint."""
        self._before = state["seconds"]


class PendingLog:
    """What was recorded and is still to be written, for a checkpoint.

    Stable-Baselines3 learns after it writes a row, so the losses of one iteration stand
    in the next one's row.

    Args:
        model: The agent, whose logger it is.
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        self._model = model

    def state(self) -> dict[str, Any]:
        """Return the numbers, and how many each is the mean of."""
        logger = self._model.logger
        # As arrays, which keep single precision: it is written with fewer digits.
        values = logger.name_to_value.items()
        numbers = {name: np.asarray(value) for name, value in values}
        counts = {name: logger.name_to_count[name] for name in numbers}
        excluded = {name: logger.name_to_excluded[name] for name in numbers}
        return {"numbers": numbers, "counts": counts, "excluded": excluded}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from the numbers of a checkpoint."""
        logger = self._model.logger
        numbers = state["numbers"].items()
        logger.name_to_value.update({name: value[()] for name, value in numbers})
        logger.name_to_count.update(state["counts"])
        logger.name_to_excluded.update(state["excluded"])


def rows_up_to(path: Path, num_timesteps: int) -> list[Row]:
    """Return the rows of a ``progress.csv`` written until then; none if there is none.

    Args:
        path: The file; its last row may be cut off.
        num_timesteps: Env steps.

    Raises:
        ValueError: There is something else in the file than numbers.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if _steps(row) <= num_timesteps]
        return [{name: _number(row[name]) for name in row if row[name]} for row in rows]
    except (OSError, ValueError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def write_again(logger: Logger, rows: list[Row]) -> None:
    """Let the CSV file that ``logger`` has just begun start with ``rows``."""
    for output in logger.output_formats:
        if isinstance(output, CSVOutputFormat):
            for row in rows:
                output.write(row, dict.fromkeys(row, ()))


def _number(text: str) -> float | int:
    return int(text) if text.isdigit() else float(text)


def _steps(row: dict[str, str]) -> float:
    try:
        return float(row["time/total_timesteps"])
    except (KeyError, TypeError, ValueError):
        return math.inf
