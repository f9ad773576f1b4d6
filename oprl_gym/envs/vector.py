"""The maze as a `gymnasium.vector.VectorEnv`, moved by NumPy as one batch."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from oprl_gym.envs.batch import NOBODY, BoolArray, IndexArray, MazeBatch
from oprl_gym.envs.checks import checked_limit, checked_render_mode
from oprl_gym.envs.dynamics import NUM_ACTIONS
from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.maze import OPRLMazeEnv

Observations = NDArray[np.float32]


class OPRLMazeVectorEnv(
    VectorEnv[Observations, NDArray[np.integer[Any]], NDArray[Any]]
):
    """N copies of the maze that `OPRLMazeEnv` specifies.

    It returns what a `gymnasium.vector.SyncVectorEnv` of N scalar envs would, many
    times faster, but for one thing: ``infos["position"]`` is one (N, 2) int64 array.
    ``infos["is_success"]`` is (N,) bool. Every array returned is a new one.

    Args:
        num_envs: N, 1 or more.
        layout: as `OPRLMazeEnv`; all envs share it.
        size: as `OPRLMazeEnv`.
        layout_seed: as `OPRLMazeEnv`.
        max_episode_steps: steps until truncation, 1 or more, or -1 for no limit.
            `gymnasium.make_vec` passes the registered limit; the default is 60.
        render_mode: ``"rgb_array"`` or None.
        autoreset_mode: when an env that has ended is reset: ``NEXT_STEP`` (in place of
            its next step, the default), ``SAME_STEP`` (at once; the end is in
            ``infos["final_obs"]`` and ``infos["final_info"]``) or ``DISABLED`` (by
            ``reset(options={"reset_mask": mask})``).

    Example:
        >>> import gymnasium as gym, numpy as np, oprl_gym
        >>> envs = gym.make_vec("OPRLMaze-v0", num_envs=2)
        >>> observations, infos = envs.reset()
        >>> observations, rewards, *_, infos = envs.step(np.array([1, 2]))
        >>> infos["position"].tolist()
        [[0, 1], [1, 0]]

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
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.layout = make_layout(layout, size, layout_seed)
        self.render_mode = checked_render_mode(render_mode, ["rgb_array"])
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": OPRLMazeEnv.metadata["render_fps"],
            "autoreset_mode": self.autoreset_mode,
        }
        limit = checked_limit(max_episode_steps)
        self._batch = MazeBatch(
            self.layout, num_envs, limit, keep_trails=render_mode is not None
        )
        self.num_envs = self._batch.num_envs
        self.single_observation_space = spaces.Box(
            0.0, 1.0, (self.layout.num_states,), np.float32
        )
        self.single_action_space = spaces.Discrete(NUM_ACTIONS)
        self.observation_space = batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        self._same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        self._everyone = np.ones(self.num_envs, dtype=np.bool_)
        self._ended = NOBODY  # who has to be reset before the next step

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: seed of ``np_random``; the maze itself has no randomness.
            options: ``{"reset_mask": mask}`` with (N,) bool resets only the envs where
                the mask is True. None resets all.

        Returns:
            The (N, S) float32 observations of all envs, and the infos of those reset.

        Raises:
            ResetNeeded: the first reset of all leaves some out.
            ValueError: the mask has another shape or type, or is True nowhere.
        """
        super().reset(seed=seed)
        mask = self._everyone
        if options is not None and "reset_mask" in options:
            mask = _checked_mask(options["reset_mask"], self.num_envs)
        if not self._batch.begun and not mask.all():
            raise ResetNeeded("only some envs would begin; call reset() for all first")
        self._batch.restart(np.flatnonzero(mask))
        self._ended = self._ended[~mask[self._ended]]
        nobody_won = np.zeros(self.num_envs, dtype=np.bool_)
        return self._batch.observations(), self._infos(nobody_won, mask)

    def step(
        self, actions: NDArray[np.integer[Any]]
    ) -> tuple[Observations, NDArray[np.float64], BoolArray, BoolArray, dict[str, Any]]:
        """Move every agent.

        Args:
            actions: (N,) integers: 0 up, 1 right, 2 down, 3 left.

        Returns:
            The (N, S) float32 observations, (N,) float64 rewards (0 or 10), (N,) bool
            terminated and truncated, and the infos.

        Raises:
            ResetNeeded: `reset` was never called or, with ``DISABLED``, an env ended.
            ValueError: the actions have another shape, type or range.
        """
        if self._ended.size:
            raise ResetNeeded(
                f"the episode of env {self._ended[0]} has ended; reset it with "
                'reset(options={"reset_mask": mask})'
            )
        batch, everyone = self._batch, self._everyone
        rewards, terminated, truncated, ended = batch.advance(actions)
        if ended.size and self._same_step:
            infos = self._restart_at_once(ended, terminated)
        else:  # what `_infos` gives; a step of few envs is nothing but calls
            infos = {
                "is_success": terminated.copy(),
                "_is_success": everyone.copy(),
                "position": batch.positions(),
                "_position": everyone.copy(),
            }
            if ended.size:
                if self._next_step:
                    batch.restart_next(ended)
                else:
                    self._ended = ended
        return batch.observations(), rewards, terminated, truncated, infos

    def set_heat(self, values: ArrayLike | None) -> None:
        """Choose the (H, W) numbers drawn as colours under every maze; None for none.

        Raises:
            ValueError: the shape is not that of the maze.
        """
        for index in range(self.num_envs):
            self._batch.set_heat(values, index)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return N pictures, each (height, width, 3) uint8.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self.render_mode is None:
            gym.logger.warn(
                "render() was called without a render mode; pass "
                'render_mode="rgb_array" when you make the envs'
            )
            return None
        return tuple(self._batch.frame(index) for index in range(self.num_envs))

    def _restart_at_once(
        self, ended: IndexArray, terminated: BoolArray
    ) -> dict[str, Any]:
        """Return the infos of a step after which the ended envs were reset."""
        known = np.zeros(self.num_envs, dtype=np.bool_)
        known[ended] = True
        final_infos = self._infos(terminated, known)
        final_observations = np.full(self.num_envs, None, dtype=object)
        observations = self._batch.observations()
        for index in ended:
            final_observations[index] = observations[index].copy()
        self._batch.restart(ended)
        nobody_won = np.zeros(self.num_envs, dtype=np.bool_)
        return {
            **self._infos(nobody_won, self._everyone),
            "final_obs": final_observations,
            "_final_obs": known.copy(),
            "final_info": final_infos,
            "_final_info": known,
        }

    def _infos(self, is_success: BoolArray, known: BoolArray) -> dict[str, Any]:
        """Return Gymnasium's infos: zero, and False under ``_key``, where unknown."""
        positions = self._batch.positions()
        if known is not self._everyone:
            positions[~known] = 0
        return {
            "is_success": is_success.copy(),
            "_is_success": known.copy(),
            "position": positions,
            "_position": known.copy(),
        }


def _checked_mask(mask: Any, num_envs: int) -> BoolArray:
    array = np.asarray(mask)
    if array.shape != (num_envs,) or array.dtype != np.bool_ or not array.any():
        raise ValueError(
            f"options['reset_mask']={mask!r} cannot be used; give {num_envs} bools, "
            "one for each env, of which one or more are True"
        )
    return array
