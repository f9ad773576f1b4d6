"""A process reward in one safetensors file: weights, and what they were made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from gymnasium import spaces
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from oprl_gym.config import check_choice
from oprl_gym.files.atomic import replace_file
from oprl_gym.rewards.process_reward import ProcessReward, RewardState
from oprl_gym.types import RewardInput

FORMAT = "oprl-gym process reward 2"
_FIELDS = {
    "reward_input": str,
    "input_dim": int,
    "hidden_size": int,
    "ensemble_size": int,
    "fitted": bool,
    "first_visits": bool,
    "unit": float,
    "late": bool,
}


def save_process_reward(path: str | Path, reward: ProcessReward) -> None:
    """Write ``reward`` to ``path``, replacing it only once the new file is whole."""
    state = reward.state()
    header = {"format": FORMAT, **{name: getattr(state, name) for name in _FIELDS}}
    header["observation_space"] = str(reward.encoder.observation_space)
    header["action_space"] = str(reward.encoder.action_space)
    # One entry: safetensors writes several in an order that changes from run to run.
    content = save(state.weights, {"oprl_gym": json.dumps(header)})
    replace_file(Path(path), content)


def load_process_reward(
    path: str | Path,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
) -> ProcessReward:
    """Read a process reward written by :func:`save_process_reward`.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, is damaged, or was made for other spaces.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        header = _read_header(metadata)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a saved process reward: {error}") from error
    _check_spaces(path, header, observation_space, action_space)
    state = RewardState(weights=weights, **{name: header[name] for name in _FIELDS})
    try:
        return ProcessReward.from_state(observation_space, action_space, state)
    except ValueError as error:
        raise ValueError(f"{path} does not hold the weights it names") from error


def _read_header(metadata: dict[str, str]) -> dict[str, Any]:
    if "oprl_gym" not in metadata:
        raise ValueError("it was not written by this library")
    header: dict[str, Any] = json.loads(metadata["oprl_gym"])
    if header["format"] != FORMAT:
        raise ValueError(f"its format is {header['format']!r}, not {FORMAT!r}")
    for name, kind in _FIELDS.items():
        if type(header[name]) is not kind:
            raise ValueError(f"its {name} is {header[name]!r}")
    check_choice("reward_input", header["reward_input"], get_args(RewardInput))
    return header


def _check_spaces(
    path: Path,
    header: dict[str, Any],
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
) -> None:
    for name, space in (
        ("observation_space", observation_space),
        ("action_space", action_space),
    ):
        if header.get(name) != str(space):
            raise ValueError(
                f"{path} was made for the {name} {header.get(name)}, not for {space}"
            )
