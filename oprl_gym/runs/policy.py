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
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from oprl_gym.config import one_line, shown
from oprl_gym.files.space_text import space_text
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.rewards.images import image_shape
from oprl_gym.rewards.tensors import to_arrays
from oprl_gym.runs.algorithms import Algorithm
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import make_env
from oprl_gym.runs.folder import POLICY, RunError, RunFolder
from oprl_gym.runs.normalising import load_statistics, normalise, statistics_of

ALGORITHMS: dict[Algorithm, type[BaseAlgorithm]] = {
    "ppo": PPO,
    "a2c": A2C,
    "dqn": DQN,
    "sac": SAC,
    "td3": TD3,
}

NOT_UNDERSTOOD = (
    AssertionError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What Stable-Baselines3 raises of spaces, or arguments, that it knows no agent for."""


@dataclass(frozen=True)
class Player:
    """Acts as a policy does, and says in one line when it cannot.

    Attributes:
        policy: Of Stable-Baselines3.
        normaliser: What makes of the env's observations those it reads, if they differ.
    """

    policy: BasePolicy
    normaliser: VecNormalize | None = None

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
        if self.normaliser is not None:
            observation = self.normaliser.normalize_obs(observation)
        try:
            return self.policy.predict(observation, state, episode_start, deterministic)
        except ValueError as error:  # torch's word for a distribution of NaN
            raise RunError(
                "the agent's weights give no numbers for what it sees; they are broken"
            ) from error


def policy_class(
    config: TrainConfig, observation_space: spaces.Space[Any]
) -> type[BasePolicy]:
    """Return the policy of Stable-Baselines3 that a run has for such observations."""
    name: str = config.policy or "MlpPolicy"
    if config.policy is None and isinstance(observation_space, spaces.Dict):
        name = "MultiInputPolicy"
    elif config.policy is None and image_shape(observation_space) is not None:
        name = "CnnPolicy"
    return ALGORITHMS[config.algo].policy_aliases[name]


def policy_arguments(config: TrainConfig) -> dict[str, Any]:
    """Return the arguments of a run's policy, with classes in place of their names.

    Raises:
        RunError: torch has no such activation.
    """
    arguments = dict(config.policy_kwargs)
    if "activation_fn" not in arguments:
        return arguments
    name = arguments["activation_fn"]
    found = getattr(torch.nn.modules.activation, str(name), None)
    if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
        raise RunError(
            f"policy_kwargs activation_fn must be one of torch.nn's, such as ReLU or "
            f"Tanh; got {shown(name)}"
        )
    return {**arguments, "activation_fn": found}


def save_policy(
    path: Path, policy: BasePolicy, normaliser: VecNormalize | None = None
) -> None:
    """Write the weights, replacing ``path`` only once the new file is whole.

    Args:
        path: The file.
        policy: What acts.
        normaliser: What it sees observations through, if anything.

    Raises:
        OSError: The file cannot be written.
    """
    state = {**_spaces(policy), "weights": to_arrays(_weights(policy))}
    if normaliser is not None:
        state["normaliser"] = statistics_of(normaliser)
    write_state(path, state)


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
    player = _untrained(folder.config())
    try:
        state = read_state(path)
        _load(player.policy, state)
        if player.normaliser is not None:
            load_statistics(player.normaliser, state["normaliser"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        word = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
        raise RunError(f"{path} is not the agent of this run: {word}") from error
    return player


def _untrained(config: TrainConfig) -> Player:
    """Return the player that training of this config begins with."""
    env = make_env(config)
    arguments = policy_arguments(config)
    try:
        venv = normalise(DummyVecEnv([lambda: env]), config)
        # As SB3 does before it trains: it turns pictures round.
        seen = BaseAlgorithm._wrap_env(venv)
        kind: Any = policy_class(config, env.observation_space)
        policy = kind(seen.observation_space, seen.action_space, _no_rate, **arguments)
    except NOT_UNDERSTOOD as error:
        raise RunError(f"no agent plays in {config.env_id}: {error}") from error
    finally:
        env.close()
    return Player(policy, venv if isinstance(venv, VecNormalize) else None)


def _no_rate(_: float) -> float:
    return 0.0


def _load(policy: BasePolicy, state: dict[str, Any]) -> None:
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


def _weights(policy: BasePolicy) -> dict[str, torch.Tensor]:
    """Return all weights by name, those under several names only once."""
    return dict(policy.named_parameters())


def _spaces(policy: BasePolicy) -> dict[str, Any]:
    return {
        "observation_space": space_text(policy.observation_space),
        "action_space": space_text(policy.action_space),
    }
