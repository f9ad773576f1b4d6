"""What a checkpoint keeps of the agent's envs, and how they come back to it.

No env can be asked for its state. Where each has an ``EpisodeTape``, the episodes that
were going on are played again; otherwise they are given up and new ones begin.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import (
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from oprl_gym.callbacks.reward_wrappers import envs_wrapped
from oprl_gym.files.fields import from_dict
from oprl_gym.wrappers.bonus import VecBonus
from oprl_gym.wrappers.gym_env import ProcessRewardWrapper
from oprl_gym.wrappers.sb3_vec import VecProcessReward
from oprl_gym.wrappers.tape import EpisodeTape, Tape

_RECORDING = (VecProcessReward, VecBonus)
_STATELESS = (VecCheckNan, VecTransposeImage)


def env_state(venv: VecEnv) -> dict[str, Any]:
    """Return nested dicts and arrays of all that can be known of ``venv``."""
    layers = list(_layers(venv))
    return {
        "layers": [_layer_state(layer) for layer in layers],
        "kinds": [type(layer).__name__ for layer in layers],
        "tapes": _tapes(venv, layers),
        "recordings": _recordings(venv),
    }


def load_env_state(venv: VecEnv, state: dict[str, Any]) -> bool:
    """Bring ``venv`` to where a checkpoint was made.

    Args:
        venv: Envs made as those of the checkpoint were.
        state: What :func:`env_state` returned then.

    Returns:
        Whether the episodes go on; otherwise ``venv.reset()`` is to begin new ones.

    Raises:
        ValueError: The envs are wrapped otherwise.
    """
    layers = list(_layers(venv))
    kinds = [type(layer).__name__ for layer in layers]
    if kinds != state["kinds"]:
        raise ValueError(
            f"the envs were wrapped in {_names(state['kinds'])}, now in "
            f"{_names(kinds)}; wrap them as they were"
        )
    goes_on = _play_again(venv, state["tapes"])
    for layer, saved in zip(layers, state["layers"], strict=True):
        _load_layer(layer, saved)
    for env, recording in enumerate(state["recordings"]):
        venv.env_method("load_recording_state", recording, indices=env)
    return goes_on


def _layers(venv: VecEnv) -> Iterator[VecEnvWrapper]:
    """Yield the wrappers around all envs, the outermost first."""
    while isinstance(venv, VecEnvWrapper):
        yield venv
        venv = venv.venv


def _layer_state(layer: VecEnvWrapper) -> dict[str, Any]:
    if isinstance(layer, _RECORDING):
        return layer.recording_state()
    if isinstance(layer, VecMonitor):
        return {
            "returns": layer.episode_returns.copy(),
            "lengths": layer.episode_lengths.copy(),
            "count": layer.episode_count,
        }
    if isinstance(layer, VecNormalize):
        return _normalize_state(layer)
    return {}


def _load_layer(layer: VecEnvWrapper, state: dict[str, Any]) -> None:
    if isinstance(layer, _RECORDING):
        layer.load_recording_state(state)
    elif isinstance(layer, VecMonitor):
        layer.episode_returns = _like(layer.episode_returns, state["returns"])
        layer.episode_lengths = _like(layer.episode_lengths, state["lengths"])
        layer.episode_count = int(state["count"])
    elif isinstance(layer, VecNormalize):
        _load_normalize(layer, state)


def _normalize_state(layer: VecNormalize) -> dict[str, Any]:
    return {
        "statistics": {name: _moments(rms) for name, rms in _statistics(layer).items()},
        "returns": layer.returns.copy(),
        "old_obs": getattr(layer, "old_obs", None),
        "old_reward": layer.old_reward.copy(),
    }


def _load_normalize(layer: VecNormalize, state: dict[str, Any]) -> None:
    for name, rms in _statistics(layer).items():
        mean, var, count = state["statistics"][name]
        if np.shape(mean) != np.shape(rms.mean):
            raise ValueError(
                f"VecNormalize's {name} have shape {np.shape(mean)} in the checkpoint, "
                f"{np.shape(rms.mean)} here"
            )
        rms.mean, rms.var = _like(rms.mean, mean), _like(rms.var, var)
        rms.count = float(count)
    layer.returns = _like(layer.returns, state["returns"])
    layer.old_obs = state["old_obs"]
    layer.old_reward = state["old_reward"]


def _like(own: Any, saved: Any) -> Any:
    """Return a copy of saved numbers in place of an env's own.

    Raises:
        ValueError: They have another shape, or are no numbers.
    """
    numbers = np.array(saved)
    if numbers.shape != np.shape(own) or not np.isfinite(numbers).all():
        raise ValueError(f"the envs' numbers have not the shape {np.shape(own)}")
    return numbers


def _statistics(layer: VecNormalize) -> dict[str, RunningMeanStd]:
    found = {"returns": layer.ret_rms}
    if layer.norm_obs:
        observations: Any = layer.obs_rms
        if not isinstance(observations, dict):
            observations = {"": observations}
        found |= {f"observations {key}": rms for key, rms in observations.items()}
    return found


def _moments(rms: RunningMeanStd) -> tuple[Any, Any, float]:
    return np.array(rms.mean), np.array(rms.var), float(rms.count)


def _tapes(venv: VecEnv, layers: list[VecEnvWrapper]) -> list[dict[str, Any]] | None:
    """Return the tape of each env; None if their episodes cannot be played again."""
    known = (*_STATELESS, *_RECORDING, VecMonitor, VecNormalize)
    # Any other wrapper may know something of its episodes, as VecFrameStack does.
    if not all(isinstance(layer, known) for layer in layers):
        return None
    if not all(envs_wrapped(venv, EpisodeTape)):
        return None
    tapes: list[Tape] = venv.env_method("tape")
    return [vars(tape) for tape in tapes]


def _recordings(venv: VecEnv) -> list[dict[str, Any]]:
    """Return what the reward wrapper in each env has recorded."""
    if not all(envs_wrapped(venv, ProcessRewardWrapper)):
        return []
    return venv.env_method("recording_state")


def _play_again(venv: VecEnv, tapes: list[dict[str, Any]] | None) -> bool:
    """Play each env's episode to the end of its tape; returns whether it got there."""
    if tapes is None or not all(envs_wrapped(venv, EpisodeTape)):
        return False
    for env, tape in enumerate(tapes):
        venv.env_method("rewind", from_dict(Tape, tape), indices=env)
        venv.env_method("reset", indices=env)
        for action in tape["actions"]:
            venv.env_method("step", action, indices=env)
    again: list[Tape] = venv.env_method("tape")
    if [tape.digest for tape in again] == [tape["digest"] for tape in tapes]:
        return True
    warnings.warn(
        "the episodes that were going on lead elsewhere when they are played again "
        "(something in the env is random beside np_random); new ones begin",
        stacklevel=2,
    )
    return False


def _names(kinds: list[str]) -> str:
    return " in ".join(kinds) or "nothing"
