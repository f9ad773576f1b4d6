"""The one place where a distributed run learns its process reward."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

from oprl_gym.config import OPRLConfig
from oprl_gym.episodes.arrays import pack_trajectories, unpack_trajectories
from oprl_gym.learning.learner import OPRLLearner
from oprl_gym.learning.online import OnlineLearning
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.rewards.scoring import Shaping, StepScorer
from oprl_gym.rllib.episodes import StepSpaces, as_steps
from oprl_gym.types import Trajectory


@dataclass(frozen=True)
class Settings:
    """What a user chose; all of it travels to other processes.

    Attributes:
        config: Settings of the learner.
        teacher: Who judges pairs of episodes; None takes what ``config.rule`` says.
        shaping: How rewards are mixed.
    """

    config: OPRLConfig
    teacher: Teacher | None
    shaping: Shaping


class RewardTrainer:
    """Takes in episodes, fits the reward model when it is due, hands out its weights.

    It runs as a Ray actor: env runners call :meth:`take`, learners :meth:`newest`. As
    runners wait for :meth:`take`, the episodes of a rollout are there when a learner
    asks, and the rollout is scored by weights that were fitted to it.

    Args:
        of: The env's spaces.
        settings: What the user chose.
        seed: Seed of the learner; None draws one.
    """

    def __init__(self, of: StepSpaces, settings: Settings, seed: int | None) -> None:
        self.learner = OPRLLearner(
            of.observation, of.action, settings.config, settings.teacher, seed
        )
        self._online = OnlineLearning(self.learner)
        self._online.start(0)
        self._scorer = StepScorer(of.observation, of.action, settings.shaping)
        # Finished episodes since the last update, with the number of their env runner.
        self._waiting: list[tuple[int, Trajectory]] = []
        self._steps = 0  # env steps of all runners
        self._version = 0  # of the weights

    def take(self, env_runner: int, steps: int, episodes: dict[str, Any]) -> None:
        """Take in what an env runner has collected.

        Args:
            env_runner: Its number.
            steps: Env steps since its last call, those of unfinished episodes included.
            episodes: Episodes finished since then, as ``pack_trajectories`` gives them.
        """
        self._steps += steps
        self._waiting += [(env_runner, one) for one in unpack_trajectories(episodes)]

    def newest(self, version: int | None) -> tuple[int, RewardState] | None:
        """Return the newest weights and their version, or None if the caller has them.

        Args:
            version: That of the weights the caller has; None if it has none.
        """
        rounds = self._online.due(self._steps)
        if rounds:
            self._online.take_in(self._arrived())
            self._score_by(self._online.fit(rounds))
        if version == self._version:
            return None
        return self._version, self.learner.reward_state()

    def report(self) -> dict[str, float]:
        """Return what is to be logged, by the names that OPRLCallback uses."""
        scorer = self._scorer
        return self._online.logged(scorer.shaping.scale, scorer.env_reward_weight)

    def settle(self) -> None:
        """Let the scorer forget the scores it knows, before :meth:`state` is saved.

        A score rounds differently among others, and what goes on here is to equal what
        loads that state.
        """
        self._score_by(self.learner.reward_state())

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here: nested dicts, lists, arrays."""
        return {
            "online": self._online.state(),
            "env_runners": [env_runner for env_runner, _ in self._waiting],
            "waiting": pack_trajectories([episode for _, episode in self._waiting]),
            "steps": self._steps,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is the state of a learner with other settings or spaces.
        """
        state = copy.deepcopy(state)  # arrays that come through Ray are read-only
        self._online.load_state(state["online"])
        episodes = unpack_trajectories(state["waiting"])
        self._waiting = list(zip(state["env_runners"], episodes, strict=True))
        self._steps = state["steps"]
        self.settle()

    def _score_by(self, newest: RewardState) -> None:
        self._scorer.load_reward_state(newest)
        self._version += 1

    def _arrived(self) -> list[Trajectory]:
        """Return the episodes that wait, scored, and let none wait any more."""
        # Which runner was first is chance; the same seed is to give the same pairs.
        self._waiting.sort(key=lambda arrived: arrived[0])
        episodes = [self._scored(episode) for _, episode in self._waiting]
        self._waiting.clear()
        return episodes

    def _scored(self, episode: Trajectory) -> Trajectory:
        """Return the episode with the process rewards of the weights of now."""
        steps = as_steps(episode, episode.terminated, not episode.terminated)
        return replace(episode, process_rewards=self._scorer.score(steps))
