"""OPRLLearner: the algorithm, without Stable-Baselines3."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from oprl_gym.config import OPRLConfig
from oprl_gym.learning.batches import PairBatch, PairBatcher
from oprl_gym.learning.fitting import RewardFitter
from oprl_gym.preferences.default_teacher import make_teacher
from oprl_gym.preferences.pairs import decisive_pairs, elite_pairs, uniform_pairs
from oprl_gym.preferences.queries import Pair, Queries
from oprl_gym.preferences.snapshot import (
    pack_preferences,
    pack_trajectories,
    unpack_preferences,
    unpack_trajectories,
)
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.losses import ordered_share, preference_probability
from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.process_reward import ProcessReward, RewardState
from oprl_gym.rewards.tensors import available_device
from oprl_gym.types import (
    FloatArray,
    IntArray,
    LateTeacher,
    Preference,
    StatefulTeacher,
    Teacher,
    Trajectory,
    UpdateReport,
)

ACCURACY_STEPS = 64
"""Steps of a long episode that its score is estimated from, to tell the accuracy."""

MINIBATCH = 64
"""Pairs in a gradient step where all of them would cost too much (measured)."""


class OPRLLearner:
    """Learns a process reward from preferences between the episodes it is given.

    Each update takes in new episodes, draws pairs of kept ones, asks the teacher,
    keeps the answers, and fits the reward model to them by the Bradley-Terry loss.

    Args:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        config: Settings; None takes the defaults.
        teacher: Who judges; None takes what ``config.ties`` says.
        seed: Seed or generator of everything random in here: initial weights, pairs,
            held-out choice, minibatches. None draws one from the operating system.
        queries: How pairs are chosen, and whether whole or in pieces; None takes whole
            episodes, and of those that the teacher's scores tell apart, more often ones
            with one of the best in them (``config.elite_pairs``).
        device: Where the reward model is fitted: "cpu", "cuda", ..., or "auto", which
            takes a GPU if there is one. Small networks are faster on the CPU; one that
            reads pictures is not. The scoring wrappers have a device of their own.

    Raises:
        ValueError: A space cannot be read, or there is no such device.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from oprl_gym.wrappers import ProcessRewardWrapper
        >>> env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"))
        >>> learner = oprl_gym.OPRLLearner(
        ...     env.observation_space, env.action_space, seed=0
        ... )
        >>> observation, info = env.reset(seed=0)
        >>> for t in range(60):
        ...     observation, reward, terminated, truncated, info = env.step(t % 2)
        >>> learner.update(env.pop_episodes()).new_trajectories
        1
        >>> env.load_reward_state(learner.reward_state())
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: OPRLConfig | None = None,
        teacher: Teacher | None = None,
        seed: int | np.random.Generator | None = None,
        queries: Queries | None = None,
        device: str = "cpu",
    ) -> None:
        self.queries = queries
        self.model_version = 0  # how often the model has been fitted
        self.config = OPRLConfig() if config is None else config
        self.teacher = make_teacher(self.config) if teacher is None else teacher
        self.rng = np.random.default_rng(seed)
        encoder = StepEncoder(observation_space, action_space, self.config.reward_input)
        self.process_reward = ProcessReward.create(
            encoder,
            self.config.hidden_size,
            self.config.ensemble_size,
            torch.Generator().manual_seed(int(self.rng.integers(2**63))),
            available_device(device),
        )
        self.trajectories: deque[Trajectory] = deque(
            maxlen=self.config.trajectory_capacity
        )
        held_out = round(self.config.holdout_fraction * self.config.preference_capacity)
        self.held_out: deque[Preference] = deque(maxlen=held_out)
        self.preferences: deque[Preference] = deque(
            maxlen=self.config.preference_capacity - held_out
        )
        self._batcher = PairBatcher(
            encoder, self.config.aggregation, self.process_reward.device
        )
        self._fitter = RewardFitter(
            self.model, self.config.learning_rate, self.config.max_grad_norm
        )
        self._taken_in = 0  # episodes since the last update

    @property
    def model(self) -> ProcessRewardModel:
        """The reward model being fitted."""
        return self.process_reward.model

    def reward_state(self) -> RewardState:
        """Return the current process reward, for ``wrapper.load_reward_state``."""
        return self.process_reward.state()

    def observe(self, episodes: Sequence[Trajectory]) -> None:
        """Take in episodes; the next :meth:`update` will ask about them.

        For whoever has more episodes than should wait until then.
        """
        self.teacher.observe(episodes)
        self.trajectories.extend(episodes)
        self._normalise(episodes)
        self._taken_in += len(episodes)

    def update(self, episodes: Sequence[Trajectory], rounds: int = 1) -> UpdateReport:
        """Take in episodes, ask the teacher, fit the reward model.

        Args:
            episodes: Finished episodes since the last update; may be empty.
            rounds: How many times ``pairs_per_update`` and ``gradient_steps`` are due:
                an update after four intervals' worth of env steps does four rounds.

        Returns what was done; see :class:`UpdateReport`.
        """
        self.observe(episodes)
        taken_in, self._taken_in = self._taken_in, 0
        late = self._collect()
        new = late + self._ask(rounds * self.config.pairs_per_update)
        # Answers that come all at once are due as much fitting as one by one.
        rounds = max(rounds, -(-late // self.config.pairs_per_update))
        loss, reverted, steps = None, False, 0
        # Without a new answer there is nothing new to fit to, only more to overfit.
        if new and len(self.preferences) >= self.config.min_preferences:
            steps = rounds * self.config.gradient_steps
            loss, reverted = self._fit(steps)
        return UpdateReport(
            new_trajectories=taken_in,
            new_preferences=new,
            preferences=len(self.preferences) + len(self.held_out),
            gradient_steps=steps,
            reward_loss=loss,
            accuracy=self._accuracy(),
            reverted=reverted,
        )

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here: nested dicts, lists and arrays.

        What a teacher of your own remembers is saved if it has ``state`` and
        ``load_state`` (:class:`oprl_gym.types.StatefulTeacher`).
        """
        kept = self._known_trajectories()
        place = {id(trajectory): number for number, trajectory in enumerate(kept)}
        teacher = self.teacher
        return {
            "config": asdict(self.config),
            "reward": asdict(self.reward_state()),
            "optimizer": self._fitter.state(),
            "trajectories": pack_trajectories(kept),
            "kept": len(self.trajectories),
            "preferences": pack_preferences(self.preferences, place),
            "held_out": pack_preferences(self.held_out, place),
            "rows": self._batcher.state(),
            "teacher": teacher.state() if isinstance(teacher, StatefulTeacher) else {},
            "taken_in": self._taken_in,
            "model_version": self.model_version,
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state` returned, perhaps in another process.

        Raises:
            ValueError: It is the state of a learner with other settings or spaces.
        """
        self._check_config(state["config"])
        self.process_reward.load_state(RewardState(**state["reward"]))
        self._fitter.load_state(state["optimizer"])
        trajectories = unpack_trajectories(state["trajectories"])
        self.trajectories.clear()
        self.trajectories.extend(trajectories[: state["kept"]])
        for name, kept in (
            ("preferences", self.preferences),
            ("held_out", self.held_out),
        ):
            kept.clear()
            # Late answers come once more, from wherever the teacher has them.
            if not isinstance(self.teacher, LateTeacher):
                kept.extend(unpack_preferences(state[name], trajectories))
        self._batcher.load_state(state["rows"])
        if isinstance(self.teacher, StatefulTeacher):
            self.teacher.load_state(state["teacher"], trajectories)
        self._taken_in = state["taken_in"]
        self.model_version = state["model_version"]
        self.rng.bit_generator.state = state["rng"]

    def _known_trajectories(self) -> list[Trajectory]:
        """Return the kept trajectories, then those that only preferences know."""
        known = {id(trajectory): trajectory for trajectory in self.trajectories}
        for preference in (*self.preferences, *self.held_out):
            for trajectory in (preference.first, preference.second):
                known.setdefault(id(trajectory), trajectory)
        return list(known.values())

    def _check_config(self, saved: dict[str, Any]) -> None:
        own = asdict(self.config)
        other = [
            f"{name}={saved.get(name)!r} (now {own.get(name)!r})"
            for name in sorted({*own, *saved})
            if own.get(name) != saved.get(name)
        ]
        if other:
            raise ValueError(
                f"the state is of a learner with {', '.join(other)}; give the learner "
                "the same OPRLConfig, or start anew"
            )

    def _normalise(self, episodes: Sequence[Trajectory]) -> None:
        """Let the model know of the magnitudes in new episodes."""
        if self.model.normaliser is None or not episodes:
            return
        rows = np.concatenate([self._batcher.encoded(episode) for episode in episodes])
        device = self.process_reward.device
        self.model.normaliser.update(torch.from_numpy(rows).to(device))
        self.process_reward.weights_changed()

    def _ask(self, n_pairs: int) -> int:
        """Put pairs to the teacher and keep the answers; returns how many came."""
        answers = 0
        for first, second in self._questions(n_pairs):
            label = self.teacher.judge(first, second)
            if label is not None:
                self._keep(Preference(first, second, label))
                answers += 1
        return answers

    def _collect(self) -> int:
        """Take in answers to earlier questions; returns how many came."""
        if not isinstance(self.teacher, LateTeacher):
            return 0
        late = self.teacher.collect(self.model_version)
        for preference in late.given:
            self._keep(preference)
        for kept in (self.preferences, self.held_out):
            _remove(kept, late.withdrawn)
        return len(late.given)

    def _keep(self, preference: Preference) -> None:
        held_out = self.rng.random() < self.config.holdout_fraction
        (self.held_out if held_out else self.preferences).append(preference)

    def _questions(self, n_pairs: int) -> list[Pair]:
        trajectories = list(self.trajectories)
        if self.queries is not None:
            return self.queries.draw(trajectories, n_pairs, self._predict, self.rng)
        indices = self._draw_pairs(trajectories, n_pairs)
        return [
            (trajectories[first], trajectories[second]) for first, second in indices
        ]

    def _predict(self, pairs: Sequence[Pair]) -> FloatArray:
        """Return (K, B) probabilities that the first of a pair is preferred."""
        undecided = [Preference(first, second, 0.5) for first, second in pairs]
        parts = []
        for start in range(0, len(undecided), MINIBATCH):
            batch = self._batcher.batch(undecided[start : start + MINIBATCH])
            with torch.inference_mode():
                scores = self.model.member_scores(batch.rows)
                logits = torch.stack([batch.logits(of_member) for of_member in scores])
                parts.append(preference_probability(logits))
        return torch.hstack(parts).double().cpu().numpy()

    def _draw_pairs(self, trajectories: list[Trajectory], n_pairs: int) -> IntArray:
        scores = self.teacher.decided_by(trajectories) if trajectories else None
        if scores is None:
            return uniform_pairs(len(trajectories), n_pairs, self.rng)
        n_elite = round(self.config.elite_pairs * n_pairs)
        elite = elite_pairs(scores, n_elite, self.config.elite_share, self.rng)
        others = decisive_pairs(scores, n_pairs - len(elite), self.rng)
        return np.concatenate([elite, others])

    def _fit(self, steps: int) -> tuple[float | None, bool]:
        """Take gradient steps; returns the mean loss, and whether they were undone."""
        before = self._fitter.weights()
        losses = []
        for batches in islice(self._batches(), steps):
            losses.append(self._fitter.step(batches))
        loss = torch.stack(losses).mean()
        if not (bool(torch.isfinite(loss)) and self._fitter.finite()):
            self._fitter.go_back(before)
            return None, True
        self.process_reward.fitted = True
        self.model_version += 1
        self.process_reward.best = self._best_score(batches[0])
        self.process_reward.weights_changed()
        return float(loss), False

    def _batches(self) -> Iterator[list[PairBatch]]:
        """Yield a batch for each model, for one gradient step after the other."""
        preferences = list(self.preferences)
        size, models = self.config.batch_size, self.config.ensemble_size
        if size == "all":
            batch = self._batcher.batch(preferences, self.rng)
            while self._batcher.rows_recur:
                yield [batch] * models
            size = MINIBATCH
        while True:
            chosen = self.rng.integers(len(preferences), size=(models, size))
            yield [
                self._batcher.batch([preferences[i] for i in row], self.rng)
                for row in chosen
            ]

    def _best_score(self, batch: PairBatch) -> float:
        """Return the highest score of a step fitted to last."""
        if self.config.baseline == "zero":
            return 0.0
        with torch.inference_mode():
            return float(self.model(batch.rows).max())

    def _accuracy(self) -> float | None:
        if not self.held_out:
            return None
        batch = self._batcher.batch(list(self.held_out), self.rng, ACCURACY_STEPS)
        with torch.inference_mode():
            return ordered_share(batch.logits(self.model(batch.rows)), batch.labels)


def _remove(kept: deque[Preference], withdrawn: Sequence[Preference]) -> None:
    gone = {id(preference) for preference in withdrawn}
    if gone:
        remaining = [one for one in kept if id(one) not in gone]
        kept.clear()
        kept.extend(remaining)
