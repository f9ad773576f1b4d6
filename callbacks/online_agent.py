"""An agent of Stable-Baselines3 whose reward is learned while it learns."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import RolloutBuffer

from oprl_gym.callbacks.advantages import add_rewards
from oprl_gym.callbacks.normalised import normalised_change
from oprl_gym.callbacks.replay import find_replay
from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.learning.online import OnlineLearning

TAKE_IN_AT = 500
"""Ended episodes that may wait in the wrappers, which keep 1000: a rollout may be long,
and from one update to the next there may be many."""


class OnlineAgent:
    """The agent, all that scores its steps, and the loop that learns their reward.

    Args:
        model: The agent.
        wrappers: The reward wrappers in its envs.
        online: Learns from the episodes they record.

    Raises:
        ValueError: Its replay buffer cannot be scored as the wrappers score.
    """

    def __init__(
        self, model: BaseAlgorithm, wrappers: RewardWrappers, online: OnlineLearning
    ) -> None:
        self.online = online
        self._wrappers = wrappers
        self._replay = find_replay(model, wrappers, online.learner.config)
        buffer = getattr(model, "rollout_buffer", None)
        self._rollout = buffer if isinstance(buffer, RolloutBuffer) else None
        self._warned = False
        self._told: dict[str, float] = {}

    def send_weights(self) -> None:
        """Hand the process reward of now to all that score steps."""
        state = self.online.learner.reward_state()
        self._wrappers.load_reward_state(state)
        if self._replay is not None:
            self._replay.load_reward_state(state)
        scale = self._wrappers.shaping().scale
        self._told = self.online.logged(scale, self._wrappers.env_reward_weight())

    def begin_rollout(self) -> None:
        """Have the steps kept that the agent is going to learn from."""
        if self._rollout is not None:
            self._wrappers.keep_rollout(self._rollout.buffer_size)

    def end_training(self) -> None:
        """Keep no more steps: whoever steps the envs now does not learn from them."""
        if self._rollout is not None:
            self._wrappers.keep_rollout(0)

    def note_ends(self, episodes: int) -> None:
        """Take note of episodes that ended, and take in all if too many wait."""
        self.online.waiting += episodes
        if self.online.waiting >= TAKE_IN_AT:
            self._take_in()

    def end_rollout(self, steps: int) -> None:
        """Update the reward if that is due after so many env steps, before the agent.

        Where the agent has just been for the first time, the weights that scored its
        steps knew nothing yet, so the rollout is scored anew: else it would have to
        find its way there a second time before any reward drew it.
        """
        rounds = self.online.due(steps)
        if not rounds:
            return
        self._take_in()
        self.online.fit(rounds)
        self.send_weights()
        if self._rollout is not None:
            self._rescore(self._rollout)

    def logged(self) -> dict[str, float]:
        """Return what is to be logged, by name: that of the latest update."""
        return self._told

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what the loop's ``state`` returned."""
        self.online.load_state(state)
        self.send_weights()

    def _take_in(self) -> None:
        self.online.take_in(self._wrappers.pop_episodes())

    def _rescore(self, buffer: RolloutBuffer) -> None:
        """Let the agent learn from this rollout as the newest weights score it."""
        rescored = self._wrappers.rescore_rollout()
        if rescored.given.shape != buffer.rewards.shape:
            raise ValueError(
                f"the reward wrapper saw {len(rescored.given)} steps in a rollout of "
                f"{len(buffer.rewards)}: an EvalCallback needs an env of its own, not "
                "the agent's; a wrapper that repeats actions belongs inside "
                "ProcessRewardWrapper"
            )
        normalisers = self._wrappers.normalisers()
        if normalisers:
            change = normalised_change(rescored, buffer.episode_starts, normalisers)
            add_rewards(buffer, change)
            return
        # Stable-Baselines3 adds gamma * V to the reward of truncated steps. Any other
        # difference comes from a wrapper outside ours that makes something else of
        # rewards; then they stay as they were given.
        same = np.isclose(buffer.rewards, rescored.given, rtol=1e-4, atol=1e-5)
        if np.all(same | rescored.truncated):
            add_rewards(buffer, rescored.newest - rescored.given)
        elif not self._warned:
            self._warned = True
            warnings.warn(
                "a wrapper outside the reward wrapper makes other rewards of what it "
                "gives, so the agent learns from each rollout as it was scored before "
                "the reward model saw it, one update late: put that wrapper inside "
                "ProcessRewardWrapper or VecProcessReward (for NormalizeReward write "
                "VecNormalize(VecProcessReward(venv)) instead)",
                stacklevel=2,
            )
