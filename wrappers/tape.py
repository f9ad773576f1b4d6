"""Episodes that can be played again, so that a resumed run goes on within them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from oprl_gym.rewards.encoding import to_array
from oprl_gym.types import Array


@dataclass(frozen=True)
class Tape:
    """What it takes to play an episode again, if only ``np_random`` is random in it.

    Attributes:
        seed: What ``reset`` was given.
        rng: State of ``np_random`` before ``reset``; None where that seeded it.
        actions: (T, ...) actions since then.
        digest: Of the observation they led to and of ``np_random`` then.
    """

    seed: int | None
    rng: dict[str, Any] | None
    actions: Array  # (T, ...)
    digest: str


class EpisodeTape(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Notes what leads to where an episode stands: random state and actions.

    An env cannot be asked for its state, but its episode can be played again. With
    this wrapper in each env a resumed run goes on in the middle of the episodes that
    were going on, and equals one that was never broken off. Without it they are
    given up, and new ones begin.

    Args:
        env: The env; actions are numbers or arrays.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from oprl_gym.wrappers import EpisodeTape
        >>> env = EpisodeTape(gym.make("OPRLMaze-v0"))
        >>> observation, info = env.reset(seed=0)
        >>> for action in (1, 1, 2):
        ...     observation, *_ = env.step(action)
        >>> tape = env.tape()
        >>> again = EpisodeTape(gym.make("OPRLMaze-v0"))
        >>> again.rewind(tape)
        >>> bool((again.reset()[0] == env.reset()[0]).all())
        True
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._seed: int | None = None
        self._rng: dict[str, Any] | None = None
        self._actions: list[Any] = []
        self._observation: Any = None
        self._rewound_to: Tape | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, the one of the tape after :meth:`rewind`."""
        tape, self._rewound_to = self._rewound_to, None
        if tape is not None:
            seed = tape.seed
            if tape.rng is not None:
                self.np_random.bit_generator.state = tape.rng
        self._seed = seed
        self._rng = None if seed is not None else self._rng_state()
        self._actions = []
        self._observation, info = self.env.reset(seed=seed, options=options)
        return self._observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env."""
        self._actions.append(np.array(action))  # a copy: the caller may reuse its own
        result = self.env.step(action)
        self._observation = result[0]
        return result

    def tape(self) -> Tape:
        """Return what it takes to come to where the env is now."""
        return Tape(self._seed, self._rng, np.array(self._actions), self._digest())

    def rewind(self, tape: Tape) -> None:
        """Let the next ``reset`` begin the episode of a tape again."""
        self._rewound_to = tape

    def _digest(self) -> str:
        words = hashlib.sha256(str(self._rng_state()).encode())
        words.update(to_array(self.observation_space, self._observation).tobytes())
        return words.hexdigest()

    def _rng_state(self) -> dict[str, Any]:
        return dict(self.np_random.bit_generator.state)
