"""The callback that ties RLlib's processes to the reward trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ray
from gymnasium import spaces
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.connectors.common.flatten_observations import FlattenObservations
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from oprl_gym.episodes.arrays import pack_trajectories
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rllib import checkpoint, connector
from oprl_gym.rllib.episodes import EpisodeAssembler, StepSpaces
from oprl_gym.rllib.trainer import RewardTrainer, Settings
from oprl_gym.types import EnvError


class OPRLRLlibCallback(RLlibCallback):
    """Starts the reward trainer, and feeds it from the env runners.

    RLlib makes one of these for the algorithm and one for each env runner. That of the
    algorithm starts the trainer and hands it to the others and to the learners.

    Args:
        settings: What the user chose.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._trainer: Any = None
        self._tie: Callable[[EnvRunner], None] | None = None  # of the algorithm's own
        self._assembler: EpisodeAssembler | None = None  # of an env runner's

    def on_algorithm_init(self, *, algorithm: Algorithm, **kwargs: Any) -> None:
        """Start the trainer and tie runners, learners and checkpoints to it."""
        config = algorithm.config
        shaping = replace(self._settings.shaping, gamma=config.gamma)
        settings = replace(self._settings, shaping=shaping)
        of = _step_spaces(algorithm)
        # Raised here, an error is the user's to read; in an actor Ray would wrap it.
        StepEncoder(of.observation, of.action, settings.config.reward_input)
        self._trainer = _start(of, settings, config.seed)
        self._tie = partial(_connect, trainer=self._trainer, of=of)
        algorithm.env_runner_group.foreach_env_runner(self._tie)
        algorithm.learner_group.foreach_learner(
            partial(connector.install, trainer=self._trainer, of=of, shaping=shaping)
        )
        checkpoint.add_to(algorithm, checkpoint.TrainerCheckpoint(self._trainer))

    def on_env_runners_recreated(
        self,
        *,
        env_runner_group: EnvRunnerGroup,
        env_runner_indices: list[int],
        is_evaluation: bool,
        **kwargs: Any,
    ) -> None:
        """Tie env runners that were lost and made anew to the trainer."""
        if not is_evaluation:
            env_runner_group.foreach_env_runner(
                self._tie, local_env_runner=False, remote_worker_ids=env_runner_indices
            )

    def on_sample_end(
        self, *, env_runner: EnvRunner, samples: list[SingleAgentEpisode], **kwargs: Any
    ) -> None:
        """Hand the trainer what an env runner has collected; returns once it has it.

        On the way it is noted in the samples, which learners get as well, which
        observations are new in their episode.
        """
        if self._assembler is None:  # a runner for evaluation
            return
        try:
            episodes = pack_trajectories(self._assembler.add(samples))
        except EnvError:
            # A learner gets the same samples, and its error ends the run. One raised
            # here would only make RLlib restart the runner, again and again.
            return
        steps = sum(len(chunk) for chunk in samples)
        number = env_runner.worker_index or 0
        ray.get(self._trainer.take.remote(number, steps, episodes))

    def on_train_result(
        self, *, algorithm: Algorithm, result: dict[str, Any], **kwargs: Any
    ) -> None:
        """Log what the trainer did as ``result["oprl"]``."""
        result["oprl"] = ray.get(self._trainer.report.remote())
        # Ray restarts an env runner that died while it had nothing to do, and RLlib
        # does not notice. Nobody waits for this; the runner's next sample comes after.
        algorithm.env_runner_group.foreach_env_runner(self._tie, timeout_seconds=0.0)

    def feed(self, trainer: Any, of: StepSpaces) -> None:
        """From now on hand the trainer what this env runner collects."""
        if self._assembler is None:
            self._trainer = trainer
            self._assembler = EpisodeAssembler(of)


def _connect(env_runner: EnvRunner, trainer: Any, of: StepSpaces) -> None:
    for callback in env_runner._callbacks:
        if isinstance(callback, OPRLRLlibCallback):
            callback.feed(trainer, of)


def _step_spaces(algorithm: Algorithm) -> StepSpaces:
    """Return the spaces that the steps of episodes lie in."""
    observation_space, action_space = algorithm.spaces[INPUT_ENV_SINGLE_SPACES]
    pipeline = algorithm.config.build_env_to_module_connector(spaces=algorithm.spaces)
    # RLlib's networks read no Dict, Tuple or Discrete; this is how they get vectors,
    # and it writes them into the episodes.
    if pipeline[FlattenObservations]:
        observation_space = spaces.flatten_space(observation_space)
    return StepSpaces(observation_space, action_space)


def _start(of: StepSpaces, settings: Settings, seed: int | None) -> Any:
    """Return the handle of a new trainer, in a process beside the algorithm's own.

    It asks for no CPU of its own: while it fits, learners wait for it.
    """
    here = ray.get_runtime_context().get_node_id()
    actor = ray.remote(RewardTrainer).options(
        num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False)
    )
    trainer = actor.remote(of, settings, seed)
    ray.get(trainer.report.remote())  # an error in its constructor is raised here
    return trainer
