"""Says what an env does that nothing can be learned from: odd numbers, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.wrappers.checks import as_rewards, check_observations, check_rewards

PATIENCE_S = 60.0
"""Seconds without an answer of the env after which that is said."""


class ValueWatch(BaseCallback):
    """Ends a run by what ``VecProcessReward`` would, where there is none.

    Raises:
        EnvError: While training: a reward or an observation is NaN, infinite, or too
            large to be learned from.
    """

    def _on_training_start(self) -> None:
        self._returns = np.zeros(self.training_env.num_envs)
        assert self.model._last_obs is not None
        self._check(self.model._last_obs)

    def _on_step(self) -> bool:
        rewards = as_rewards(self.locals["rewards"], len(self._returns))
        check_rewards(rewards, self._returns)
        self._returns = np.where(self.locals["dones"], 0.0, self._returns + rewards)
        self._check(self.locals["new_obs"])
        for env in self.locals["dones"].nonzero()[0]:
            self._check_end(self.locals["infos"][env]["terminal_observation"])
        return True

    def _check(self, observations: Any) -> None:
        space = self.training_env.observation_space
        array = batch_to_array(space, observations, len(self._returns))
        check_observations(array, array.shape[1:])

    def _check_end(self, observation: Any) -> None:
        array = to_array(self.training_env.observation_space, observation)
        check_observations(array[np.newaxis], array.shape)


class AnswerWatch(BaseCallback):
    """Says so once if the envs do not answer; they are waited for all the same.

    Nothing can tell an env that hangs from one that is slow. It has to be the last
    callback: what the others do is none of the env's time.

    Args:
        env_id: Id of the env.
        patience: Seconds.
    """

    def __init__(self, env_id: str, patience: float = PATIENCE_S) -> None:
        super().__init__()
        self._env_id = env_id
        self._patience = patience
        self._since: float | None = None  # None: nothing is asked of the envs
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to watch, from the first reset on."""
        self._since = time.monotonic()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _on_training_start(self) -> None:
        self._since = None

    def _on_rollout_start(self) -> None:
        self._since = time.monotonic()

    def _on_step(self) -> bool:
        self._since = time.monotonic()
        return True

    def _on_rollout_end(self) -> None:
        self._since = None

    def _watch(self) -> None:
        while not self._over.wait(self._patience / 4):
            since = self._since
            if since is not None and time.monotonic() - since > self._patience:
                print(
                    f"oprl-gym: {self._env_id} has not answered for "
                    f"{self._patience:g} s (a reset or a step); it is waited for, and "
                    "Ctrl-C ends the run with what there is",
                    file=sys.stderr,
                )
                return
