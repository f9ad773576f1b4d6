"""Pieces of episodes, as short as a person likes to look at."""

from __future__ import annotations

import numpy as np

from oprl_gym.types import Trajectory


def segment(trajectory: Trajectory, start: int, length: int) -> Trajectory:
    """Return ``length`` steps of a trajectory, from step ``start`` on.

    Args:
        trajectory: T steps.
        start: First step, 0 to T - 1.
        length: Steps, at most T - start.

    Returns:
        A trajectory of its own. It is terminated only if it holds the last step of one
        that was: its end is no end of the env otherwise.

    Raises:
        ValueError: There are no such steps.

    Example:
        >>> import numpy as np
        >>> from oprl_gym.preferences import Trajectory, segment
        >>> zeros = np.zeros(4)
        >>> whole = Trajectory(np.arange(5), zeros, zeros, zeros, terminated=True)
        >>> segment(whole, start=1, length=2).observations
        array([1, 2, 3])
    """
    steps = len(trajectory)
    if length < 1 or not 0 <= start <= steps - length:
        raise ValueError(
            f"a trajectory of {steps} steps has no {length} steps from step {start} on"
        )
    end = start + length
    return Trajectory(
        observations=trajectory.observations[start : end + 1],
        actions=trajectory.actions[start:end],
        env_rewards=trajectory.env_rewards[start:end],
        process_rewards=trajectory.process_rewards[start:end],
        terminated=trajectory.terminated and end == steps,
        first_visits=trajectory.first_visits[start : end + 1],
    )


def random_segment(
    trajectory: Trajectory, length: int, rng: np.random.Generator
) -> Trajectory:
    """Return ``length`` steps from a random place; the whole, if it has no more.

    Args:
        trajectory: T steps.
        length: Steps wanted, 1 or more.
        rng: Source of the place.
    """
    spare = len(trajectory) - length
    if spare <= 0:
        return trajectory
    return segment(trajectory, int(rng.integers(spare + 1)), length)
