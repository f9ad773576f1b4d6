"""The agent of a run, as it is played back: its kind of policy, and its weights.

Stable-Baselines3's own ``policy.zip`` lies beside it for whoever goes on with SB3. It
holds pickles, so nothing here opens it: the policy is built from the run's config and
its env's spaces, and weights alone are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.vec_env import DummyVecEnv

from oprl_gym.config import one_line, shown
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.rewards.images import image_shape
from oprl_gym.rewards.tensors import to_arrays
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import make_env
from oprl_gym.runs.folder import POLICY, RunError, RunFolder


@dataclass(frozen=True)
class Player:
    """Acts as a policy does, and says in one line when it cannot.

    Attributes:
        policy: Of Stable-Baselines3.
    """

    policy: ActorCriticPolicy

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return actions, and the state that recurrent policies have.

        Raises:
            RunError: The weights are so large that no probabilities come of them.
        """
        try:
            return self.policy.predict(observation, state, episode_start, deterministic)
        except ValueError as error:  # torch's word for a distribution of NaN
            raise RunError(
                "the agent's weights give no numbers for what it sees; they are broken"
            ) from error


def policy_class(observation_space: spaces.Space[Any]) -> type[ActorCriticPolicy]:
    """Return the policy of Stable-Baselines3 that reads such observations."""
    if isinstance(observation_space, spaces.Dict):
        return MultiInputActorCriticPolicy
    if image_shape(observation_space) is None:
        return ActorCriticPolicy
    return ActorCriticCnnPolicy


def save_policy(path: Path, policy: ActorCriticPolicy) -> None:
    """Write the weights, replacing ``path`` only once the new file is whole.

    Raises:
        OSError: The file cannot be written.
    """
    weights = to_arrays(_weights(policy))
    write_state(path, {**_spaces(policy), "weights": weights})


def load_policy(folder: RunFolder) -> Player:
    """Return the trained agent of a run; nothing in its folder is executed.

    Raises:
        RunError: ``policy.safetensors`` is missing or damaged, or is of another env.
    """
    path = folder.file(POLICY)
    if not path.is_file():
        raise RunError(
            f"there is no {path}, from which the agent is read (policy.zip, which can "
            "hold code, is never opened); train again with --overwrite, or go on with "
            "--resume and a larger --total-timesteps"
        )
    policy = _untrained(folder.config())
    try:
        _load(policy, read_state(path))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        word = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
        raise RunError(f"{path} is not the agent of this run: {word}") from error
    return Player(policy)


def _untrained(config: TrainConfig) -> ActorCriticPolicy:
    """Return the policy that training of this config begins with."""
    env = make_env(config)
    try:
        # As SB3 does before it trains: it turns pictures round.
        venv = BaseAlgorithm._wrap_env(DummyVecEnv([lambda: env]))
        kind = policy_class(env.observation_space)
        policy = kind(venv.observation_space, venv.action_space, lambda _: 0.0)
    # What SB3 raises of spaces that it knows no network for.
    except (AssertionError, NotImplementedError, TypeError, ValueError) as error:
        raise RunError(f"no agent plays in {config.env_id}: {error}") from error
    finally:
        env.close()
    return policy


def _load(policy: ActorCriticPolicy, state: dict[str, Any]) -> None:
    for name, value in _spaces(policy).items():
        if state[name] != value:
            raise ValueError(f"its {name} is {shown(state[name])}, here it is {value}")
    saved, own = state["weights"], _weights(policy)
    if saved.keys() != own.keys():
        raise ValueError(f"it holds {sorted(saved)}, not {sorted(own)}")
    for name, weight in own.items():
        _check(name, saved[name], weight)
        with torch.no_grad():
            weight.copy_(torch.tensor(saved[name]))


def _check(name: str, saved: Any, own: torch.Tensor) -> None:
    expected = f"{tuple(own.shape)} of float32"
    if not isinstance(saved, np.ndarray):
        raise ValueError(f"its {name} is no array, but should be {expected}")
    if saved.dtype != np.float32 or saved.shape != tuple(own.shape):
        raise ValueError(
            f"its {name} is {saved.shape} of {saved.dtype}, but should be {expected}"
        )
    if not np.isfinite(saved).all():
        raise ValueError(f"its {name} holds NaN or infinite weights")


def _weights(policy: ActorCriticPolicy) -> dict[str, torch.Tensor]:
    """Return all weights by name, those under several names only once."""
    return dict(policy.named_parameters())


def _spaces(policy: ActorCriticPolicy) -> dict[str, Any]:
    return {
        "observation_space": str(policy.observation_space),
        "action_space": str(policy.action_space),
    }
