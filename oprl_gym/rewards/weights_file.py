"""A process reward in one safetensors file: weights, and what they were made for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gymnasium import spaces

from oprl_gym.config import one_line
from oprl_gym.files.fields import as_object, from_dict
from oprl_gym.files.sealed import read_sealed, write_sealed
from oprl_gym.files.space_text import space_text
from oprl_gym.rewards.process_reward import ProcessReward, RewardState

FORMAT = "oprl-gym process reward 3"


def save_process_reward(path: str | Path, reward: ProcessReward) -> None:
    """Write ``reward`` to ``path``, replacing it only once the new file is whole."""
    model = asdict(reward.state())
    weights = model.pop("weights")
    header = {
        "model": model,
        "observation_space": space_text(reward.encoder.observation_space),
        "action_space": space_text(reward.encoder.action_space),
    }
    write_sealed(Path(path), FORMAT, header, weights)


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
        header, weights = read_sealed(path, FORMAT)
        model = as_object(header.get("model"), "its model")
        state = from_dict(RewardState, model | {"weights": weights}, "its ")
    except ValueError as error:
        raise ValueError(f"{path} is not a saved process reward: {error}") from error
    for name, space in (
        ("observation_space", observation_space),
        ("action_space", action_space),
    ):
        here = space_text(space)
        if header.get(name) != here:
            made_for = one_line(header.get(name))
            raise ValueError(f"{path} was made for the {name} {made_for}, not {here}")
    try:
        return ProcessReward.from_state(observation_space, action_space, state)
    except ValueError as error:
        raise ValueError(f"{path} does not hold what it says: {error}") from error
