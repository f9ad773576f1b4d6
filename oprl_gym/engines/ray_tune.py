"""Tasks as trials of Ray Tune, on this machine or on all of a cluster.

Tune places the tasks and begins them again when a process or a node is lost. Its own
records go to a temporary folder: what is finished is told by the tasks' files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import ray
from ray import tune

from oprl_gym.engines.tasks import Outcome, Task, Watcher
from oprl_gym.files.atomic import replace_file
from oprl_gym.runs.folder import RunError

CONNECT_TIMEOUT_S = 10.0
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # three files a task, that nobody reads
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is to end the sweep, as elsewhere
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),  # its state is not what we resume from
    "TUNE_WARN_THRESHOLD_S": str(10**9),
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # which prints boxes even if asked to be quiet
}


@dataclass(frozen=True)
class RayEngine:
    """Does tasks on a Ray cluster, one processor each.

    Every node has to find the same packages and, at the same paths, the same files.

    Attributes:
        address: "auto" or HOST:PORT of a cluster that this machine is a node of; None
            starts Ray on this machine alone, for as long as the tasks take.
        jobs: Tasks at a time; None: as many as there are processors in the cluster.
        retries: How often a task is begun again whose process or node was lost. One
            that raised an error is not: it would again.
        paths: Folders that tasks import from, beside the installed packages.
    """

    address: str | None = None
    jobs: int | None = None
    retries: int = 0
    paths: tuple[str, ...] = ()

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Do tasks, as :class:`oprl_gym.engines.Engine` says.

        Raises:
            RunError: There is no cluster at ``address``.
        """
        os.environ.update(SETTINGS)
        # What is lost is told to the watcher.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        with _connected(self.address, self.paths):
            todo: Sequence[Task] = tasks
            for round_number in range(self.retries + 1):
                last = round_number == self.retries
                todo = self._fit(todo, _Reporter(todo, watcher, last))
                if not todo:
                    break
        for folder in {task.log.parent for task in tasks}:
            with contextlib.suppress(OSError):  # some have failed, or never did
                folder.rmdir()

    def _fit(self, tasks: Sequence[Task], reporter: _Reporter) -> list[Task]:
        """Do tasks; returns those that Tune gave up as their process could not begin.

        It does so at once if a node dies at that moment, whatever ``max_failures``.
        """
        if not tasks:
            return []
        trainable = tune.with_parameters(_TaskTrainable, tasks=tuple(tasks))
        with tempfile.TemporaryDirectory(prefix="oprl-gym-ray-") as folder:
            tuner = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                param_space={"index": tune.grid_search(list(range(len(tasks))))},
                tune_config=tune.TuneConfig(
                    max_concurrent_trials=self.jobs,
                    reuse_actors=True,  # saves each task the import of torch
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    storage_path=folder,
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    failure_config=tune.FailureConfig(max_failures=self.retries),
                    callbacks=[reporter],
                    verbose=0,
                ),
            )
            tuner.fit()
        return reporter.given_up


class _TaskTrainable(tune.Trainable):  # type: ignore[misc, unused-ignore]
    """Does one task a trial; runs on the cluster."""

    def setup(self, config: dict[str, Any], tasks: Sequence[Task]) -> None:
        self._tasks, self._index = tasks, config["index"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._index = new_config["index"]
        return True

    def step(self) -> dict[str, Any]:
        task = self._tasks[self._index]
        try:
            task.call()
        except Exception as error:
            words = "".join(traceback.format_exception(error))
            task.log.parent.mkdir(parents=True, exist_ok=True)
            replace_file(task.log, words.encode())
            return {"done": True, "error": words}
        task.log.unlink(missing_ok=True)
        return {"done": True, "error": None}


class _Reporter(tune.Callback):  # type: ignore[misc, unused-ignore]
    """Tells the watcher what Tune does."""

    def __init__(self, tasks: Sequence[Task], watcher: Watcher, last: bool) -> None:
        self.given_up: list[Task] = []
        self._tasks, self._watcher, self._last = tasks, watcher, last
        self._started_at: dict[int, float] = {}

    def __reduce__(self) -> Any:
        """Tune writes callbacks down, to resume with; we resume from run folders."""
        return tune.Callback, ()

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        self._watcher.waiting()

    def on_trial_start(
        self, iteration: int, trials: Any, trial: Any, **info: Any
    ) -> None:
        index = trial.config["index"]
        self._started_at[index] = time.perf_counter()
        self._watcher.started(self._tasks[index])

    def on_trial_recover(
        self, iteration: int, trials: Any, trial: Any, **info: Any
    ) -> None:
        self._watcher.lost(self._tasks[trial.config["index"]])

    def on_trial_complete(
        self, iteration: int, trials: Any, trial: Any, **info: Any
    ) -> None:
        # A trial that Tune itself ends without a result has not done its task.
        result = trial.last_result or {}
        self._end(trial, result.get("error", "it ended without a result"))

    def on_trial_error(
        self, iteration: int, trials: Any, trial: Any, **info: Any
    ) -> None:
        if self._last:
            words = f"its process was lost too often: {trial.get_error()}"
            self._end(trial, words)
        else:
            self.given_up.append(self._tasks[trial.config["index"]])

    def _end(self, trial: Any, error: str | None) -> None:
        index = trial.config["index"]
        now = time.perf_counter()
        seconds = now - self._started_at.get(index, now)
        self._watcher.ended(Outcome(self._tasks[index], seconds, error))


@contextlib.contextmanager
def _connected(address: str | None, paths: Sequence[str]) -> Iterator[None]:
    """Be part of a Ray cluster; one that was joined before stays as it is.

    Raises:
        RunError: There is none at ``address``.
    """
    if ray.is_initialized():
        yield
        return
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    found = os.pathsep.join(filter(None, [*paths, *known]))
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": {"PYTHONPATH": found, "OMP_NUM_THREADS": "1"}},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address is None:
        options.update(address="local", include_dashboard=False)
    else:
        _check(address)
        options.update(address=address)
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise RunError(
            f"cannot use Ray {where}: {error}. Start a sweep on a node of a running "
            "cluster (ray start --address=HOST:PORT makes this machine one)"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Do nothing if something answers at ``address``; Ray itself takes minutes to say.

    Raises:
        RunError: Nothing does, or it is no address.
    """
    if address == "auto":
        return
    if address.startswith("ray://"):
        raise RunError(
            f"--address {address} is that of a Ray Client, through which no progress "
            "is seen; start the sweep on a node of the cluster, with --address auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise RunError(f"--address must be auto or HOST:PORT, got {address!r}")
    if os.environ.get("RAY_USE_TLS") == "1":  # then it answers to certificates alone
        return
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(CONNECT_TIMEOUT_S)
        except grpc.FutureTimeoutError as error:
            raise RunError(f"no Ray cluster answers at {address}") from error
