"""The process reward for a Stable-Baselines3 VecEnv: one scored batch a step."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    unwrap_vec_wrapper,
)
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE
from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.types import Array, Mode, RewardInput
from oprl_gym.wrappers.checks import (
    BROKEN_PIPE,
    as_flags,
    as_infos,
    as_rewards,
    check_env,
    terminal_of,
    worker_died,
)
from oprl_gym.wrappers.mixing import TWICE, HasRewardMixer, RewardMixer


class VecProcessReward(HasRewardMixer, VecEnvWrapper):
    """Adds ``scale`` times a learned process reward to every env's reward.

    The same as :class:`~oprl_gym.wrappers.ProcessRewardWrapper` in each env, but the
    N steps are scored together, in the main process; prefer it when N is large or
    the envs run in subprocesses.

    Args:
        venv: The VecEnv to wrap.
        scale: Weight of the process reward.
        mode: "additive" or "potential"; see
            :class:`~oprl_gym.rewards.scoring.Shaping`.
        gamma: The agent's discount, for "potential".
        reward_input: "obs", "next_obs" or "obs_action"; None takes what the learner
            uses.
        env_reward_weight: Weight of the env's own reward; 0 for an agent that learns
            from the process reward alone. None: 1, and 0 where the env pays only with
            the end of each episode; see :class:`~oprl_gym.rewards.scoring.Shaping`.
        device: Where steps are scored: "cpu", "cuda", ... or "auto".

    Raises:
        ValueError: An argument makes no sense, or there is a VecNormalize inside; the
            message names it.

    Example:
        >>> import oprl_gym
        >>> from stable_baselines3.common.env_util import make_vec_env
        >>> from oprl_gym.wrappers import VecProcessReward
        >>> venv = VecProcessReward(make_vec_env("OPRLMaze-v0", n_envs=4))
        >>> venv.reset().shape
        (4, 64)
    """

    def __init__(
        self,
        venv: VecEnv,
        scale: float = DEFAULT_SCALE,
        mode: Mode = DEFAULT_MODE,
        gamma: float = DEFAULT_GAMMA,
        reward_input: RewardInput | None = None,
        env_reward_weight: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_env(venv, VecEnv, type(self).__name__, "a VecEnv of Stable-Baselines3")
        if unwrap_vec_wrapper(venv, VecProcessReward) is not None:
            raise ValueError(TWICE)
        # Its statistics move: what was learned of an observation or a return yesterday
        # would be said of another one today.
        if unwrap_vec_wrapper(venv, VecNormalize) is not None:
            raise ValueError(
                "VecProcessReward has to see the env's own observations and rewards, "
                "but got a VecNormalize inside it; swap the two: "
                "VecNormalize(VecProcessReward(venv)), also with VecNormalize.load"
            )
        super().__init__(venv)
        shaping = Shaping(scale, mode, gamma, reward_input, env_reward_weight)
        self._mixer = RewardMixer(
            venv.observation_space,
            venv.action_space,
            venv.num_envs,
            shaping,
            device,
        )
        self._taken = np.zeros(0)  # actions on their way

    def reset(self) -> VecEnvObs:
        """Reset all envs and start recording their episodes."""
        observations = self.venv.reset()
        self._mixer.begin(self._array(observations))
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Send the actions on.

        Raises:
            EnvError: No episode has begun, or an env's process died.
        """
        self._mixer.check_begun("call reset() first")
        # A copy: an env may clip or scale its action in place.
        action_space = self._mixer.scorer.action_space
        self._taken = batch_to_array(action_space, actions, self.num_envs).copy()
        try:
            self.venv.step_async(actions)
        except BROKEN_PIPE as error:
            raise worker_died(error) from error

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step; the rewards returned are the mixed ones.

        Raises:
            EnvError: An env gave what nothing can be learned from, or its process died.
        """
        try:
            observations, rewards, done, told = self.venv.step_wait()
        except BROKEN_PIPE as error:
            raise worker_died(error) from error
        dones = as_flags("dones", done, self.num_envs)
        infos = as_infos(told, self.num_envs)
        first = self._array(observations)
        ended = dones.nonzero()[0].tolist()
        truncated = np.zeros_like(dones)
        for env in ended:
            truncated[env] = bool(infos[env].get("TimeLimit.truncated", False))
        env_rewards = as_rewards(rewards, self.num_envs)
        process_rewards, mixed = self._mixer.step(
            self._taken,
            env_rewards,
            self._reached(first, ended, infos),
            dones & ~truncated,
            truncated,
        )
        added = zip(
            env_rewards.tolist(),
            process_rewards.tolist(),
            zip(*(new.tolist() for new in self._mixer.first_visits), strict=True),
            strict=True,
        )
        own_infos = [
            {
                **info,
                "env_reward": env_reward,
                "process_reward": process_reward,
                "oprl_first_visits": first_visits,
            }
            for info, (env_reward, process_reward, first_visits) in zip(
                infos, added, strict=True
            )
        ]
        for env in ended:
            info = own_infos[env]
            info["oprl_episode"] = self._mixer.episode_info(env, info)
            # A copy: a wrapper outside may change the one that it is given in place.
            info["oprl_terminal_observation"] = deepcopy(info["terminal_observation"])
        if ended:
            self._mixer.begin(first, dones)
        return observations, mixed.astype(np.float32), dones, own_infos

    def _reached(
        self, first: Array, ended: list[int], infos: list[Mapping[str, Any]]
    ) -> Array:
        """Return the observations the steps led to, not those of the resets."""
        if not ended:
            return first
        reached = first.copy()
        for env in ended:
            found = infos[env].get("terminal_observation")
            terminal = terminal_of(found, env, "info['terminal_observation']")
            reached[env] = to_array(self._mixer.scorer.observation_space, terminal)
        return reached

    def _array(self, observations: Any) -> Array:
        return batch_to_array(
            self._mixer.scorer.observation_space, observations, self.num_envs
        )
