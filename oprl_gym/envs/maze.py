"""The maze as a `gymnasium.Env`."""

from __future__ import annotations

from operator import index
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from oprl_gym.envs.checks import NO_LIMIT, checked_limit, checked_render_mode
from oprl_gym.envs.dynamics import (
    GOAL_REWARD,
    NUM_ACTIONS,
    not_a_move,
    one_hot_rows,
    transition_table,
)
from oprl_gym.envs.layouts import Layout, make_layout
from oprl_gym.envs.rendering import as_heat, cell_size, render_ansi, render_rgb
from oprl_gym.envs.window import Window


class OPRLMazeEnv(gym.Env[NDArray[np.float32], int]):
    """A maze that rewards nothing but its goal.

    ## Description
    An agent walks through a grid from the start ``S`` to the goal ``G``. The reward is
    sparse: whoever explores at random on the harder mazes practically never sees one.
    The default maze is 8 x 8, with the start in the top left corner, the goal in the
    bottom right one, and a wall in column 4 from row 1 to row 5. Nothing is random.

    ## Action space
    ``Discrete(4)``: 0 up, 1 right, 2 down, 3 left. A move against a wall or the edge of
    the grid stays where it is and takes a step all the same.

    ## Observation space
    ``Box(0, 1, (S,), float32)`` with S = H * W: one-hot, 1 at ``row * W + col`` of the
    agent. Every observation is a new array.

    ## Starting state
    The agent stands at ``S``. ``reset(seed=...)`` seeds ``np_random`` but changes no
    episode.

    ## Rewards
    10 on the step that reaches the goal, 0 on every other.

    ## Episode end
    - Termination: the agent is at the goal.
    - Truncation: the episode has taken ``max_episode_steps`` steps. An episode that
      reaches the goal with its last step is both terminated and truncated.

    Under `gymnasium.make`, Gymnasium's ``TimeLimit`` wrapper truncates, not this class:
    the limit is the registered one, or what `make` was given as ``max_episode_steps``
    (-1: none). A step after the end raises ``ResetNeeded``; after a truncation by the
    wrapper, of which this class cannot know, it is truncated again.

    ## Info
    From `reset` and `step`: ``is_success`` (bool, the agent is at the goal) and
    ``position`` (``(row, col)``, ints).

    ## Arguments
    - ``layout``: ``"Default"`` (also None), ``"OneWall"``, ``"TwoWalls"``,
      ``"TwoWallsLong"``, ``"ThreeWalls"``, ``"Serpentine"``, ``"random"``, a map, one
      line per row (``#`` wall, ``.`` free, ``S`` start, ``G`` goal), or a `Layout`.
    - ``size``: rows and columns, 2 to 64, of ``"Default"`` and ``"random"``. None: 8.
      The time limit does not grow with it.
    - ``layout_seed``: which random maze, 0 or more; ``"random"`` needs it.
    - ``max_episode_steps``: steps until truncation when the class is constructed
      directly, 1 or more, or -1 for no limit. Default: 60.
    - ``render_mode``: ``"human"`` (a window), ``"rgb_array"`` ((height, width, 3)
      uint8), ``"ansi"`` (text) or None.

    ## Version history
    - v0: first version.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> env = gym.make("OPRLMaze-v0")
        >>> observation, info = env.reset()
        >>> observation, reward, terminated, truncated, info = env.step(1)
        >>> info
        {'is_success': False, 'position': (0, 1)}

    Raises:
        ValueError: an argument is none of the above, or the map has no way through.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (as in the base class)
        "render_modes": ["human", "rgb_array", "ansi"],
        "render_fps": 15,
    }

    def __init__(
        self,
        layout: str | Layout | None = None,
        size: int | None = None,
        layout_seed: int | None = None,
        max_episode_steps: int = 60,
        render_mode: str | None = None,
    ) -> None:
        self.layout = make_layout(layout, size, layout_seed)
        modes = self.metadata["render_modes"]
        self.render_mode = checked_render_mode(render_mode, modes)
        self.observation_space = spaces.Box(
            0.0, 1.0, (self.layout.num_states,), np.float32
        )
        self.action_space = spaces.Discrete(NUM_ACTIONS)  # type: ignore[assignment]
        self._limit = checked_limit(max_episode_steps)

        # Plain lists: a list gives up an element several times faster than an array.
        table = transition_table(self.layout.walls)
        self._moves: list[list[int]] = table.reshape(-1, NUM_ACTIONS).tolist()
        self._observations = list(one_hot_rows(self.layout.num_states))
        self._cells = self.layout.cells()
        self._start = self.layout.state(self.layout.start)
        self._goal = self.layout.state(self.layout.goal)

        self._state = self._start
        # Counts down, and so never meets 0 when it begins at NO_LIMIT, -1.
        self._steps_left = self._limit
        self._running = False
        self._trail: list[tuple[int, int]] = []
        self._heat: NDArray[np.float64] | None = None
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: seed of ``np_random``; the maze itself has no randomness.
            options: none are known; ignored.

        Returns:
            The (S,) float32 observation of the start, and the info.
        """
        super().reset(seed=seed)
        # An env with a spec was built by gymnasium.make, whose TimeLimit truncates.
        self._steps_left = self._limit if self.spec is None else NO_LIMIT
        self._state = self._start
        self._running = True
        self._trail = [self.layout.start]
        if self.render_mode == "human":
            self._show()
        return self._observations[self._start].copy(), self._info(is_success=False)

    def step(
        self, action: int
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move the agent.

        Args:
            action: 0 up, 1 right, 2 down, 3 left.

        Returns:
            The (S,) float32 observation, the reward (0 or 10), terminated, truncated
            and the info.

        Raises:
            ResetNeeded: no episode is running.
            ValueError: the action is not one of the four integers.
        """
        if not self._running:
            raise ResetNeeded("no episode is running; call reset() before step()")
        try:
            move = index(action)
        except TypeError:
            raise not_a_move(action) from None
        # A bool is an int to Python, but hardly ever meant as a direction.
        if type(action) is bool or not 0 <= move < NUM_ACTIONS:
            raise not_a_move(action)
        state = self._moves[self._state][move]
        self._state = state
        self._steps_left -= 1
        terminated = state == self._goal
        truncated = self._steps_left == 0
        if terminated or truncated:
            self._running = False
        if self.render_mode is not None:
            self._record()
        return (
            self._observations[state].copy(),
            GOAL_REWARD if terminated else 0.0,
            terminated,
            truncated,
            {"is_success": terminated, "position": self._cells[state]},
        )

    def set_heat(self, values: ArrayLike | None) -> None:
        """Choose the numbers drawn as colours under the maze.

        Args:
            values: (H, W), for example the learned reward of each cell; NaN for no
                colour. None draws no colours.

        Raises:
            ValueError: the shape is not that of the maze.
        """
        self._heat = as_heat(values, self.layout.shape)

    def render(self) -> NDArray[np.uint8] | str | None:
        """Return the current picture, or show it.

        Returns:
            ``"rgb_array"``: (height, width, 3) uint8. ``"ansi"``: H lines of text.
            ``"human"``: None.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self.render_mode is None:
            gym.logger.warn(
                "render() was called without a render mode; pass render_mode="
                '"rgb_array", "human" or "ansi" when you make the env'
            )
            return None
        if not self._trail:
            raise ResetNeeded("there is nothing to draw; call reset() before render()")
        if self.render_mode == "human":
            self._show()
            return None
        if self.render_mode == "ansi":
            return render_ansi(self.layout, self._cells[self._state], self._trail)
        return self._frame()

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the window behind: it cannot be pickled, and a copy opens its own."""
        return {**self.__dict__, "_window": None}

    def _info(self, is_success: bool) -> dict[str, Any]:
        return {"is_success": is_success, "position": self._cells[self._state]}

    def _record(self) -> None:
        self._trail.append(self._cells[self._state])
        if self.render_mode == "human":
            self._show()

    def _frame(self) -> NDArray[np.uint8]:
        return render_rgb(
            self.layout,
            self._cells[self._state],
            self._trail,
            heat=self._heat,
            cell=cell_size(self.layout),
        )

    def _show(self) -> None:
        if self._window is None:
            self._window = Window(f"OPRLMaze {self.layout.name}")
        self._window.show(self._frame(), self.metadata["render_fps"])
