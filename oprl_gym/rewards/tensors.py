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
