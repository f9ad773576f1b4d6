"""One training run from one config: env, algorithm, callbacks, run folder."""

from __future__ import annotations

import math
import platform
import time
from collections import deque
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from tqdm import tqdm  # type: ignore[import-untyped]

import oprl_gym
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.episode_log import WINDOW, Episode, EpisodeLog, episode_success
from oprl_gym.evaluation import evaluate, make_env, make_venv, reward_threshold
from oprl_gym.figures import draw_run
from oprl_gym.labelling.album import Album
from oprl_gym.rewards import save_process_reward
from oprl_gym.rewards.images import image_shape
from oprl_gym.run_folder import RunError, RunFolder, Summary
from oprl_gym.teaching import album_for, check_answers, teaching
from oprl_gym.train_config import TrainConfig
from oprl_gym.wrappers import VecProcessReward

__all__ = ["Interrupted", "TrainConfig", "train"]

RUNS = "runs"
LOG_EVERY = 1024
"""Env steps from one row of progress.csv to the next, in whole rollouts."""


class Interrupted(KeyboardInterrupt):
    """Training was broken off by Ctrl-C; what there was has been saved."""


def train(
    config: TrainConfig,
    run_dir: str | Path | None = None,
    overwrite: bool = False,
) -> RunFolder:
    """Train an agent and write everything about it to a run folder.

    Args:
        config: What to train.
        run_dir: The folder; None makes a new one in ``runs/``.
        overwrite: Whether a run that is in ``run_dir`` already may be replaced. It is
            left as it is if the new one cannot start.

    Returns:
        The folder.

    Raises:
        RunError: The env or the folder cannot be used; nothing has been changed then.
        Interrupted: By Ctrl-C; policy, reward model and episodes so far are in the
            folder, but no summary.
    """
    config = config.resolved()
    if run_dir is not None:
        RunFolder(Path(run_dir)).check_free(overwrite)
    album = album_for(config)
    venv = make_training_env(config, album)
    try:
        model = make_algorithm(config, venv)
        check_answers(config, venv, run_dir)
        if run_dir is None:
            folder = RunFolder.create_numbered(RUNS, config)
        else:
            folder = RunFolder.create(run_dir, config, overwrite)
        log = EpisodeLogger()
        with teaching(config, venv, folder, album) as oprl:
            seconds = _learn(config, model, log, oprl, folder)
    finally:
        venv.close()
    draw_run(folder)
    folder.write_summary(_summary(config, model, log, seconds))
    return folder


def make_training_env(config: TrainConfig, album: Album | None = None) -> VecEnv:
    """Return the envs that the agent is trained in.

    Args:
        config: Of the run.
        album: Where pictures of every step go; None takes none.

    Raises:
        RunError: There is no such env, or it cannot be learned in.
    """
    make_env(config).close()  # says what is wrong before anything else is started
    venv = make_venv(config, config.n_envs, config.seed, album)
    if not config.oprl:
        return venv
    try:
        return VecProcessReward(
            venv,
            config.scale,
            config.mode,
            config.gamma,
            charge_ends=config.charge_ends,
            env_reward_weight=config.env_reward_weight,
        )
    except ValueError as error:
        venv.close()
        raise RunError(f"cannot learn in {config.env_id}: {error}") from error


def make_algorithm(config: TrainConfig, venv: VecEnv) -> OnPolicyAlgorithm:
    """Return the untrained agent.

    Args:
        config: A resolved one.
        venv: The envs to train in.

    Raises:
        RunError: The algorithm does not know what to do with the env's spaces.
    """
    arguments: dict[str, Any] = {
        "policy": _policy(venv.observation_space),
        "env": venv,
        "learning_rate": config.learning_rate,
        "n_steps": config.n_steps,
        "gamma": config.gamma,
        "ent_coef": config.ent_coef,
        "seed": config.seed,
        "device": "cpu",
    }
    if config.batch_size is not None:
        arguments["batch_size"] = config.batch_size
    try:
        return {"ppo": PPO, "a2c": A2C}[config.algo](**arguments)
    except (AssertionError, NotImplementedError, ValueError) as error:
        raise RunError(f"cannot train {config.algo} here: {error}") from error


def _policy(space: gym.spaces.Space[Any]) -> str:
    """Return the policy of Stable-Baselines3 that reads such observations."""
    if isinstance(space, gym.spaces.Dict):
        return "MultiInputPolicy"
    return "MlpPolicy" if image_shape(space) is None else "CnnPolicy"


class EpisodeLogger(BaseCallback):
    """Keeps what is to be known of every training episode."""

    def __init__(self) -> None:
        super().__init__()
        self.episodes: list[Episode] = []
        self.success_means: str | None = None
        self._threshold: float | None = None
        self._latest: deque[bool] = deque(maxlen=WINDOW)

    def log(self) -> EpisodeLog:
        """Return the episodes so far."""
        return EpisodeLog.of(self.episodes)

    def success_rate(self) -> float | None:
        """Return that of the latest 100 episodes; None if the env does not say."""
        return float(np.mean(self._latest)) if self._latest else None

    def _on_training_start(self) -> None:
        self._threshold = reward_threshold(self.training_env)

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self._note(info)
        return True

    def _note(self, info: dict[str, Any]) -> None:
        total, length = float(info["episode"]["r"]), int(info["episode"]["l"])
        success = episode_success(info, total, self._threshold)
        self.episodes.append(Episode(self.num_timesteps, total, length, success))
        if success is not None:
            self._latest.append(success)
            own = "is_success" in info
            self.success_means = (
                "is_success" if own else f"return >= {self._threshold:g}"
            )


class ProgressBar(BaseCallback):
    """A progress bar with success rate and reward-model loss; none without a terminal.

    Args:
        total: Env steps to be taken.
        log: Where the success rate comes from.
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

    def _on_step(self) -> bool:
        self._bar.update(self.num_timesteps - self._bar.n)
        return True

    def _on_rollout_end(self) -> None:
        rate = self._log.success_rate()
        shown = {"success": "n/a" if rate is None else f"{rate:.0%}"}
        if self._oprl is not None:
            report = self._oprl.report
            loss = None if report is None else report.reward_loss
            shown["reward loss"] = "-" if loss is None else f"{loss:.3f}"
        self._bar.set_postfix(shown, refresh=False)


def _learn(
    config: TrainConfig,
    model: OnPolicyAlgorithm,
    log: EpisodeLogger,
    oprl: OPRLCallback | None,
    folder: RunFolder,
) -> float:
    """Train and save the agent; returns the seconds that training took."""
    rollout = (config.n_steps or 1) * config.n_envs
    bar = ProgressBar(rollout * math.ceil(config.total_timesteps / rollout), log, oprl)
    callbacks: list[BaseCallback] = [log, bar] if oprl is None else [oprl, log, bar]
    model.set_logger(configure(str(folder.path), ["csv", "tensorboard"]))
    log_interval = max(1, LOG_EVERY // rollout)
    start = time.perf_counter()
    try:
        model.learn(
            config.total_timesteps, callback=callbacks, log_interval=log_interval
        )
        rollouts = model.num_timesteps // rollout
        if rollouts % log_interval:  # the last ones, which fill no interval
            model.dump_logs(rollouts)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"interrupted after {model.num_timesteps:,} steps; the policy and episodes "
            f"so far are in {folder.path}, without a summary"
        ) from error
    finally:
        bar.close()
        model.logger.close()
        _save(folder, model, log, oprl)
    return time.perf_counter() - start


def _save(
    folder: RunFolder,
    model: OnPolicyAlgorithm,
    log: EpisodeLogger,
    oprl: OPRLCallback | None,
) -> None:
    model.save(folder.file("policy.zip"))
    log.log().write(folder.file("episodes.csv"))
    if oprl is not None and oprl.learner is not None:
        reward = oprl.learner.process_reward
        save_process_reward(folder.file("reward_model.safetensors"), reward)


def _summary(
    config: TrainConfig, model: OnPolicyAlgorithm, log: EpisodeLogger, seconds: float
) -> Summary:
    greedy = evaluate(model, config)
    sampled = evaluate(model, config, deterministic=False)
    episodes = log.log()
    return Summary(
        env_id=config.env_id,
        algo=config.algo,
        seed=config.seed,
        oprl=config.oprl,
        total_timesteps=model.num_timesteps,
        episodes=len(episodes),
        first_success_step=episodes.first_success_step(),
        steps_to_90=episodes.steps_to(),
        final_success_rate=greedy.success_rate,
        sampled_success_rate=sampled.success_rate,
        success_means=log.success_means,
        eval_episodes=greedy.episodes,
        eval_return_mean=greedy.return_mean,
        eval_length_mean=greedy.length_mean,
        wall_time_s=round(seconds, 3),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "oprl-gym": oprl_gym.__version__,
        "gymnasium": gym.__version__,
        "stable-baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
