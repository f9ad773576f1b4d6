"""The envs that an agent is trained in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from oprl_gym.labelling.album import Album, Photographer
from oprl_gym.runs.config import Bonus, TrainConfig
from oprl_gym.runs.env import import_env, make_env
from oprl_gym.runs.folder import RunError
from oprl_gym.runs.normalising import normalise
from oprl_gym.wrappers import (
    EpisodeTape,
    VecFirstVisitBonus,
    VecProcessReward,
    VecStepCost,
)

BONUSES: dict[Bonus, Callable[[VecEnv], VecEnv]] = {
    "none": lambda venv: venv,
    "step-cost": VecStepCost,
    "first-visit": VecFirstVisitBonus,
}
"""The rivals of a process reward, by their names in a config."""


def make_training_env(config: TrainConfig, album: Album | None = None) -> VecEnv:
    """Return the envs that the agent is trained in.

    Args:
        config: Of the run.
        album: Where pictures of every step go; None takes none.

    Raises:
        RunError: There is no such env, or it cannot be learned in.
    """

    def make() -> gym.Env[Any, Any]:
        # Made here, as Stable-Baselines3 asks for pictures of every env, and Gymnasium
        # warns of each that has none.
        if album is None:
            return EpisodeTape(make_env(config))
        return EpisodeTape(Photographer(make_env(config, "rgb_array"), album))

    def make_elsewhere() -> gym.Env[Any, Any]:
        import_env(config)  # as was done here, or `make_env` would have refused
        return make()

    if config.subproc and album is not None:
        raise RunError(
            "--subproc keeps the pictures that a person is shown in other processes; "
            "leave it out with --teacher human"
        )
    try:
        venv = make_vec_env(
            make_elsewhere if config.subproc else make,
            n_envs=config.n_envs,
            seed=config.seed,
            vec_env_cls=SubprocVecEnv if config.subproc else DummyVecEnv,
        )
    except TypeError as error:  # a Dict with parts that are no arrays
        raise RunError(
            f"cannot learn in {config.env_id}: no policy of Stable-Baselines3 reads "
            "its observations; register an env that makes one array of them, as "
            "docs/recipes.md does with MiniGrid's, or give --env-wrapper"
        ) from error
    try:
        return normalise(_rewarded(venv, config), config)
    except ValueError as error:
        venv.close()
        raise RunError(f"cannot learn in {config.env_id}: {error}") from error


def _rewarded(venv: VecEnv, config: TrainConfig) -> VecEnv:
    if not config.oprl:
        return BONUSES[config.bonus](venv)
    return VecProcessReward(
        venv,
        config.scale,
        config.mode,
        config.gamma,
        env_reward_weight=config.env_reward_weight,
        device=config.device,
    )
