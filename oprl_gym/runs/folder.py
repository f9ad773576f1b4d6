"""The folder that a training run leaves behind: what is where, safely made and read."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oprl_gym.config import shown
from oprl_gym.files.atomic import replace_file
from oprl_gym.files.fields import from_dict
from oprl_gym.runs.config import TrainConfig, config_from_dict
from oprl_gym.runs.episode_log import (
    MOST_RETURN,
    MOST_STEPS,
    EpisodeLog,
    check_steps,
)
from oprl_gym.types import FloatArray

FORMAT = "oprl-gym run 1"
CHECKPOINT = "checkpoint.safetensors"
POLICY = "policy.safetensors"
REWARD_MAPS = "reward_maps.safetensors"
LOCK = "run.lock"
_RUN_FILES = (
    # First what makes a run folder a whole one, last what makes it one at all.
    "summary.json",
    "failure.txt",
    "policy.zip",
    POLICY,
    "reward_model.safetensors",
    REWARD_MAPS,
    CHECKPOINT,
    "*.partial",
    "rollout.gif",
    "figures/learning.png",
    "figures/reward_map.png",
    "figures/reward.gif",
    "figures/inspect.png",
    "figures/inspect-episodes.png",
    "figures/inspect.json",
    "episodes.csv",
    "progress.csv",
    "events.out.tfevents.*",
    "config.json",
)
_BEFORE_CONFIG = (LOCK, "config.json.partial")


class RunError(Exception):
    """A run cannot be made or read; the message says why and what to do about it."""


@dataclass(frozen=True)
class Summary:
    """What came out of a run; ``summary.json`` holds these fields.

    What success means :mod:`oprl_gym.runs.success` says; where an env has none, every
    rate of it is None. Evaluations are on the plain env, without learned reward.
    """

    env_id: str
    algo: str
    seed: int
    oprl: bool
    total_timesteps: int  # env steps really taken: whole rollouts
    episodes: int  # training episodes that ended
    first_success_step: int | None  # env steps
    steps_to_90: int | None  # env steps until 90 of the last 100 episodes succeeded
    final_success_rate: float | None  # evaluation, the likeliest action each time
    sampled_success_rate: float | None  # evaluation, actions drawn from the policy
    success_means: str | None  # "is_success", "return >= 475", "last reward > 0", None
    eval_episodes: int
    eval_return_mean: float
    eval_length_mean: float
    wall_time_s: float  # training alone
    versions: dict[str, str]


@dataclass(frozen=True)
class RunFolder:
    """One training run on disk.

    ``config.json`` is written first and ``summary.json`` last: a folder without the
    latter is half-written, by a run that is going on or was broken off.
    """

    path: Path

    @classmethod
    def create(
        cls, path: str | Path, config: TrainConfig, overwrite: bool = False
    ) -> RunFolder:
        """Make the folder for a new run.

        Args:
            path: Where; may be an empty folder.
            config: Of the new run.
            overwrite: Whether a run that is there already may be replaced. Only the
                files of a run are removed, nothing else that lies beside them.

        Raises:
            RunError: As :meth:`check_free`.
        """
        folder = cls(Path(path))
        folder.check_free(overwrite)
        folder._remove_run()
        folder._begin(config)
        return folder

    @classmethod
    def create_numbered(cls, root: str | Path, config: TrainConfig) -> RunFolder:
        """Make a folder in ``root`` named after the run: -2, -3, ... if it is taken."""
        kind = "plain" if config.bonus == "none" else config.bonus
        words = [config.env_id, config.algo, *([] if config.oprl else [kind])]
        name = re.sub(r"[^\w.-]+", "-", "-".join([*words, f"seed{config.seed}"]))
        number = 1
        while True:
            path = Path(root) / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)  # fails if it exists: no race between two runs
            except FileExistsError:
                number += 1
                continue
            except OSError as error:
                raise _unusable(path, error) from error
            folder = cls(path)
            folder._begin(config)
            return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return the folder of a finished run.

        Raises:
            RunError: There is none, or it is half-written.
        """
        folder = cls.begun(path)
        if not folder.is_finished():
            raise RunError(
                f"the run in {folder.path} is half-written (no summary.json): it is "
                "still going on or was broken off; to go on: oprl-gym train --resume "
                f"{folder.path}"
            )
        return folder

    @classmethod
    def begun(cls, path: str | Path) -> RunFolder:
        """Return the folder of a run that may still be going on.

        Raises:
            RunError: There is none.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise RunError(f"there is no run folder {folder.path}")
        if not folder.file("config.json").is_file():
            raise RunError(f"{folder.path} is no run folder: it has no config.json")
        return folder

    def is_finished(self) -> bool:
        """Return whether the run came to its end."""
        return self.file("summary.json").is_file()

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.path / name

    @property
    def figures(self) -> Path:
        """Where the figures are."""
        return self.path / "figures"

    @property
    def preferences(self) -> Path:
        """Where people's answers are: a new run in this folder keeps them."""
        return self.path / "preferences.sqlite"

    def check_free(self, overwrite: bool = False) -> None:
        """Do nothing if :meth:`create` may go ahead; changes nothing.

        Raises:
            RunError: Something is in the way.
        """
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir():
            raise RunError(f"{self.path} is a file; choose another --run-dir")
        if all(path.name in _BEFORE_CONFIG for path in self.path.iterdir()):
            return  # empty, or left by a run that was killed as it began
        if not self._is_ours():
            raise RunError(
                f"{self.path} is not empty and no run folder, so it is left alone; "
                "choose another --run-dir"
            )
        if not overwrite:
            raise RunError(
                f"{self.path} already holds a run; choose another --run-dir, or give "
                "--overwrite to replace it"
            )

    def check_there(self) -> None:
        """Do nothing as long as the folder of a run that is going on is there.

        Raises:
            RunError: Somebody has taken it away meanwhile.
        """
        if not self.file("config.json").is_file():
            raise RunError(
                f"the run folder {self.path} was deleted or moved while the run was "
                "going on, so the run is given up"
            )

    def config(self) -> TrainConfig:
        """Return the run's settings."""
        values = self._read_json("config.json")
        values.pop("format", None)
        try:
            return config_from_dict(values)
        except ValueError as error:
            raise RunError(f"{self.file('config.json')}: {error}") from error

    def summary(self) -> Summary:
        """Return the run's results."""
        try:
            summary = from_dict(Summary, self._read_json("summary.json"))
            _check_numbers(summary)
            return summary
        except ValueError as error:
            raise RunError(f"{self.file('summary.json')}: {error}") from error

    def episodes(self) -> EpisodeLog:
        """Return the run's training episodes."""
        path = self._plain_file("episodes.csv")
        try:
            return EpisodeLog.read(path)
        except (OSError, ValueError, TypeError, OverflowError, csv.Error) as error:
            raise RunError(f"{path} cannot be read: {error}") from error

    def progress(self, column: str) -> tuple[FloatArray, FloatArray]:
        """Return the env steps and values of a column of ``progress.csv``.

        Rows without a value are left out; both arrays are empty if all are.
        """
        path = self._plain_file("progress.csv")
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            pairs = [
                (float(row["time/total_timesteps"]), float(row[column]))
                for row in rows
                if row.get(column)
            ]
            array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
            check_steps(array[:, 0])
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        return array[:, 0], array[:, 1]

    def own_store(self) -> Path:
        """Return where the answers of people are kept, beside the run.

        Raises:
            RunError: It is a link, by which a folder of somebody else's could have
                another file opened, or made.
        """
        if self.preferences.is_symlink():
            raise RunError(f"{self.preferences} is a link; name the store it leads to")
        return self.preferences

    def named_store(self) -> Path | None:
        """Return the store of answers that the run's config names, if it names one.

        Raises:
            RunError: It is not there. Whoever made the folder chose the place, so that
                nothing is made there, nor of an empty file.
        """
        named = self.config().teaching.preferences
        if named is None:
            return None
        path = Path(named)
        if not path.is_file() or path.stat().st_size == 0:
            raise RunError(f"there is no {path}, the store that this run asks in")
        return path

    def write_summary(self, summary: Summary) -> None:
        """Write the summary, in one piece or not at all.

        Raises:
            RunError: The folder cannot be written.
        """
        text = _json(asdict(summary))
        try:
            replace_file(self.file("summary.json"), text.encode())
        except OSError as error:
            raise _unusable(self.path, error) from error

    def begin_again(self, config: TrainConfig) -> None:
        """Note that the run goes on; it is not finished any more if it was.

        Raises:
            RunError: The folder cannot be written.
        """
        try:
            self.file("summary.json").unlink(missing_ok=True)
            self.file("failure.txt").unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error
        self._begin(config)

    def _begin(self, config: TrainConfig) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            text = _json({"format": FORMAT, **asdict(config)})
            replace_file(self.file("config.json"), text.encode())
            self.figures.mkdir(exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from error

    def _is_ours(self) -> bool:
        """Whether config.json is one of ours: many programs write one."""
        try:
            return self._read_json("config.json").get("format") == FORMAT
        except RunError:
            return False

    def _remove_run(self) -> None:
        if self.figures.is_symlink():
            raise RunError(f"{self.figures} is a link; take it away first")
        try:
            for pattern in _RUN_FILES:
                for path in self.path.glob(pattern):
                    path.unlink()
        except OSError as error:
            raise _unusable(self.path, error) from error

    def _plain_file(self, name: str) -> Path:
        """Return the path of a file that is to be read: no pipe is waited for."""
        path = self.file(name)
        if not path.is_file():
            raise RunError(f"there is no file {path}")
        return path

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self._plain_file(name)
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise RunError(f"{path} holds no object with names and values")
        return values


def _check_numbers(summary: Summary) -> None:
    """Raise ValueError for numbers of which no table or figure can be made."""
    if summary.total_timesteps < 1:
        raise ValueError(f"total_timesteps is {summary.total_timesteps}, not above 0")
    for name, value in asdict(summary).items():
        most = MOST_STEPS if isinstance(value, int) else MOST_RETURN
        most = 1 if name.endswith("_rate") else most
        if isinstance(value, int | float) and not abs(value) <= most:  # nor is NaN
            raise ValueError(f"{name} is no number of a run: {shown(value)}")


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _unusable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path} cannot be written: {error.strerror or error}")
