"""The piece of a learner's pipeline that adds the process reward to episodes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.learner.learner import Learner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.env.utils.infinite_lookback_buffer import InfiniteLookbackBuffer

from oprl_gym.rewards.scoring import Shaping, StepScorer, VectorStep
from oprl_gym.rllib.episodes import FIRST_VISITS, StepSpaces, as_steps, read_chunk
from oprl_gym.types import FloatArray


class ProcessRewardConnector(ConnectorV2):
    """Adds the process reward to the episodes a learner is about to learn from.

    It asks the trainer for its newest weights, which lets that fit them first if it is
    due, and stands before all other pieces: those see the mixed reward.

    Args:
        trainer: Handle of the actor that runs a
            :class:`~oprl_gym.rllib.trainer.RewardTrainer`.
        of: The env's spaces.
        shaping: How rewards are mixed.
    """

    def __init__(self, trainer: Any, of: StepSpaces, shaping: Shaping) -> None:
        super().__init__()
        self._trainer = trainer
        self._spaces = of
        self._scorer = StepScorer(of.observation, of.action, shaping)
        self._version: int | None = None

    def __call__(
        self,
        *,
        batch: dict[str, Any],
        episodes: list[SingleAgentEpisode],
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Replace ``episodes`` in place by ones with mixed rewards; returns ``batch``.

        Raises:
            EnvError: An observation or a reward is none that can be learned from.
        """
        steps = [_steps(episode, self._spaces) for episode in episodes]
        self._load_newest()
        episodes[:] = [
            _with_rewards(episode, rewards)
            for episode, rewards in zip(episodes, self._mixed(steps), strict=True)
        ]
        return batch

    def _load_newest(self) -> None:
        newest = ray.get(self._trainer.newest.remote(self._version))
        if newest is not None:
            self._version, state = newest
            self._scorer.load_reward_state(state)

    def _mixed(self, chunks: Sequence[VectorStep]) -> list[FloatArray]:
        """Return the (T,) mixed rewards of each of the chunks."""
        if not chunks:
            return []
        ends = np.cumsum([len(chunk.env_rewards) for chunk in chunks])
        return np.split(self._scorer.score_mixed(chunks), ends[:-1])


def install(learner: Learner, trainer: Any, of: StepSpaces, shaping: Shaping) -> None:
    """Put the process reward first in a learner's pipeline.

    First, as others change the episodes: PPO's own adds a step that never was.
    """
    learner._learner_connector.prepend(ProcessRewardConnector(trainer, of, shaping))


def _steps(episode: SingleAgentEpisode, of: StepSpaces) -> VectorStep:
    ends = bool(episode.is_terminated), bool(episode.is_truncated)
    return as_steps(read_chunk(episode, of), *ends)


def _with_rewards(
    episode: SingleAgentEpisode, rewards: FloatArray
) -> SingleAgentEpisode:
    """Return the episode with other rewards; the given one stays as it is.

    An env runner in the same process reads the episode's return from it later on. What
    the episode carried for us is left out: later pieces would put it into the batch.
    """
    mixed = copy.copy(episode)
    before = np.asarray(episode.rewards.data, dtype=np.float64)
    lookback = len(before) - len(rewards)
    mixed.rewards = InfiniteLookbackBuffer(
        np.concatenate([before[:lookback], rewards]), lookback
    )
    outputs = episode.extra_model_outputs.items()
    mixed.extra_model_outputs = {
        name: values for name, values in outputs if name != FIRST_VISITS
    }
    return mixed
