"""Two cheap rivals of a learned reward: nothing is learned, and nobody is asked.

What they pay is measured by the same rule as a learned reward, in the env's own: see
:attr:`oprl_gym.preferences.pay.EnvPay.unit`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from oprl_gym.preferences.pay import EnvPay
from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.types import Array, FloatArray
from oprl_gym.visits import VisitTracker
from oprl_gym.wrappers.checks import as_rewards, check_env, terminal_of


class VecBonus(VecEnvWrapper):
    """Adds to each step's reward a share of what an episode of the env is worth.

    A unit is the most that a single step has been paid so far, or what an episode of
    late has cost on average if that is more, and at least 1. The infos gain
    ``env_reward``, what the env itself paid. It stands outside a Monitor, which goes on
    reporting the env's own return.

    Args:
        venv: The VecEnv to wrap.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, venv: VecEnv) -> None:
        name = type(self).__name__
        check_env(venv, VecEnv, name, "a VecEnv of Stable-Baselines3")
        super().__init__(venv)
        self._pay = EnvPay()
        self._paid: list[list[float]] = [[] for _ in range(venv.num_envs)]

    @abstractmethod
    def share(self, reached: Array) -> FloatArray:
        """Return the (N,) units that a step to the (N, ...) observations is paid."""

    def begin(self, observations: Array, beginning: Array) -> None:
        """Take note of the first of N observations of the episodes that begin."""
        for env in np.flatnonzero(beginning):
            self._paid[env] = []

    def reset(self) -> VecEnvObs:
        """Reset all envs."""
        observations = self.venv.reset()
        self.begin(self._array(observations), np.ones(self.num_envs, dtype=np.bool_))
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step; the rewards returned have the bonus in them."""
        observations, given, dones, infos = self.venv.step_wait()
        rewards = as_rewards(given, self.num_envs)
        # Those of the env itself, whatever another wrapper inside has made of them.
        own = [
            float(info.get("env_reward", reward))
            for info, reward in zip(infos, rewards.tolist(), strict=True)
        ]
        first = self._array(observations)
        mixed = rewards + self._pay.unit * self.share(
            self._reached(first, dones, infos)
        )
        for paid, reward in zip(self._paid, own, strict=True):
            paid.append(reward)
        if dones.any():
            ended = np.flatnonzero(dones)
            self._pay.observe_rewards([np.array(self._paid[env]) for env in ended])
            self.begin(first, dones)
        told = [
            {**info, "env_reward": reward}
            for info, reward in zip(infos, own, strict=True)
        ]
        return observations, mixed.astype(np.float32), dones, told

    def recording_state(self) -> dict[str, Any]:
        """Return what is known of the env and of the episodes that are going on."""
        return {
            "pay": self._pay.state(),
            "paid": [np.array(paid, dtype=np.float64) for paid in self._paid],
        }

    def load_recording_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`recording_state` returned.

        Raises:
            ValueError: It is that of other envs.
        """
        if len(state["paid"]) != self.num_envs:
            raise ValueError(
                f"rewards of {len(state['paid'])} envs, here {self.num_envs}"
            )
        self._pay.load_state(state["pay"])
        self._paid = [paid.tolist() for paid in state["paid"]]

    def _reached(self, first: Array, dones: Array, infos: Any) -> Array:
        """Return the observations the steps led to, not those of the resets."""
        if not dones.any():
            return first
        reached = first.copy()
        for env in np.flatnonzero(dones):
            found = infos[env].get("terminal_observation")
            terminal = terminal_of(found, int(env), "info['terminal_observation']")
            reached[env] = to_array(self.observation_space, terminal)
        return reached

    def _array(self, observations: Any) -> Array:
        return batch_to_array(self.observation_space, observations, self.num_envs)


class VecFirstVisitBonus(VecBonus):
    """Pays a hundredth of a unit for each observation that is new in its episode.

    Args:
        venv: The VecEnv to wrap.

    Example:
        >>> import oprl_gym
        >>> from stable_baselines3.common.env_util import make_vec_env
        >>> from oprl_gym.wrappers import VecFirstVisitBonus
        >>> venv = VecFirstVisitBonus(make_vec_env("OPRLMaze-v0", n_envs=2))
        >>> observations = venv.reset()
        >>> down, into_the_wall = 1, 3
        >>> venv.step([down, into_the_wall])[1].tolist()
        [0.009999999776482582, 0.0]
    """

    SHARE = 0.01

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._visits = VisitTracker(venv.num_envs)

    def share(self, reached: Array) -> FloatArray:
        """Return a hundredth where the observation is new, else 0."""
        return self.SHARE * self._visits.step(reached)

    def begin(self, observations: Array, beginning: Array) -> None:
        """Forget the last episode; where one begins has been visited already."""
        super().begin(observations, beginning)
        self._visits.begin(observations, beginning)

    def recording_state(self) -> dict[str, Any]:
        """Return the same as without visits, and those."""
        return {**super().recording_state(), "visits": self._visits.state()}

    def load_recording_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`recording_state` returned."""
        super().load_recording_state(state)
        self._visits.load_state(state["visits"])


class VecStepCost(VecBonus):
    """Takes a unit for the longest episode, and of each step its share of that.

    How long that may be the env's spec says (``max_episode_steps``); else it is the
    longest that has ended so far, and nothing is taken before one has.

    Args:
        venv: The VecEnv to wrap.

    Example:
        >>> import oprl_gym
        >>> from stable_baselines3.common.env_util import make_vec_env
        >>> from oprl_gym.wrappers import VecStepCost
        >>> venv = VecStepCost(make_vec_env("OPRLMaze-v0", n_envs=1))
        >>> observations = venv.reset()
        >>> round(float(venv.step([1])[1][0]), 4)  # of at most 60 steps
        -0.0167
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._limit = _max_episode_steps(venv)
        self._longest = self._limit or 0

    def share(self, reached: Array) -> FloatArray:
        """Return the same for all."""
        cost = 1.0 / self._longest if self._longest else 0.0
        return np.full(self.num_envs, -cost)

    def begin(self, observations: Array, beginning: Array) -> None:
        """Take note of how long the episodes were that have ended."""
        if self._limit is None:
            self._longest = max(self._longest, *map(len, self._ended(beginning)), 0)
        super().begin(observations, beginning)

    def recording_state(self) -> dict[str, Any]:
        """Return the same as without a cost, and the longest episode."""
        return {**super().recording_state(), "longest": self._longest}

    def load_recording_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`recording_state` returned."""
        super().load_recording_state(state)
        self._longest = int(state["longest"])

    def _ended(self, beginning: Array) -> list[list[float]]:
        return [self._paid[env] for env in np.flatnonzero(beginning)]


def _max_episode_steps(venv: VecEnv) -> int | None:
    """Return the limit that the env's spec states; None if it does not say."""
    try:
        spec = venv.get_attr("spec", 0)[0]
    except (AttributeError, NotImplementedError):  # of other makers
        return None
    return getattr(spec, "max_episode_steps", None)
