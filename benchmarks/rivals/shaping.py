"""What the rivals add to the env's reward, each a VecEnv wrapper.

All add `scale * bonus` and leave the Monitor inside, so that the returns reported are
the env's own.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from oprl_gym.envs.layouts import Layout
from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.types import Array, BoolArray, FloatArray
from oprl_gym.visits import VisitTracker


class BonusVecEnv(VecEnvWrapper):
    """Adds `scale * bonus` to every step's reward.

    Args:
        venv: The VecEnv to wrap.
        scale: Weight of the bonus.
    """

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self.scale = scale
        self._before: Array = np.zeros(0)

    @abstractmethod
    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return (N,) bonuses of one step.

        Args:
            before: (N, ...) observations.
            reached: (N, ...) observations after the step; where an episode ended, its
                terminal one.
            terminated: (N,) the env ended the episode; False where it was cut off.
        """

    def begin(self, first: Array, beginning: BoolArray) -> None:
        """Take note of the (N, ...) first observations of the episodes that begin."""
        return

    def reset(self) -> Array:
        """Reset all envs."""
        first = np.array(self.venv.reset())
        self.begin(first, np.ones(self.num_envs, dtype=np.bool_))
        self._before = first.copy()
        return first

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step; the rewards returned have the bonus in them."""
        observations, rewards, dones, infos = self.venv.step_wait()
        after = np.array(observations)
        reached, terminated = after.copy(), dones.copy()
        for env in np.flatnonzero(dones):
            reached[env] = infos[env]["terminal_observation"]
            terminated[env] = not infos[env].get("TimeLimit.truncated", False)
        bonus = self.bonus(self._before, reached, terminated)
        if dones.any():
            self.begin(after, dones)
        self._before = after
        mixed = rewards.astype(np.float64) + self.scale * bonus
        return observations, mixed.astype(np.float32), dones, infos


class ConstantReward(BonusVecEnv):
    """Pays the same on every step: 1, so `scale` each.

    The control for "the length of an episode gives the answer away": whatever a reward
    that knows nothing else achieves is owed to length alone.
    """

    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return ones."""
        return np.ones(self.num_envs)


class OraclePotential(BonusVecEnv):
    """The perfect potential of a maze: how far it is to the goal.

    The bonus is gamma * phi(s') - phi(s), where phi is minus the length of the shortest
    path to the goal over that from the cell farthest away (Ng, Harada & Russell 1999).
    phi is 0 at the goal, and not 0 where an episode was cut off. With `scale=2` the
    potentials of a maze span 2.

    Args:
        venv: Envs with one-hot observations.
        scale: Weight of the bonus.
        layout: The maze.
        gamma: The agent's discount.
    """

    def __init__(
        self, venv: VecEnv, scale: float, layout: Layout, gamma: float
    ) -> None:
        super().__init__(venv, scale)
        distance = distance_to_goal(layout).ravel()
        longest = distance[np.isfinite(distance)].max()
        self.potential = -distance / longest  # (S,) -inf where no agent can be
        self.gamma = gamma

    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return the differences of potential."""
        now = np.where(terminated, 0.0, self.potential[reached.argmax(axis=1)])
        difference: FloatArray = (
            self.gamma * now - self.potential[before.argmax(axis=1)]
        )
        return difference


class VelocityBonus(BonusVecEnv):
    """Pays for speed: what an expert would tell whoever drives up a mountain.

    The observation's second value, from -1 to 1, is the velocity.
    """

    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return the (N,) speeds reached."""
        return np.abs(reached[:, 1]).astype(np.float64)


class CountBonus(BonusVecEnv):
    """Pays 1 for the first visit of an observation within an episode; never decays."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv, scale)
        self._visits = VisitTracker(self.num_envs)

    def begin(self, first: Array, beginning: BoolArray) -> None:
        """Forget the last episode; where one begins has been visited already."""
        self._visits.begin(first, beginning)

    def bonus(self, before: Array, reached: Array, terminated: BoolArray) -> FloatArray:
        """Return 1 where the observation is new, else 0."""
        return self._visits.step(reached).astype(np.float64)
