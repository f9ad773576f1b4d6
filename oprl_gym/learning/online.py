"""The loop of online learning, whoever collects the steps: due? take in, fit, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from oprl_gym.config import OPRLConfig
from oprl_gym.files.fields import check_values, from_dict
from oprl_gym.learning.learner import OPRLLearner
from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.types import Trajectory, UpdateReport

_STATE = {
    "learner": dict,
    "waiting": int,
    "updated_at": int | None,
    "ended": list,
    "means": list,
    "report": dict | None,
}


class OnlineLearning:
    """Learns the process reward while an agent learns, between its rollouts.

    What the callback of Stable-Baselines3 and the trainer of RLlib have in common. One
    round of it::

        rounds = online.due(env_steps)
        if rounds:
            online.take_in(finished_episodes)
            send_to_wrappers(online.fit(rounds))
        log(online.logged(scale, env_reward_weight))

    Args:
        learner: Who learns.
    """

    def __init__(self, learner: OPRLLearner) -> None:
        self.learner = learner
        self.report: UpdateReport | None = None
        self.waiting = 0  # episodes that ended and were not taken in
        self._updated_at: int | None = None  # env step of the last update
        # Steps, env return and process return of the episodes since the last update.
        self._ended: list[tuple[int, float, float]] = []
        self._means: list[float] = []  # of those three, in the last update

    def start(self, steps: int) -> None:
        """Count env steps from ``steps`` on, unless they go on from those before."""
        if self._updated_at is None or self._updated_at > steps:
            self._updated_at = steps

    def due(self, steps: int) -> int:
        """Return how many rounds of an update are due after so many env steps."""
        self.start(steps)
        assert self._updated_at is not None
        rounds, self._updated_at = rounds_due(
            self.learner.config, steps, self._updated_at
        )
        return rounds

    def take_in(self, episodes: Sequence[Trajectory]) -> None:
        """Hand finished episodes to the learner, before an update or at any time."""
        self.waiting = 0
        self.learner.observe(episodes)
        self._ended += [
            (len(episode), episode.env_return, episode.process_return)
            for episode in episodes
        ]

    def fit(self, rounds: int) -> RewardState:
        """Do the rounds that are due; returns the newest weights."""
        self.report = self.learner.update((), rounds)
        if self._ended:
            self._means = np.mean(self._ended, axis=0).tolist()
            self._ended.clear()
        return self.learner.reward_state()

    def logged(self, scale: float, env_reward_weight: float) -> dict[str, float]:
        """Return what is to be logged of the last update, by name.

        Args:
            scale: What the wrappers multiply the process reward by.
            env_reward_weight: What they multiply the env's own by.
        """
        if self.report is None:
            return {}
        told: dict[str, float | None] = {
            "preferences": self.report.preferences,
            "reward_loss": self.report.reward_loss,
            "accuracy": self.report.accuracy,
            "score_spread": self.report.score_spread,
        }
        if self._means:
            steps, env_return, process_return = self._means
            told |= {
                "process_reward_mean": process_return / steps,
                "env_reward_mean": env_return / steps,
                "env_reward_weight": env_reward_weight,
                "mixed_return": env_reward_weight * env_return + scale * process_return,
            }
        return {name: value for name, value in told.items() if value is not None}

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here: nested dicts, lists, arrays."""
        return {
            "learner": self.learner.state(),
            "waiting": self.waiting,
            "updated_at": self._updated_at,
            "ended": self._ended,
            "means": self._means,
            "report": None if self.report is None else asdict(self.report),
        }

    def check_state(self, state: dict[str, Any]) -> None:
        """Check that it is the state of such a loop; changes nothing.

        Raises:
            ValueError: As :meth:`load_state`.
        """
        check_values(state, _STATE)
        if len(state["means"]) not in (0, 3):
            raise ValueError("the means of the last update are not three")
        self.learner.check_state(state["learner"])

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ValueError: It is the state of a learner with other settings or spaces.
        """
        self.check_state(state)
        self.learner.load_state(state["learner"])
        self.waiting = state["waiting"]
        self._updated_at = state["updated_at"]
        self._ended = [(int(n), float(env), float(p)) for n, env, p in state["ended"]]
        self._means = list(map(float, state["means"]))
        report = state["report"]
        self.report = None if report is None else from_dict(UpdateReport, report)


def rounds_due(config: OPRLConfig, steps: int, updated_at: int) -> tuple[int, int]:
    """Return how many rounds of an update are due, and up to which env step.

    Args:
        config: Says how many env steps lie between two updates.
        steps: Env steps taken so far, over all envs.
        updated_at: Env step that the last update was due at.

    Example:
        >>> from oprl_gym import OPRLConfig
        >>> rounds_due(OPRLConfig(update_interval=256), steps=1024, updated_at=0)
        (4, 1024)
    """
    late = int(config.interval_growth * steps)
    interval = max(config.update_interval, late)
    rounds = (steps - updated_at) // interval
    return rounds, updated_at + rounds * interval
