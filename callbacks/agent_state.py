"""What a checkpoint keeps of an SB3 agent, without pickle."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr

from oprl_gym.callbacks.agent_checks import check_counters, check_places
from oprl_gym.files.fields import check_values
from oprl_gym.rewards.tensors import optimizer_state, to_arrays, to_tensors

_COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_current_progress_remaining",
    "_episode_num",
    "_n_updates",
    "_n_calls",  # DQN
    "exploration_rate",  # DQN
)
_PLACES = ("_last_obs", "_last_original_obs", "_last_episode_starts")
_ROWS = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "env_rewards",  # ours
    "first_visits",  # ours
    "terminated",  # ours
    "dones",
    "timeouts",
)


def agent_state(model: BaseAlgorithm) -> dict[str, Any]:
    """Return nested dicts and arrays from which the agent can go on."""
    variables = model._get_torch_save_params()[1]
    buffer = getattr(model, "replay_buffer", None)
    return {
        "parameters": to_arrays(model.get_parameters()),
        "variables": {
            name: to_arrays(recursive_getattr(model, name)) for name in variables
        },
        "counters": _attributes(model, _COUNTERS),
        "places": _attributes(model, _PLACES),
        "lstm": _lstm_state(model),
        "episodes": [_numbers(info) for info in model.ep_info_buffer or ()],
        "successes": [bool(success) for success in model.ep_success_buffer or ()],
        "replay": None if buffer is None else _replay_state(buffer),
        "actions_rng": model.action_space.np_random.bit_generator.state,
    }


def load_agent_state(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Let the agent go on from a state of :func:`agent_state`.

    Raises:
        ValueError: It is the state of an agent with other networks or another buffer.
    """
    _load_parameters(model, state["parameters"])
    # By the agent's own names: those of a file could reach anything that it holds.
    for name in model._get_torch_save_params()[1]:
        _load_tensor(recursive_getattr(model, name), state["variables"][name], name)
    check_counters(_attributes(model, _COUNTERS), state["counters"])
    check_places(model, state["places"])
    for name, value in (state["counters"] | state["places"]).items():
        setattr(model, name, value)
    _load_lstm_state(model, state["lstm"])
    window = model._stats_window_size
    episodes = [
        {name: float(value) for name, value in info.items()}
        for info in state["episodes"]
    ]
    if not all({"r", "l"} <= info.keys() for info in episodes):
        raise ValueError("an episode has no return, or no length")
    model.ep_info_buffer = deque(episodes, maxlen=window)
    model.ep_success_buffer = deque(map(bool, state["successes"]), maxlen=window)
    if state["replay"] is not None:
        buffer: Any = getattr(model, "replay_buffer", None)
        if buffer is None:
            raise ValueError("it holds a replay buffer, which this agent has not")
        _load_replay_state(buffer, state["replay"])
    model.action_space.np_random.bit_generator.state = state["actions_rng"]


def _load_parameters(model: BaseAlgorithm, saved: dict[str, Any]) -> None:
    own = {name: recursive_getattr(model, name) for name in model.get_parameters()}
    if saved.keys() != own.keys():
        raise ValueError("the agent has other networks")
    try:
        for name, part in own.items():
            if isinstance(part, torch.nn.Module):
                part.load_state_dict(to_tensors(saved[name]))
    except RuntimeError as error:  # torch's word for other shapes
        raise ValueError(f"the agent has other networks: {error}") from error
    for name, part in own.items():
        if isinstance(part, torch.optim.Optimizer):
            part.load_state_dict(optimizer_state(part, saved[name]))
    for weights in model.policy.state_dict().values():
        if not bool(torch.isfinite(weights).all()):
            raise ValueError("the agent's weights are NaN or infinite")


def _load_tensor(own: torch.Tensor, saved: Any, name: str) -> None:
    values = torch.tensor(saved)
    if values.shape != own.shape or not bool(torch.isfinite(values).all()):
        raise ValueError(f"the agent's {name} are no {tuple(own.shape)} numbers")
    with torch.no_grad():
        own.copy_(values)


def random_state() -> dict[str, Any]:
    """Return the global random states that SB3 and torch draw from."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 (it is SB3 that uses it)
        "torch": torch.get_rng_state().numpy(),
    }


def load_random_state(state: dict[str, Any]) -> None:
    """Go on drawing from where :func:`random_state` was called.

    Raises:
        ValueError: It is no state of theirs.
    """
    kind, words, place, *_ = state["numpy"]
    # NumPy takes any place, and then reads beyond its memory.
    if kind != "MT19937" or np.shape(words) != (624,) or place not in range(625):
        raise ValueError("it holds no state of NumPy's random numbers")
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(torch.tensor(state["torch"]))


def _attributes(model: BaseAlgorithm, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


def _numbers(info: dict[str, Any]) -> dict[str, float]:
    """Return what of an episode's info can be averaged."""
    return {
        key: float(value)
        for key, value in info.items()
        if isinstance(value, int | float | np.number)
    }


def _lstm_state(model: BaseAlgorithm) -> Any:
    """Return the memory of a recurrent policy, (pi, vf) pairs of (h, c)."""
    memory = getattr(model, "_last_lstm_states", None)
    return None if memory is None else to_arrays([list(memory.pi), list(memory.vf)])


def _load_lstm_state(model: BaseAlgorithm, state: Any) -> None:
    memory: Any = getattr(model, "_last_lstm_states", None)
    if memory is None or state is None:
        return
    pi, vf = (
        tuple(torch.tensor(part, device=model.device) for part in pair)
        for pair in state
    )
    for own, part in zip((*memory.pi, *memory.vf), (*pi, *vf), strict=True):
        if own.shape != part.shape or not bool(torch.isfinite(part).all()):
            raise ValueError("the policy's memory has another shape, or is NaN")
    model._last_lstm_states = type(memory)(pi, vf)  # type: ignore[attr-defined]


def _replay_state(buffer: ReplayBuffer) -> dict[str, Any]:
    """Return the rows of a replay buffer that have been written."""
    used = buffer.buffer_size if buffer.full else buffer.pos
    # With `optimize_memory_usage` the row after the last one holds its successor.
    rows = min(buffer.buffer_size, used + 1)
    return {
        "pos": buffer.pos,
        "full": buffer.full,
        "ends": getattr(buffer, "ends", {}),  # ours
        "rows": {
            name: _first_rows(getattr(buffer, name), rows)
            for name in _ROWS
            if hasattr(buffer, name)
        },
    }


def _load_replay_state(buffer: ReplayBuffer, state: dict[str, Any]) -> None:
    kinds = {"pos": int, "full": bool, "ends": dict, "rows": dict}
    check_values(state, kinds, "replay ")
    if not 0 <= state["pos"] < buffer.buffer_size:
        raise ValueError(f"the replay buffer has no row {state['pos']}")
    for name, values in state["rows"].items():
        if name not in _ROWS:
            raise ValueError(f"the replay buffer has no {name}")
        own = getattr(buffer, name)
        parts = values.items() if isinstance(values, dict) else [(None, values)]
        for key, saved in parts:
            target = own if key is None else own[key]
            if len(saved) > len(target) or saved.shape[1:] != target.shape[1:]:
                raise ValueError(
                    f"the replay buffer's {name} have shape {target.shape}, too small "
                    f"for the {saved.shape} of the checkpoint"
                )
            target[: len(saved)] = saved
    buffer.pos, buffer.full = state["pos"], state["full"]
    if hasattr(buffer, "ends"):
        buffer.ends = state["ends"]


def _first_rows(values: Any, rows: int) -> Any:
    if isinstance(values, dict):
        return {key: part[:rows] for key, part in values.items()}
    return values[:rows]
