"""The one place where a distributed run learns its process reward."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from oprl_gym.config import OPRLConfig
from oprl_gym.learning.learner import OPRLLearner
from oprl_gym.learning.schedule import rounds_due
from oprl_gym.preferences.snapshot import pack_trajectories, unpack_trajectories
from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.rllib.episodes import Chunk, StepSpaces, as_steps
from oprl_gym.types import Teacher, Trajectory, UpdateReport
from oprl_gym.wrappers.shaping import Shaping, StepScorer


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
        self._scorer = StepScorer(of.observation, of.action, settings.shaping)
        # Finished episodes since the last update, with the number of their env runner.
        self._waiting: list[tuple[int, Trajectory]] = []
        self._steps = 0  # env steps of all runners
        self._updated_at = 0
        self._version = 0  # of the weights
        self._report: UpdateReport | None = None
        self._stats: dict[str, float] = {}

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
        rounds, self._updated_at = rounds_due(
            self.learner.config, self._steps, self._updated_at
        )
        if rounds >= 1:
            self._update(rounds)
        if version == self._version:
            return None
        return self._version, self.learner.reward_state()

    def report(self) -> dict[str, float]:
        """Return what is to be logged, by the names that OPRLCallback uses."""
        if self._report is None:
            return {}
        logged = {"preferences": self._report.preferences, **self._stats}
        for name in ("reward_loss", "accuracy", "score_spread"):
            value = getattr(self._report, name)
            if value is not None:
                logged[name] = value
        return logged

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here: nested dicts, lists, arrays.

        It also lets the scorer forget the scores it knows: a score rounds differently
        among others, and what goes on here is to equal what loads this state.
        """
        self._score_by_newest()
        return {
            "learner": self.learner.state(),
            "env_runners": [env_runner for env_runner, _ in self._waiting],
            "waiting": pack_trajectories([episode for _, episode in self._waiting]),
            "steps": self._steps,
            "updated_at": self._updated_at,
            "report": None if self._report is None else asdict(self._report),
            "stats": self._stats,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is the state of a learner with other settings or spaces.
        """
        state = copy.deepcopy(state)  # arrays that come through Ray are read-only
        self.learner.load_state(state["learner"])
        episodes = unpack_trajectories(state["waiting"])
        self._waiting = list(zip(state["env_runners"], episodes, strict=True))
        self._steps = state["steps"]
        self._updated_at = state["updated_at"]
        report = state["report"]
        self._report = None if report is None else UpdateReport(**report)
        self._stats = state["stats"]
        self._score_by_newest()

    def _score_by_newest(self) -> None:
        self._scorer.load_reward_state(self.learner.reward_state())
        self._version += 1

    def _scored(self, episode: Trajectory) -> Trajectory:
        """Return the episode with the process rewards of the weights of now."""
        chunk = Chunk(
            first=0,
            observations=episode.observations,
            first_visits=episode.first_visits,
            actions=episode.actions,
            env_rewards=episode.env_rewards,
        )
        steps = as_steps(chunk, episode.terminated, not episode.terminated)
        return replace(episode, process_rewards=self._scorer.score(steps))

    def _update(self, rounds: int) -> None:
        # Which runner was first is chance; the same seed is to give the same pairs.
        self._waiting.sort(key=lambda arrived: arrived[0])
        episodes = [self._scored(episode) for _, episode in self._waiting]
        self._waiting.clear()
        if episodes:
            self._stats = self._episode_stats(episodes)
        self._report = self.learner.update(episodes, rounds)
        self._score_by_newest()

    def _episode_stats(self, episodes: list[Trajectory]) -> dict[str, float]:
        steps = sum(len(episode) for episode in episodes)
        env_returns = np.array([episode.env_return for episode in episodes])
        process_returns = np.array([episode.process_return for episode in episodes])
        mixed = self._scorer.mixed(env_returns, process_returns)
        return {
            "process_reward_mean": float(process_returns.sum() / steps),
            "env_reward_mean": float(env_returns.sum() / steps),
            "env_reward_weight": self._scorer.env_reward_weight,
            "mixed_return": float(mixed.mean()),
        }
