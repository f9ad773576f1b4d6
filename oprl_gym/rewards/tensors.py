"""Tensors within nested values, as NumPy arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def to_arrays(value: Any) -> Any:
    """Return nested dicts, lists and tuples with a copied array for each tensor."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {key: to_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_arrays(item) for item in value)
    return value


def to_tensors(value: Any) -> Any:
    """Return nested dicts, lists and tuples with a copied tensor for each array."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value


def optimizer_state(optimizer: torch.optim.Optimizer, saved: Any) -> dict[str, Any]:
    """Return what an optimiser can load of a state of :func:`to_arrays`.

    Its numbers are checked against the weights they are of: torch's fused steps take
    them for as many as those and would write beyond their ends. The settings are the
    optimiser's own.

    Raises:
        ValueError: They are those of other weights, or no numbers.
    """
    groups = optimizer.state_dict()["param_groups"]
    weights = [one for group in optimizer.param_groups for one in group["params"]]
    names = [set(values) for values in saved["state"].values()]
    for number, values in saved["state"].items():
        if set(values) != names[0]:
            raise ValueError("the optimiser's numbers are not there for all weights")
        if not (type(number) is int and 0 <= number < len(weights)):
            raise ValueError(f"it was fitting more than {len(weights)} weights")
        for name, value in values.items():
            _check_moment(name, value, weights[number].shape)
    return {"state": to_tensors(saved["state"]), "param_groups": groups}


_MOMENTS = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "momentum_buffer"}
_SQUARES = {"exp_avg_sq", "max_exp_avg_sq", "square_avg"}


def _check_moment(name: str, value: Any, shape: torch.Size) -> None:
    if value is None and name == "momentum_buffer":  # before the first step
        return
    if name == "step" and type(value) is int and value >= 0:
        return
    known = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    if not known or (name == "step" and value.dtype != np.float32):
        raise ValueError(f"the optimiser's {name} are no numbers of single precision")
    wanted = () if name == "step" else shape
    if (name == "step" or name in _MOMENTS) and value.shape != tuple(wanted):
        raise ValueError(
            f"it was fitting weights of shape {value.shape}, here they are "
            f"{tuple(wanted)}"
        )
    if not np.isfinite(value).all():
        raise ValueError(f"the optimiser's {name} are NaN or infinite")
    if (name == "step" or name in _SQUARES) and (value < 0).any():
        raise ValueError(f"the optimiser's {name} are below 0")


def available_device(name: str) -> str:
    """Return the device that ``name`` means: "auto" is "cuda" if there is one.

    Raises:
        ValueError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device {name!r} cannot be used here ({reason}); take 'cpu' or 'auto'"
        ) from error
    return name
