"""RLlib's episode chunks: as steps to be scored, and put together to whole episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from oprl_gym.rewards.encoding import array_shape, batch_to_array
from oprl_gym.types import Array, EnvError, FloatArray, Trajectory
from oprl_gym.wrappers.checks import first_not_finite
from oprl_gym.wrappers.shaping import VectorStep


@dataclass(frozen=True)
class StepSpaces:
    """The spaces that an env's steps lie in.

    Attributes:
        observation: Space of one env's observation.
        action: Space of one env's action.
    """

    observation: spaces.Space[Any]
    action: spaces.Space[Any]


@dataclass(frozen=True)
class Chunk:
    """T >= 0 successive steps of an episode.

    Attributes:
        first: Number of its first step within the episode.
        observations: (T+1, ...) observations.
        actions: (T, ...) actions.
        env_rewards: (T,) float64, what the env paid.
    """

    first: int
    observations: Array  # (T+1, ...)
    actions: Array  # (T, ...)
    env_rewards: FloatArray  # (T,)

    def __len__(self) -> int:
        """Return the number of steps T."""
        return len(self.actions)


def read_chunk(chunk: SingleAgentEpisode, of: StepSpaces) -> Chunk:
    """Return copies of what RLlib's chunk of an episode holds.

    Copies, as a learner in the same process adds a step to what a runner returned.

    Args:
        chunk: T steps of an episode; what lies before it (its "lookback buffer") is
            left out.
        of: The env's spaces.

    Raises:
        EnvError: Observations have another shape than the env's space says, or one of
            them or of the rewards is NaN or infinite.
    """
    steps = len(chunk)
    observations = batch_to_array(of.observation, chunk.get_observations(), steps + 1)
    actions = batch_to_array(of.action, chunk.get_actions(), steps)
    rewards = np.asarray(chunk.get_rewards(), dtype=np.float64)
    shape = array_shape(of.observation)
    if observations.shape[1:] != shape:
        raise EnvError(
            f"an episode holds observations of shape {observations.shape[1:]}, but the "
            f"env's observation_space says {shape}: an env-to-module connector seems "
            "to rewrite them; let a wrapper of the env do so (gymnasium.wrappers)"
        )
    for what, values in (("observation", observations), ("reward", rewards)):
        row = first_not_finite(values)
        if row is not None:
            raise EnvError(
                f"the env gave a NaN or infinite {what} at step "
                f"{chunk.t_started + row} of an episode"
            )
    return Chunk(chunk.t_started, observations.copy(), actions.copy(), rewards.copy())


def as_steps(chunk: Chunk, terminated: bool, truncated: bool) -> VectorStep:
    """Return T successive steps of one env as one step of T envs.

    Args:
        chunk: The steps.
        terminated: Whether the env ended the episode with the last of them.
        truncated: Whether the episode was cut off after it.
    """
    steps = len(chunk)
    last = np.arange(steps) == steps - 1
    return VectorStep(
        observations=chunk.observations[:-1],
        actions=chunk.actions,
        env_rewards=chunk.env_rewards,
        reached=chunk.observations[1:],
        terminated=last & terminated,
        truncated=last & truncated,
    )


class EpisodeAssembler:
    """Puts the chunks of one env runner together to whole episodes.

    A runner returns what there is of an episode whenever it has collected enough
    steps, and goes on with it in its next sample.

    Args:
        of: The env's spaces.
    """

    def __init__(self, of: StepSpaces) -> None:
        self._spaces = of
        self._begun: dict[str, list[Chunk]] = {}

    def add(self, samples: Sequence[SingleAgentEpisode]) -> list[Trajectory]:
        """Take in one sample of the runner; returns the episodes it completed.

        An episode of which something is missing is left out: one that was broken off
        by an env's failure, or that had begun before this assembler was there.
        """
        begun, self._begun = self._begun, {}
        finished = []
        for sample in samples:
            chunks = [*begun.get(sample.id_, []), read_chunk(sample, self._spaces)]
            if not _complete(chunks):
                continue
            if sample.is_done:
                finished.append(_trajectory(chunks, bool(sample.is_terminated)))
            else:  # forgotten if the runner's next sample does not go on with it
                self._begun[sample.id_] = chunks
        return finished


def _complete(chunks: Sequence[Chunk]) -> bool:
    """Return whether chunks follow one another from an episode's first step."""
    lengths = [len(chunk) for chunk in chunks]
    first = np.cumsum([0, *lengths[:-1]])
    return [chunk.first for chunk in chunks] == first.tolist()


def _trajectory(chunks: Sequence[Chunk], terminated: bool) -> Trajectory:
    before = [chunk.observations[:-1] for chunk in chunks]
    env_rewards = np.concatenate([chunk.env_rewards for chunk in chunks])
    return Trajectory(
        observations=np.concatenate([*before, chunks[-1].observations[-1:]]),
        actions=np.concatenate([chunk.actions for chunk in chunks]),
        env_rewards=env_rewards,
        process_rewards=np.zeros(len(env_rewards)),  # filled in by who can score
        terminated=terminated,
    )
