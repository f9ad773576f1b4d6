"""How the callback reaches the reward wrappers, wherever they sit in the env."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import Space, Wrapper
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    unwrap_vec_wrapper,
)

from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.types import Trajectory
from oprl_gym.wrappers.gym_env import ProcessRewardWrapper
from oprl_gym.wrappers.mixing import Rescored
from oprl_gym.wrappers.sb3_vec import VecProcessReward

_HELP = """\
OPRLCallback found no process reward in the model's env. Wrap the env:

    from oprl_gym.wrappers import ProcessRewardWrapper
    env = ProcessRewardWrapper(env)                 # one gymnasium env

or a VecEnv, as a whole or each env in it:

    from oprl_gym.wrappers import VecProcessReward
    venv = VecProcessReward(venv)
    venv = make_vec_env(env_id, n_envs=8, wrapper_class=ProcessRewardWrapper)
"""


def envs_wrapped(venv: VecEnv, kind: type[Wrapper[Any, Any, Any, Any]]) -> list[bool]:
    """Return of each env whether it is wrapped so; not where a VecEnv cannot say.

    Many a VecEnv of other makers runs its envs without a gymnasium.Env for each.
    """
    try:
        found = venv.env_is_wrapped(kind)
    except (NotImplementedError, AttributeError):
        found = None
    return [False] * venv.num_envs if found is None else list(found)


@dataclass(frozen=True)
class RewardWrappers:
    """The reward wrappers of a VecEnv: one around it, or one in each of its envs.

    The wrappers inside are reached by ``env_method``, which works the same in
    DummyVecEnv and, through a pipe, in SubprocVecEnv.
    """

    venv: VecEnv
    outer: VecProcessReward | None

    @classmethod
    def find(cls, venv: VecEnv) -> RewardWrappers:
        """Return the wrappers in ``venv``.

        Raises:
            ValueError: There is none, there are two of which both would add a reward,
                or only some of the envs have one.
        """
        outer = unwrap_vec_wrapper(venv, VecProcessReward)
        inner = envs_wrapped(venv, ProcessRewardWrapper)
        if outer is None and not any(inner):
            raise ValueError(_HELP)
        if outer is not None and any(inner):
            raise ValueError(
                "the env has both a VecProcessReward and a ProcessRewardWrapper inside "
                "it, so every process reward would be added twice; remove one of them"
            )
        if outer is None and not all(inner):
            missing = [env for env, wrapped in enumerate(inner) if not wrapped]
            raise ValueError(f"envs {missing} have no ProcessRewardWrapper; wrap all")
        return cls(venv, outer)

    def shaping(self) -> Shaping:
        """Return how the wrappers mix rewards, which must be the same in all."""
        shapings: list[Shaping] = self._get("shaping")
        if any(shaping != shapings[0] for shaping in shapings):
            raise ValueError(f"the envs' wrappers are not alike: {shapings}")
        return shapings[0]

    def spaces(self) -> tuple[Space[Any], Space[Any]]:
        """Return the observation and action space that the wrappers see."""
        spaces: list[tuple[Space[Any], Space[Any]]] = self._call("reward_spaces")
        return spaces[0]

    def env_reward_weight(self) -> float:
        """Return what the env's own reward counts now."""
        weights: list[float] = self._get("env_reward_weight", [0])
        return weights[0]

    def fitted(self) -> bool:
        """Return whether the wrappers score by a process reward that was fitted."""
        fitted: list[bool] = self._get("process_reward_fitted", [0])
        return fitted[0]

    def normalisers(self) -> list[VecNormalize]:
        """Return what normalises rewards outside, the innermost first."""
        found = []
        venv = self.venv
        while isinstance(venv, VecEnvWrapper) and venv is not self.outer:
            if isinstance(venv, VecNormalize) and venv.norm_reward:
                found.append(venv)
            venv = venv.venv
        return found[::-1]

    def pop_episodes(self) -> list[Trajectory]:
        """Return all episodes finished since the last call."""
        per_env: list[list[Trajectory]] = self._call("pop_episodes")
        return [trajectory for episodes in per_env for trajectory in episodes]

    def load_reward_state(self, state: RewardState) -> None:
        """Hand a process reward to every wrapper."""
        self._call("load_reward_state", state)

    def keep_rollout(self, steps: int) -> None:
        """Let every wrapper keep the next steps."""
        self._call("keep_rollout", steps)

    def rescore_rollout(self) -> Rescored:
        """Return the kept rollout of all N envs, scored by the newest weights."""
        per_env: list[Rescored] = self._call("rescore_rollout")
        return Rescored(
            given=np.hstack([one.given for one in per_env]),
            newest=np.hstack([one.newest for one in per_env]),
            truncated=np.hstack([one.truncated for one in per_env]),
        )

    def _get(self, name: str, envs: list[int] | None = None) -> list[Any]:
        """Return an attribute of each wrapper, or of those in some envs."""
        if self.outer is not None:
            return [getattr(self.outer, name)]
        return self.venv.get_attr(name, envs)

    def _call(self, name: str, *arguments: Any) -> list[Any]:
        """Return what a method of each wrapper returns."""
        if self.outer is not None:
            return [getattr(self.outer, name)(*arguments)]
        return self.venv.env_method(name, *arguments)
