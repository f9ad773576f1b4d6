"""The process reward for a single gymnasium.Env."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE
from oprl_gym.rewards.encoding import to_array
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.types import Mode, RewardInput
from oprl_gym.wrappers.checks import as_flag, as_info, as_reward, check_env
from oprl_gym.wrappers.mixing import HasRewardMixer, RewardMixer, check_alone

_BEGIN = (
    "call reset() first, also after each end; a wrapper that resets by itself goes "
    "outside: Autoreset(ProcessRewardWrapper(env))"
)


class ProcessRewardWrapper(
    HasRewardMixer, gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs
):
    """Adds ``scale`` times a learned process reward to every step's reward.

    The learned reward is exactly 0 until weights arrive through
    :meth:`load_reward_state`, which :class:`oprl_gym.callbacks.OPRLCallback` calls
    between rollouts. Every step's ``info`` has ``env_reward`` and ``process_reward``
    (unscaled), and ``oprl_first_visits``, whether what the step started from and what
    it led to are new in the episode; an episode's last one also ``oprl_episode``, with
    the returns ``env_return``, ``process_return`` and ``mixed_return``, and
    ``oprl_terminal_observation``, which no wrapper outside has changed.

    Args:
        env: The env to wrap.
        scale: Weight of the process reward.
        mode: "additive" or "potential"; see
            :class:`~oprl_gym.rewards.scoring.Shaping`.
        gamma: The agent's discount, for "potential".
        reward_input: "obs", "next_obs" or "obs_action"; None takes what the learner
            uses.
        env_reward_weight: Weight of the env's own reward; 0 for an agent that learns
            from the process reward alone. None: 1, and 0 where the env pays only with
            the end of each episode; see :class:`~oprl_gym.rewards.scoring.Shaping`.

    Raises:
        ValueError: An argument makes no sense; the message names it.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from oprl_gym.wrappers import ProcessRewardWrapper
        >>> env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"))
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(1)
        >>> reward, info["env_reward"], info["process_reward"]
        (0.0, 0.0, 0.0)
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        scale: float = DEFAULT_SCALE,
        mode: Mode = DEFAULT_MODE,
        gamma: float = DEFAULT_GAMMA,
        reward_input: RewardInput | None = None,
        env_reward_weight: float | None = None,
    ) -> None:
        check_env(env, gym.Env, type(self).__name__, "a gymnasium.Env")
        check_alone(env)
        RecordConstructorArgs.__init__(
            self,
            scale=scale,
            mode=mode,
            gamma=gamma,
            reward_input=reward_input,
            env_reward_weight=env_reward_weight,
        )
        gym.Wrapper.__init__(self, env)
        shaping = Shaping(scale, mode, gamma, reward_input, env_reward_weight)
        self._mixer = RewardMixer(
            env.observation_space,
            env.action_space,
            1,
            shaping,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the env and start recording an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._mixer.begin(
            to_array(self._mixer.scorer.observation_space, observation)[None]
        )
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the env; the reward returned is the mixed one.

        Raises:
            EnvError: No episode is going on, or the env gave what nothing can be
                learned from.
        """
        self._mixer.check_begun(_BEGIN)
        # Before the env gets it, which may clip or scale it in place.
        taken = to_array(self._mixer.scorer.action_space, action)[None].copy()
        observation, reward, for_good, cut_off, told = self.env.step(action)
        env_reward = as_reward(reward)
        terminated = as_flag("terminated", for_good)
        truncated = as_flag("truncated", cut_off)
        inner = as_info(told)
        rewards = np.array([env_reward])
        process_rewards, mixed = self._mixer.step(
            taken,
            rewards,
            to_array(self._mixer.scorer.observation_space, observation)[None],
            np.array([terminated]),
            np.array([truncated]),
        )
        info = {
            **inner,
            "env_reward": env_reward,
            "process_reward": float(process_rewards[0]),
            "oprl_first_visits": tuple(
                bool(new[0]) for new in self._mixer.first_visits
            ),
        }
        if terminated or truncated:
            info["oprl_episode"] = self._mixer.episode_info(0, info)
            # A copy: a wrapper outside may change the one that it is given in place.
            info["oprl_terminal_observation"] = deepcopy(observation)
        return observation, float(mixed[0]), terminated, truncated, info
