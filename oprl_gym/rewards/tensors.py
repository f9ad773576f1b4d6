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
