"""RLlib's episode chunks: as steps to be scored, and put together to whole episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from oprl_gym.rewards.encoding import array_shape, batch_to_array
from oprl_gym.rewards.scoring import VectorStep
from oprl_gym.types import Array, BoolArray, EnvError, FloatArray, Trajectory
from oprl_gym.visits import VisitTracker, first_visits
from oprl_gym.wrappers.checks import first_not_finite

if TYPE_CHECKING:
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

# RLlib's chunk carries a pair for each of its steps: is what it starts from new in the
# episode, and what it leads to? They stand among what the network put out: RLlib keeps
# that where it divides an episode between learners, but loses `custom_data` there.
FIRST_VISITS = "oprl_first_visits"


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
        first_visits: (T+1,) bool, whether each is new in its episode.
        actions: (T, ...) actions.
        env_rewards: (T,) float64, what the env paid.
    """

    first: int
    observations: Array  # (T+1, ...)
    first_visits: BoolArray  # (T+1,)
    actions: Array  # (T, ...)
    env_rewards: FloatArray  # (T,)

    def __len__(self) -> int:
        """Return the number of steps T."""
        return len(self.actions)


def read_chunk(chunk: SingleAgentEpisode, of: StepSpaces) -> Chunk:
    """Return copies of what RLlib's chunk of an episode holds.

    Copies, as a learner in the same process adds a step to what a runner returned.
    Which observations are new is what :class:`EpisodeAssembler` has noted; where it has
    not, it is told by the chunk alone.

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
    return Chunk(
        first=chunk.t_started,
        observations=observations.copy(),
        first_visits=_first_visits(chunk, observations),
        actions=actions.copy(),
        env_rewards=rewards.copy(),
    )


def _first_visits(chunk: SingleAgentEpisode, observations: Array) -> BoolArray:
    if len(chunk) == 0 or FIRST_VISITS not in chunk.extra_model_outputs:
        return first_visits(observations)
    pairs = np.asarray(chunk.get_extra_model_outputs(FIRST_VISITS), dtype=np.bool_)
    return np.append(pairs[0, 0], pairs[:, 1])


def _note(chunk: SingleAgentEpisode, visits: BoolArray) -> None:
    """Let RLlib's chunk carry its (T+1,) first visits to whoever reads it."""
    # Here and not above: the trainer, which reads no chunks, lives without RLlib.
    from ray.rllib.env.utils.infinite_lookback_buffer import InfiniteLookbackBuffer

    pairs = np.stack([visits[:-1], visits[1:]], axis=1)
    chunk.extra_model_outputs[FIRST_VISITS] = InfiniteLookbackBuffer(pairs)


def as_steps(
    chunk: Chunk | Trajectory, terminated: bool, truncated: bool
) -> VectorStep:
    """Return T successive steps of one env as one step of T envs.

    Args:
        chunk: The steps: some of an episode, or all.
        terminated: Whether the env ended the episode with the last of them.
        truncated: Whether the episode was cut off after it.
    """
    steps = len(chunk)
    last = np.arange(steps) == steps - 1
    return VectorStep(
        observations=chunk.observations[:-1],
        first_visits=chunk.first_visits[:-1],
        actions=chunk.actions,
        env_rewards=chunk.env_rewards,
        reached=chunk.observations[1:],
        reached_first=chunk.first_visits[1:],
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
        self._begun: dict[str, _Begun] = {}

    def add(self, samples: Sequence[SingleAgentEpisode]) -> list[Trajectory]:
        """Take in one sample of the runner; returns the episodes it completed.

        An episode of which something is missing is left out: one that was broken off
        by an env's failure, or that had begun before this assembler was there. In the
        chunks of all others it is noted which observations are new in their episode:
        a learner gets them without what came before.
        """
        begun, self._begun = self._begun, {}
        finished = []
        for sample in samples:
            episode = begun.get(sample.id_, _Begun())
            chunk = read_chunk(sample, self._spaces)
            if chunk.first != len(episode):
                continue
            _note(sample, episode.add(chunk))
            if sample.is_done:
                finished.append(episode.trajectory(bool(sample.is_terminated)))
            else:  # forgotten if the runner's next sample does not go on with it
                self._begun[sample.id_] = episode
        return finished


class _Begun:
    """An episode from its first step on, as far as it has come."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._visits = VisitTracker(num_envs=1)

    def __len__(self) -> int:
        """Return the number of steps so far."""
        return sum(len(chunk) for chunk in self._chunks)

    def add(self, chunk: Chunk) -> BoolArray:
        """Append T steps; returns (T+1,) whether their observations are new."""
        if not self._chunks:
            self._visits.begin(chunk.observations[:1])
        new = [self._visits.latest]
        new += [self._visits.step(one[None]) for one in chunk.observations[1:]]
        visits = np.concatenate(new)
        self._chunks.append(replace(chunk, first_visits=visits))
        return visits

    def trajectory(self, terminated: bool) -> Trajectory:
        """Return the episode, now that it has ended."""
        chunks, last = self._chunks, self._chunks[-1]
        before = [chunk.observations[:-1] for chunk in chunks]
        visits = [chunk.first_visits[:-1] for chunk in chunks]
        env_rewards = np.concatenate([chunk.env_rewards for chunk in chunks])
        return Trajectory(
            observations=np.concatenate([*before, last.observations[-1:]]),
            first_visits=np.concatenate([*visits, last.first_visits[-1:]]),
            actions=np.concatenate([chunk.actions for chunk in chunks]),
            env_rewards=env_rewards,
            process_rewards=np.zeros(len(env_rewards)),  # filled in by who can score
            terminated=terminated,
        )
