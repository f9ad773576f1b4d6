"""One training run from one config: env, algorithm, callbacks, run folder."""

from __future__ import annotations

import contextlib
import io
import shlex
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, configure

from oprl_gym.callbacks import CheckpointSaver, OPRLCallback
from oprl_gym.callbacks.checkpoint import HasState, load_checkpoint
from oprl_gym.figures.of_runs import draw_run
from oprl_gym.files.atomic import replace_file
from oprl_gym.rewards import save_process_reward
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.doing import doing
from oprl_gym.runs.env import env_facts, import_env, may_name_module, module_of
from oprl_gym.runs.folder import CHECKPOINT, POLICY, REWARD_MAPS, RunError, RunFolder
from oprl_gym.runs.lock import at_work
from oprl_gym.runs.policy import save_policy
from oprl_gym.training.agent import make_algorithm
from oprl_gym.training.env_watch import AnswerWatch, ValueWatch
from oprl_gym.training.envs import make_training_env
from oprl_gym.training.log import (
    EpisodeLogger,
    FolderWatch,
    PendingLog,
    ProgressBar,
    Row,
    Stopwatch,
    rows_up_to,
    write_again,
)
from oprl_gym.training.pace import RowWriter, pace_of, write_row
from oprl_gym.training.pictures import Pictures
from oprl_gym.training.reward_maps import RewardMapRecorder
from oprl_gym.training.summary import summary_of, tell_of_long_evaluation
from oprl_gym.training.teaching import album_for, check_answers, teaching
from oprl_gym.training.tracking import Tracker, TrackingWriter, check_tracker

__all__ = ["Interrupted", "TrainConfig", "resume", "train"]

RUNS = "runs"


class Interrupted(KeyboardInterrupt):
    """Training was broken off by Ctrl-C; what there was has been saved."""


def train(
    config: TrainConfig,
    run_dir: str | Path | None = None,
    overwrite: bool = False,
    track: Tracker | None = None,
) -> RunFolder:
    """Train an agent and write everything about it to a run folder.

    Args:
        config: What to train.
        run_dir: The folder; None makes a new one in ``runs/``.
        overwrite: Whether a run that is in ``run_dir`` already may be replaced. It is
            left as it is if the new one cannot start.
        track: Who else is told of its progress.

    Returns:
        The folder.

    Raises:
        RunError: The env or the folder cannot be used, and nothing has been changed;
            or the env failed in the middle of training, and the message says how to
            go on.
        Interrupted: By Ctrl-C; policy, reward model and episodes so far are in the
            folder, but no summary.
    """
    config = config.resolved()
    check_tracker(track)
    import_env(config)
    if run_dir is not None:
        RunFolder(Path(run_dir)).check_free(overwrite)
    run = _Run(config, track)
    with contextlib.ExitStack() as others_out:
        with contextlib.closing(run.venv):
            check_answers(config, run.venv, run_dir)
            new = _new_folder(config, run_dir, overwrite)
            folder = others_out.enter_context(new)
            run.learn(folder)
        run.finish(folder)
    return folder


def resume(
    run_dir: str | Path,
    total_timesteps: int | None = None,
    track: Tracker | None = None,
) -> RunFolder:
    """Go on with a run that was broken off, from its latest checkpoint.

    It ends as it would have, had it never been broken off.

    Args:
        run_dir: Its folder.
        total_timesteps: Train up to so many env steps, instead of as many as it was
            begun with.
        track: As in :func:`train`.

    Returns:
        The folder.

    Raises:
        RunError, Interrupted: As :func:`train`.
    """
    check_tracker(track)
    folder = RunFolder.begun(run_dir)
    with at_work(folder.path):
        config = folder.config().resolved()
        folder.named_store()  # it has to be there
        if total_timesteps is not None:
            config = replace(config, total_timesteps=total_timesteps)
        run = _Run(config, track)
        with contextlib.closing(run.venv):
            check_answers(config, run.venv, run_dir)
            run.learn(folder, from_checkpoint=True)
        run.finish(folder)
    return folder


@contextlib.contextmanager
def _new_folder(
    config: TrainConfig, run_dir: str | Path | None, overwrite: bool
) -> Iterator[RunFolder]:
    """Make the folder of a new run, and keep other processes out of it."""
    if run_dir is None:
        folder = RunFolder.create_numbered(RUNS, config)
        with at_work(folder.path):
            yield folder
    else:
        with at_work(Path(run_dir)):
            yield RunFolder.create(run_dir, config, overwrite)


class _Run:
    """All that takes part in one training run.

    Args:
        config: A resolved one.
        track: Who else is told of its progress.
    """

    def __init__(self, config: TrainConfig, track: Tracker | None = None) -> None:
        self.config = config
        self.track = track
        # Says what is wrong with the env before anything else is started.
        facts = env_facts(config)
        self.layout = facts.layout
        self.album = album_for(config, facts)
        self.venv = make_training_env(config, self.album)
        try:
            self.model = make_algorithm(config, self.venv)
        except RunError:
            self.venv.close()
            raise
        self.model.set_logger(Logger(folder=None, output_formats=[]))
        self.pace = pace_of(self.model, config.total_timesteps)
        self.oprl: OPRLCallback | None = None
        self.maps: RewardMapRecorder | None = None  # of a maze's learned reward
        self.log = EpisodeLogger()
        self.stopwatch = Stopwatch()
        self._rows: list[Row] = []  # of progress.csv, before the checkpoint
        self._parts: dict[str, HasState] = {
            "episodes": self.log,
            "stopwatch": self.stopwatch,
            "pending": PendingLog(self.model),
        }

    def learn(self, folder: RunFolder, from_checkpoint: bool = False) -> None:
        """Train the agent and save it, whatever happens.

        Args:
            folder: Where everything goes.
            from_checkpoint: Whether to go on from the one that is there.

        Raises:
            Interrupted: By Ctrl-C.
            RunError: The env failed, the folder cannot be written any more, or the
                checkpoint cannot be used.
        """
        with teaching(self.config, self.venv, folder, self.album) as oprl:
            self.oprl = oprl
            if oprl is not None:
                self._parts["oprl"] = oprl
                self._watch_reward(oprl)
            if from_checkpoint:
                self._load(folder)
                folder.begin_again(self.config)
            self._learn(folder)

    def _watch_reward(self, oprl: OPRLCallback) -> None:
        """Keep maps of the learned reward, if the env is a maze."""
        seen = self.venv.observation_space.shape
        if self.layout is None or seen != (self.layout.num_states,):
            return
        every = self.pace.log_interval * self.pace.rollout
        self.maps = RewardMapRecorder(self.layout, oprl, every)
        self._parts["reward_maps"] = self.maps

    def _load(self, folder: RunFolder) -> None:
        """Go on from the checkpoint in the folder, or from the start if it has none.

        Raises:
            RunError: It cannot be read, or there is nothing left to do.
        """
        path, finished = folder.file(CHECKPOINT), folder.is_finished()
        progress = folder.file("progress.csv")
        if progress.exists() and not progress.is_file():
            raise RunError(f"{progress} is no file; take it away")
        if not path.exists():  # broken off before the first one
            return
        if self.oprl is not None:
            self.oprl.init_callback(self.model)
        try:
            load_checkpoint(path, self.model, self._parts)
        except ValueError as error:
            raise RunError(str(error)) from error
        done = self.model.num_timesteps
        begun_with = folder.config().total_timesteps
        shorter = self.config.total_timesteps < begun_with
        if done >= self.config.total_timesteps and (finished or shorter):
            raise RunError(
                f"the run in {folder.path} has taken {done:,} steps already, of "
                f"{begun_with:,}; to train on, give a larger --total-timesteps"
            )
        # The row of an unfilled interval is written after the last checkpoint, and is
        # still to come if the run was broken off as it drew its figures.
        unfilled = (done // self.pace.rollout) % self.pace.log_interval
        try:
            log = folder.file("progress.csv")
            self._rows = rows_up_to(log, done - bool(unfilled))
        except ValueError as error:
            raise RunError(str(error)) from error

    def _learn(self, folder: RunFolder) -> None:
        model, done = self.model, self.model.num_timesteps
        self._log_to(folder)
        self.stopwatch.start()
        bar = ProgressBar(self.pace.total, self.log, self.oprl)
        answers = AnswerWatch(self.config.env_id)
        answers.start()
        try:
            learn: Any = model.learn  # takes None, whatever its annotation says
            learn(
                self.config.total_timesteps - done,
                callback=[*self._callbacks(folder, bar), answers],
                log_interval=self.pace.log_interval if self.pace.own_rows else None,
                reset_num_timesteps=done == 0,
            )
            rollouts = model.num_timesteps // self.pace.rollout
            if rollouts % self.pace.log_interval:  # the last ones, which fill none
                write_row(model, rollouts)
        except KeyboardInterrupt as error:
            self._save(folder)
            raise Interrupted(
                f"interrupted after {model.num_timesteps:,} steps; the policy and "
                f"episodes so far are in {folder.path}, without a summary. To go on "
                f"from its latest checkpoint: {self._resume_command(folder)}"
            ) from error
        except Exception as error:
            raise self._failed(folder, error) from error
        finally:
            answers.close()
            bar.close()
            with contextlib.suppress(OSError):  # its files may be gone
                model.logger.close()
        self.stopwatch.stop()
        self._save(folder)

    def finish(self, folder: RunFolder) -> None:
        """Draw the run and write its summary, which says that it is whole.

        Raises:
            RunError: The folder cannot be written any more.
        """
        try:
            with doing("drawing its figures"):
                draw_run(folder)
        except Exception as error:  # hours of training are worth more than a picture
            folder.check_there()
            warnings.warn(f"the run could not be drawn: {error}", stacklevel=2)
        seconds = self.stopwatch.seconds()
        tell_of_long_evaluation(self.log.log(), self.model.num_timesteps)
        with doing("evaluating the agent"):
            summary = summary_of(self.config, self.model, self.log, seconds)
        folder.check_there()
        folder.write_summary(summary)

    def _log_to(self, folder: RunFolder) -> None:
        pending = PendingLog(self.model).state()
        try:
            # SB3 writes where it leads, should it be a link.
            folder.file("progress.csv").unlink(missing_ok=True)
            logger = configure(str(folder.path), ["csv", "tensorboard"])
        except OSError as error:
            raise RunError(f"{folder.path} cannot be written: {error}") from error
        self.model.set_logger(logger)
        write_again(self.model.logger, self._rows)
        if self.track is not None:
            logger.output_formats.append(TrackingWriter(self.track, folder))
        PendingLog(self.model).load_state(pending)

    def _callbacks(self, folder: RunFolder, bar: ProgressBar) -> list[BaseCallback]:
        path = folder.file(CHECKPOINT)
        saver = CheckpointSaver(path, self._parts, self.pace.save_every)
        # The learner first, so that the others see what it has just learned.
        first = ValueWatch() if self.oprl is None else self.oprl
        maps = [] if self.maps is None else [self.maps]
        rows = RowWriter(self.pace)
        pictures = Pictures(self.config, self.pace.total, self.oprl)
        return [first, *maps, rows, FolderWatch(folder), saver, self.log, bar, pictures]

    def _failed(self, folder: RunFolder, error: Exception) -> RunError:
        """Save what there is; returns what to say.

        Raises:
            RunError: The folder is gone.
        """
        folder.check_there()
        with contextlib.suppress(OSError, RunError):  # a full disk may be the reason
            words = "".join(traceback.format_exception(error))
            replace_file(folder.file("failure.txt"), words.encode())
            self._save(folder)
        return RunError(
            f"training failed after {self.model.num_timesteps:,} steps: "
            f"{type(error).__name__}: {error} (where: {folder.file('failure.txt')}). "
            f"Once that is put right, go on with: {self._resume_command(folder)}"
        )

    def _save(self, folder: RunFolder) -> None:
        try:
            self._write(folder)
        except OSError as error:
            folder.check_there()
            raise RunError(
                f"{folder.path} cannot be written: {error.strerror or error}. Once "
                f"that is put right, go on with: {self._resume_command(folder)}"
            ) from error

    def _write(self, folder: RunFolder) -> None:
        policy = io.BytesIO()
        self.model.save(policy)
        replace_file(folder.file("policy.zip"), policy.getvalue())
        save_policy(
            folder.file(POLICY), self.model.policy, self.model.get_vec_normalize_env()
        )
        self.log.log().write(folder.file("episodes.csv"))
        if self.oprl is not None and self.oprl.learner is not None:
            reward = self.oprl.learner.process_reward
            save_process_reward(folder.file("reward_model.safetensors"), reward)
        if self.maps is not None:
            self.maps.maps().write(folder.file(REWARD_MAPS))

    def _resume_command(self, folder: RunFolder) -> str:
        words = ["oprl-gym", "train", "--resume", str(folder.path)]
        if module_of(self.config.env_id) is not None:
            words += ["--env-id", self.config.env_id]
        for wrapper in self.config.env_wrapper:
            words += ["--env-wrapper", wrapper]
        if any(map(may_name_module, self.config.env_kwargs.values())):
            words.append("--trust")
        return shlex.join(words)
