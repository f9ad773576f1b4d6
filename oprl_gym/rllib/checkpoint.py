"""The reward trainer as a part of an RLlib checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.utils.checkpoints import Checkpointable

from oprl_gym.files.state_file import read_state, write_state

NAME = "oprl"
FILE = "oprl.safetensors"


class TrainerCheckpoint(Checkpointable):
    """Saves a reward trainer beside the other parts of an algorithm.

    Args:
        trainer: Handle of the actor.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the trainer's state."""
        ray.get(self._trainer.settle.remote())
        state: dict[str, Any] = ray.get(self._trainer.state.remote())
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Let the trainer go on from a state."""
        ray.get(self._trainer.load_state.remote(state))

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return nothing: the algorithm's config makes the trainer anew."""
        return (), {}

    def save_to_path(
        self,
        path: str | Path | None = None,
        *,
        state: dict[str, Any] | None = None,
        filesystem: pyarrow.fs.FileSystem | None = None,
        use_msgpack: bool = False,
    ) -> str:
        """Write the trainer's state to one safetensors file in the folder ``path``."""
        folder, filesystem = _located(path, filesystem)
        filesystem.create_dir(folder, recursive=True)
        with tempfile.TemporaryDirectory() as here:
            file = Path(here) / FILE
            write_state(file, self.get_state() if state is None else state)
            with filesystem.open_output_stream(f"{folder}/{FILE}") as stream:
                stream.write(file.read_bytes())
        return folder

    def restore_from_path(
        self,
        path: str | Path,
        *,
        component: str | None = None,
        filesystem: pyarrow.fs.FileSystem | None = None,
        **kwargs: Any,
    ) -> None:
        """Let the trainer go on from what :meth:`save_to_path` wrote.

        Raises:
            ValueError: The file is damaged, or of a run with another ``OPRLConfig``.
        """
        folder, filesystem = _located(path, filesystem)
        with tempfile.TemporaryDirectory() as here:
            file = Path(here) / FILE
            with filesystem.open_input_stream(f"{folder}/{FILE}") as stream:
                file.write_bytes(stream.read())
            self.set_state(read_state(file))


def add_to(algorithm: Algorithm, part: TrainerCheckpoint) -> None:
    """Let an algorithm save and restore one more part.

    RLlib has no hook by which a callback could have something saved, so the two methods
    that say what there is are replaced, on this one algorithm.
    """
    own_components = algorithm.get_checkpointable_components
    own_state = algorithm.get_state
    own_set_state = algorithm.set_state

    def get_checkpointable_components() -> list[tuple[str, Checkpointable]]:
        return [*own_components(), (NAME, part)]

    def get_state(
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        state: dict[str, Any] = own_state(
            components, not_components=not_components, **kwargs
        )
        if algorithm._check_component(NAME, components, not_components):
            state[NAME] = part.get_state()
        return state

    def set_state(state: dict[str, Any]) -> None:
        own_set_state(state)
        if NAME in state:
            part.set_state(state[NAME])

    algorithm.get_checkpointable_components = get_checkpointable_components
    algorithm.get_state = get_state
    algorithm.set_state = set_state


def _located(
    path: str | Path | None, filesystem: pyarrow.fs.FileSystem | None
) -> tuple[str, pyarrow.fs.FileSystem]:
    text = Path(tempfile.mkdtemp()).as_posix() if path is None else str(path)
    if filesystem is not None:
        return text, filesystem
    found, text = pyarrow.fs.FileSystem.from_uri(text)
    return text, found
