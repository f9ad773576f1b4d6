"""The maze as a Stable-Baselines3 `VecEnv`, moved by NumPy as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnvIndices,
    VecEnvStepReturn,
)

from oprl_gym.envs.batch import BoolArray, IndexArray, MazeBatch
from oprl_gym.envs.checks import checked_limit, checked_render_mode
from oprl_gym.envs.dynamics import NUM_ACTIONS
from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.maze import OPRLMazeEnv


class OPRLMazeVecEnv(VecEnv):
    """N copies of the maze that `OPRLMazeEnv` specifies, without N envs.

    It returns what a ``DummyVecEnv`` of N scalar envs would, many times faster. As
    there are no scalar envs inside, `env_method` knows ``set_heat`` and ``render``
    only, and `set_attr` sets labels that `get_attr` gives back and nothing else reads.

    Args:
        num_envs: N, 1 or more.
        layout: as `OPRLMazeEnv`; all envs share it.
        size: as `OPRLMazeEnv`.
        layout_seed: as `OPRLMazeEnv`.
        max_episode_steps: steps until truncation, 1 or more, or -1 for no limit.
        render_mode: ``"rgb_array"`` or None.

    Example:
        >>> venv = OPRLMazeVecEnv(num_envs=2, layout="TwoWalls")
        >>> venv.reset().shape
        (2, 64)

    Raises:
        ValueError: an argument is none of the above, or the map has no way through.
    """

    def __init__(
        self,
        num_envs: int = 1,
        layout: str | Layout | None = None,
        size: int | None = None,
        layout_seed: int | None = None,
        max_episode_steps: int = 60,
        render_mode: str | None = None,
    ) -> None:
        self.layout = make_layout(layout, size, layout_seed)
        self.render_mode = checked_render_mode(render_mode, ["rgb_array"])
        limit = checked_limit(max_episode_steps)
        self._batch = MazeBatch(
            self.layout, num_envs, limit, keep_trails=render_mode is not None
        )
        self._labels: list[dict[str, Any]] = [{} for _ in range(self._batch.num_envs)]
        self._actions: Any = None
        super().__init__(
            self._batch.num_envs,
            spaces.Box(0.0, 1.0, (self.layout.num_states,), np.float32),
            spaces.Discrete(NUM_ACTIONS),
        )
        self.metadata["render_fps"] = OPRLMazeEnv.metadata["render_fps"]

    def reset(self) -> NDArray[np.float32]:
        """Begin N episodes and return their (N, S) float32 observations."""
        self._batch.restart(np.arange(self.num_envs))
        self.reset_infos = [self._reset_info() for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return self._batch.observations()

    def step_async(self, actions: NDArray[np.integer[Any]]) -> None:
        """Take (N,) integer actions, 0 to 3, for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Move every agent; envs that end are reset at once.

        Returns:
            (N, S) float32 observations, (N,) float32 rewards, (N,) bool dones and N
            infos: ``is_success``, ``position`` and ``TimeLimit.truncated``, with
            ``terminal_observation`` where an episode ended.

        Raises:
            ResetNeeded: `reset` was never called.
            ValueError: the actions have another shape, type or range.
        """
        rewards, terminated, truncated, ended = self._batch.advance(self._actions)
        infos = self._step_infos(terminated)
        if ended.size:
            self._restart(ended, terminated, infos)
        dones = terminated | truncated
        observations = self._batch.observations()
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Release nothing: there is no window and no process."""

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return N pictures, (height, width, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn(
                "images were asked for without a render mode; pass "
                'render_mode="rgb_array" when you make the envs'
            )
            return [None] * self.num_envs
        return [self._batch.frame(index) for index in range(self.num_envs)]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each env: its label, or else what all have in common.

        Raises:
            AttributeError: there is none.
        """
        return [
            self._labels[index][attr_name]
            if attr_name in self._labels[index]
            else getattr(self, attr_name)
            for index in self._get_indices(indices)
        ]

    def set_attr(
        self, attr_name: str, value: Any, indices: VecEnvIndices = None
    ) -> None:
        """Set a label of each env.

        Raises:
            AttributeError: all envs have this attribute in common, and setting it for
                some would change nothing.
        """
        if hasattr(self, attr_name):
            raise AttributeError(
                f"cannot set {attr_name!r}: the envs of {type(self).__name__} share "
                "it; pass it to the constructor, or use a DummyVecEnv of OPRLMaze-v0"
            )
        for index in self._get_indices(indices):
            self._labels[index][attr_name] = value

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call ``set_heat`` or ``render`` of each env.

        Raises:
            AttributeError: the method is another one.
        """
        methods: dict[str, Callable[..., Any]] = {
            "set_heat": self._set_heat,
            "render": self._batch.frame,
        }
        if method_name not in methods:
            raise AttributeError(
                f"the envs of {type(self).__name__} have no method {method_name!r}, "
                f"only {', '.join(methods)}; use a DummyVecEnv of OPRLMaze-v0"
            )
        return [
            methods[method_name](*method_args, index=index, **method_kwargs)
            for index in self._get_indices(indices)
        ]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each env: no wrapper stands around what is not there."""
        return [False for _ in self._get_indices(indices)]

    def _set_heat(self, values: ArrayLike | None, index: int) -> None:
        self._batch.set_heat(values, index)

    def _reset_info(self) -> dict[str, Any]:
        return {"is_success": False, "position": self.layout.start}

    def _step_infos(self, terminated: BoolArray) -> list[dict[str, Any]]:
        cells = self._batch.cells
        return [
            {
                "is_success": success,
                "position": cells[state],
                "TimeLimit.truncated": False,
            }
            for success, state in zip(
                terminated.tolist(), self._batch.states.tolist(), strict=True
            )
        ]

    def _restart(
        self, ended: IndexArray, terminated: BoolArray, infos: list[dict[str, Any]]
    ) -> None:
        observations = self._batch.observations()
        for index in ended.tolist():
            infos[index]["TimeLimit.truncated"] = not bool(terminated[index])
            infos[index]["terminal_observation"] = observations[index].copy()
            self.reset_infos[index] = self._reset_info()
        self._batch.restart(ended)
