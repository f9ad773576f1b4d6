"""The process reward for a gymnasium.vector.VectorEnv, in every autoreset mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE
from oprl_gym.rewards.encoding import batch_to_array, to_array
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.types import Array, BoolArray, Mode, RewardInput
from oprl_gym.wrappers.checks import (
    as_flags,
    as_info,
    as_rewards,
    check_env,
    terminal_of,
)
from oprl_gym.wrappers.mixing import HasRewardMixer, RewardMixer, check_alone

_BEGIN = (
    "call reset() first; where autoreset is disabled also after each end: "
    "reset(options={'reset_mask': terminated | truncated})"
)


class ProcessRewardVectorWrapper(HasRewardMixer, VectorWrapper):
    """Adds ``scale`` times a learned process reward to every env's reward.

    The same as :class:`~oprl_gym.wrappers.ProcessRewardWrapper` in each env. In
    NEXT_STEP mode the step after an episode's end only resets that env: it is neither
    scored nor recorded. ``infos`` gains the arrays ``env_reward`` and
    ``process_reward``, and where episodes ended ``oprl_episode`` with the arrays
    ``env_return``, ``process_return`` and ``mixed_return``.

    Args:
        env: The vector env to wrap.
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
        ValueError: An argument makes no sense, or the env does not say how it resets.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from oprl_gym.wrappers import ProcessRewardVectorWrapper
        >>> envs = ProcessRewardVectorWrapper(gym.make_vec("OPRLMaze-v0", num_envs=4))
        >>> observations, infos = envs.reset(seed=0)
        >>> observations, rewards, *_ = envs.step(envs.action_space.sample())
        >>> rewards.shape
        (4,)
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        scale: float = DEFAULT_SCALE,
        mode: Mode = DEFAULT_MODE,
        gamma: float = DEFAULT_GAMMA,
        reward_input: RewardInput | None = None,
        env_reward_weight: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_env(env, VectorEnv, type(self).__name__, "a gymnasium.vector.VectorEnv")
        check_alone(env)
        super().__init__(env)
        self.autoreset_mode = _autoreset_mode(env)
        shaping = Shaping(scale, mode, gamma, reward_input, env_reward_weight)
        self._mixer = RewardMixer(
            env.single_observation_space,
            env.single_action_space,
            env.num_envs,
            shaping,
            device,
        )
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the envs, or those of ``options["reset_mask"]``."""
        mask = None if options is None else options.get("reset_mask")
        observations, infos = self.env.reset(seed=seed, options=options)
        self._mixer.begin(self._array(observations), mask)
        self._ended[slice(None) if mask is None else mask] = False
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Step the envs; the rewards returned are the mixed ones.

        Raises:
            EnvError: No episode is going on in an env, or one gave what nothing can be
                learned from.
        """
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        self._mixer.check_begun(_BEGIN, self._ended if next_step else None)
        # Before the envs get them, which may clip or scale them in place.
        action_space = self._mixer.scorer.action_space
        taken = batch_to_array(action_space, actions, self.num_envs).copy()
        observations, rewards, for_good, cut_off, told = self.env.step(actions)
        terminated = as_flags("terminated", for_good, self.num_envs)
        truncated = as_flags("truncated", cut_off, self.num_envs)
        info = as_info(told)
        after = self._array(observations)
        active = ~self._ended
        ended = terminated | truncated
        env_rewards = as_rewards(rewards, self.num_envs)
        process_rewards, mixed = self._mixer.step(
            taken,
            env_rewards,
            self._reached(after, ended, info),
            terminated,
            truncated,
            active,
        )
        infos = self._infos(info, env_rewards, process_rewards, active)
        self._note_ends(infos, after, ended)
        return observations, mixed, terminated, truncated, infos

    def _reached(
        self, after: Array, ended: BoolArray, infos: Mapping[str, Any]
    ) -> Array:
        """Return the observations the steps led to, not those of the resets."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP or not ended.any():
            return after
        reached = after.copy()
        for env in np.flatnonzero(ended).tolist():
            finals = infos.get("final_obs")
            found = None if finals is None else finals[env]
            final = terminal_of(found, env, f"infos['final_obs'][{env}]")
            reached[env] = to_array(self._mixer.scorer.observation_space, final)
        return reached

    def _infos(
        self,
        infos: Mapping[str, Any],
        env_rewards: Array,
        process_rewards: Array,
        active: BoolArray,
    ) -> dict[str, Any]:
        return {
            **infos,
            "env_reward": env_rewards,
            "_env_reward": active.copy(),
            "process_reward": process_rewards,
            "_process_reward": active.copy(),
        }

    def _note_ends(self, infos: dict[str, Any], after: Array, ended: BoolArray) -> None:
        """Report the episodes that ended and start those that begin."""
        if ended.any():
            infos["oprl_episode"] = self._mixer.episode_infos(ended)
            infos["_oprl_episode"] = ended.copy()
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        beginning = ended if same_step else self._ended
        if (same_step or next_step) and beginning.any():
            self._mixer.begin(after, beginning)
        self._ended = np.zeros_like(ended) if same_step else ended.copy()

    def _array(self, observations: Any) -> Array:
        return batch_to_array(
            self._mixer.scorer.observation_space, observations, self.num_envs
        )


def _autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise ValueError(
            f"metadata['autoreset_mode'] of {env} is {mode!r}: set it to a "
            "gymnasium.vector.AutoresetMode, so that the step after an episode's end "
            "is not taken for one of the episode"
        )
    return mode
