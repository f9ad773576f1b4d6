"""Which episodes of an env succeed, as far as it can be told: decided here alone.

An env says so itself (``is_success`` in an episode's last info), or names a return at
which it counts as solved (``reward_threshold`` of its spec). Where it does neither it
may still be seen to have a goal: it pays nothing but a positive last reward of episodes
that it ends itself, and not of each. Else there is no success, but a return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

IS_SUCCESS = "is_success"
GOAL = "last reward > 0"
"""Words for what an episode's success means."""

FIRST = 10
"""Episodes of which one has to fail: what each of them is paid, while the agent knows
nothing yet, is paid for the whole of an episode and not for a goal."""


def episode_success(
    info: Mapping[str, Any],
    env_return: float,
    threshold: float | None,
    has_goal: bool = False,
) -> bool | None:
    """Return whether an episode succeeded, as far as its env can tell.

    Args:
        info: The episode's last info; its ``is_success`` is taken if there is one.
        env_return: Sum of the env's rewards.
        threshold: The ``reward_threshold`` of the env's spec; an env without
            ``is_success`` succeeds with a return of so much or more.
        has_goal: Whether an env with neither was seen to pay for a goal alone.

    Returns:
        None if none of the three is there.
    """
    if "is_success" in info:
        return bool(info["is_success"])
    if threshold is not None:
        return env_return >= threshold
    return env_return > 0 if has_goal else None


def settle(successes: Iterable[bool | None]) -> list[bool | None]:
    """Return whether episodes succeeded, once all are known that there are.

    An env that speaks of success only where there is one means that there was none
    elsewhere.

    Example:
        >>> settle([None, True]), settle([None, None])
        ([False, True], [None, None])
    """
    given = list(successes)
    silent = None if all(one is None for one in given) else False
    return [silent if one is None else one for one in given]


def pays_beside_goal(reward: float, done: bool, info: Mapping[str, Any]) -> bool:
    """Return whether a step was paid for something else than a goal.

    Args:
        reward: What the env paid.
        done: Whether the episode is over.
        info: Of the step; ``TimeLimit.truncated`` where the episode was cut off.

    Example:
        >>> pays_beside_goal(1.0, True, {}), pays_beside_goal(1.0, False, {})
        (False, True)
    """
    if reward == 0:
        return False
    return reward < 0 or not done or bool(info.get("TimeLimit.truncated", False))


def reward_threshold(venv: VecEnv) -> float | None:
    """Return the return at which the env counts as solved, None if it does not say."""
    spec = venv.get_attr("spec", 0)[0]
    return None if spec is None else spec.reward_threshold
