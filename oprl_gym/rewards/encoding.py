"""From a Gymnasium space's values to the rows of numbers a network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, iterate

from oprl_gym.rewards.images import as_channels_first, image_shape
from oprl_gym.types import Array, BoolArray, EnvError, FloatArray, RewardInput

_ARRAY_SPACES = (
    spaces.Box,
    spaces.Discrete,
    spaces.MultiBinary,
    spaces.MultiDiscrete,
)


def to_array(space: spaces.Space[Any], value: Any) -> Array:
    """Return one value of a space as one array.

    Values of Box, Discrete, MultiBinary and MultiDiscrete get the space's dtype, unless
    that is of integers and cannot hold them; those of nested spaces (Dict, Tuple)
    become float32 vectors as by ``gymnasium.spaces.flatten``. What is no fixed number
    of numbers, as text, is left out.

    Raises:
        EnvError: The value is not made of numbers.
    """
    if isinstance(space, _ARRAY_SPACES):
        return _in_dtype_of(space, np.asarray(value))
    if not _readable(space):
        return np.zeros(0, dtype=np.float32)
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = [(inner, to_array(inner, value[key])) for key, inner in _read(space)]
        rows = [encode(inner, array[None]) for inner, array in parts]
        return np.concatenate(rows, axis=1)[0]
    return np.asarray(spaces.flatten(space, value), dtype=np.float32)


def batch_to_array(space: spaces.Space[Any], batch: Any, n: int) -> Array:
    """Return a batch of ``n`` values as one array, as :func:`to_array` does for one."""
    if isinstance(space, _ARRAY_SPACES):
        return _in_dtype_of(space, np.asarray(batch))
    if not _readable(space):
        return np.zeros((n, 0), dtype=np.float32)
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = [
            encode(inner, batch_to_array(inner, batch[key], n))
            for key, inner in _read(space)
        ]
        return np.concatenate(parts, axis=1)
    items = iterate(batch_space(space, n), batch)
    return np.stack([to_array(space, item) for item in items])


def _in_dtype_of(space: spaces.Space[Any], values: Array) -> Array:
    """Return values of a space in its dtype; as they are where integers cannot be.

    An env may give integers at one time and floats at another: the same observation has
    to be the same to the bit whenever it comes.
    """
    if values.dtype == space.dtype:
        return values
    if values.dtype.kind not in "biuf":
        raise EnvError(f"the env's {space} holds numbers, but got {values.tolist()!r}")
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(space.dtype)
    fits = cast.dtype.kind == "f" or np.array_equal(cast, values)
    return cast if fits else values


def array_shape(space: spaces.Space[Any]) -> tuple[int, ...]:
    """Return the shape of what :func:`to_array` gives for a value of the space."""
    if isinstance(space, _ARRAY_SPACES):
        return space.shape or ()
    return (_size(space),)


def left_out(space: spaces.Space[Any]) -> list[str]:
    """Return the names of the parts of a nested space that are no numbers, as text."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return [] if _readable(space) else [""]
    return [
        f"[{key!r}]{name}" for key, inner in _inner(space) for name in left_out(inner)
    ]


def _inner(space: spaces.Dict | spaces.Tuple) -> list[tuple[Any, spaces.Space[Any]]]:
    """Return the parts of a nested space, each with the key it has in a value."""
    if isinstance(space, spaces.Dict):
        return list(space.items())
    return list(enumerate(space))


def _read(space: spaces.Dict | spaces.Tuple) -> list[tuple[Any, spaces.Space[Any]]]:
    """Return those parts that are read."""
    return [(key, inner) for key, inner in _inner(space) if _readable(inner)]


def _readable(space: spaces.Space[Any]) -> bool:
    """Return whether a space, or a part of it, is of a fixed number of numbers."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return bool(_read(space))
    if isinstance(space, spaces.Text):
        return False
    try:
        return bool(space.is_np_flattenable)
    except NotImplementedError:  # a space of somebody's own that does not say
        return False


def _size(space: spaces.Space[Any]) -> int:
    """Return how many numbers a value of a space is flattened to."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return sum(_size(inner) for _, inner in _read(space))
    return int(spaces.flatdim(space))


def encode(space: spaces.Space[Any], values: Array) -> FloatArray:
    """Return (n, d) float32 rows of values in the form that :func:`to_array` gives.

    The rows are those of ``gymnasium.spaces.flatten``: one-hot for Discrete and
    MultiDiscrete, raveled for Box and MultiBinary.
    """
    n = len(values)
    if isinstance(space, spaces.Discrete):
        return _one_hot(values.reshape(n, 1) - space.start, np.array([space.n]))
    if isinstance(space, spaces.MultiDiscrete):
        places = (values.reshape(n, *space.shape) - space.start).reshape(n, -1)
        return _one_hot(places, space.nvec.reshape(-1))
    return values.reshape(n, -1).astype(np.float32, copy=False)


def _one_hot(places: Array, sizes: Array) -> FloatArray:
    """Return one-hot rows of (n, k) places, of which column i is below ``sizes[i]``."""
    rows = np.zeros((len(places), int(sizes.sum())), dtype=np.float32)
    starts = np.cumsum(sizes) - sizes
    rows[np.arange(len(places))[:, None], places + starts] = 1.0
    return rows


class StepEncoder:
    """Turns steps into the reward model's input rows.

    Args:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        reward_input: Which part of a step is scored.
        first_visits: Whether a row ends with a 1 if that observation is new in its
            episode, and a 0 if not.

    Attributes:
        input_dim: Length d of a row.
        varied: (d,) bool, whether a column has a magnitude of its own: not those of
            one-hot and binary values, of boxes from 0 to 1 and of pictures.
        image: (C, H, W) of the picture a row starts with, None if there is none.

    Raises:
        ValueError: A space cannot be flattened to a fixed number of values.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        reward_input: RewardInput,
        first_visits: bool = False,
    ) -> None:
        self.observation_space = observation_space
        self.action_space = action_space
        self.reward_input = reward_input
        self.first_visits = first_visits
        self.input_dim = flat_size(observation_space, "observation")
        self.image = image_shape(observation_space)
        self.varied = _varied(observation_space) & (self.image is None)
        if reward_input == "obs_action":
            self.input_dim += flat_size(action_space, "action")
            self.varied = np.concatenate([self.varied, _varied(action_space)])
        if first_visits:
            self.input_dim += 1
            self.varied = np.append(self.varied, False)

    @property
    def reads_next(self) -> bool:
        """Whether a step is scored by the observation it led to."""
        return self.reward_input == "next_obs"

    def rows(
        self, observations: Array, first_visits: BoolArray, actions: Array | None = None
    ) -> FloatArray:
        """Return the (n, d) rows of n observations.

        Args:
            observations: (n, ...); of the two of a step the one it is scored by.
            first_visits: (n,) whether each is new in its episode.
            actions: (n, ...) taken there; only for "obs_action".
        """
        if self.image is not None:
            observations = as_channels_first(observations)
        parts = [encode(self.observation_space, observations)]
        if self.reward_input == "obs_action":
            assert actions is not None
            parts.append(encode(self.action_space, actions))
        if self.first_visits:
            parts.append(first_visits[:, None].astype(np.float32))
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def as_revisits(self, rows: FloatArray) -> FloatArray | None:
        """Return (n, d) rows as if none were a first visit; None if rows do not say."""
        if not self.first_visits:
            return None
        revisits = rows.copy()
        revisits[:, -1] = 0.0
        return revisits


def _varied(space: spaces.Space[Any]) -> BoolArray:
    """Return (d,) whether a flattened value has a magnitude of its own."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return np.zeros(spaces.flatdim(space), dtype=np.bool_)
    if isinstance(space, spaces.Box):
        varied: BoolArray = (space.low != 0) | (space.high != 1)
        return varied.reshape(-1)
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return np.concatenate([_varied(inner) for _, inner in _read(space)])
    return np.ones(spaces.flatdim(space), dtype=np.bool_)


def flat_size(space: spaces.Space[Any], what: str) -> int:
    """Return how many numbers of a value are read.

    Args:
        space: Of the value.
        what: What it is, in a message.

    Raises:
        ValueError: None is, or not always as many.
    """
    if not _readable(space):
        raise ValueError(
            f"the reward model cannot read the {what} space {space}: it does not "
            "flatten to a fixed number of values; wrap the env so that it does "
            "(gymnasium.wrappers.TransformObservation)"
        )
    return _size(space)
