"""OPRLLearner: the algorithm, without Stable-Baselines3."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from oprl_gym.config import OPRLConfig, check_config, shown
from oprl_gym.files.fields import check_values, from_dict
from oprl_gym.learning.answers import Answers, gathered
from oprl_gym.learning.batches import PairBatch, PairBatcher
from oprl_gym.learning.fitting import RewardFitter
from oprl_gym.learning.memory import Memory
from oprl_gym.learning.minibatches import minibatches
from oprl_gym.learning.restraint import restraints
from oprl_gym.preferences.default_teacher import check_teacher, make_teacher
from oprl_gym.preferences.pay import EnvPay
from oprl_gym.preferences.queries import Pair, Queries, check_queries
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.rewards.encoding import StepEncoder, array_shape
from oprl_gym.rewards.losses import ordered
from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.process_reward import ProcessReward, RewardState, new_model
from oprl_gym.rewards.scoring import ALONE
from oprl_gym.rewards.tensors import available_device
from oprl_gym.types import FloatArray, Preference, Trajectory, UpdateReport

ASKED = 64
"""Pairs a teacher is asked about in an update if it cannot judge all at once."""

UNDONE = 3
"""Fits undone one after another, after which it is said."""

UNPAID_STEPS = 60
"""Steps of an episode for which a score is worth 1 until the env has paid for a step
(measured), up to what it is worth alone. An episode's scores add up to ``reach`` at
most: what a step earns would shrink as episodes grow longer, and who goes by magnitudes
would not see it."""

FORETOLD, FORETELL, FORETELL_STEPS = 256, 64, 32
"""The accuracy is told by so many answers, at most so many of an update, foretold by so
many steps of each episode."""


_STATE = {
    "config": dict,
    "reward": dict,
    "optimizer": dict,
    "memory": dict,
    "pay": dict,
    "foretold": list,
    "spread": float | None,
    "rows": dict,
    "judged_by": str,
    "teacher": dict,
    "taken_in": int,
    "model_version": int,
    "rng": dict,
}


class OPRLLearner:
    """Learns a process reward from preferences between the episodes it is given.

    Each update takes in new episodes, lets the teacher judge pairs of kept ones, and
    fits the reward model to the answers by the Bradley-Terry loss. A rule judges all
    pairs at once, by what is known now; whoever has to be asked about single pairs is
    asked about some, and the answers are kept.

    Args:
        observation_space: Space of one env's observation.
        action_space: Space of one env's action.
        config: Settings; None takes the defaults.
        teacher: Who judges; None takes what ``config.rule`` says.
        seed: Seed or generator of everything random in here: initial weights, pairs,
            minibatches. None draws one from the operating system.
        queries: How the pairs that are asked about are chosen, and whether whole or in
            pieces; None takes any two whole episodes.
        device: Where the reward model is fitted: "cpu", "cuda", ..., or "auto", which
            takes a GPU if there is one. Small networks are faster on the CPU; one that
            reads pictures is not. The scoring wrappers have a device of their own.

    Raises:
        ValueError: A space cannot be read, there is no such device, or the config or
            the teacher or the queries are none.

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
        check_config(config)
        check_teacher(teacher)
        self.config = config = OPRLConfig() if config is None else config
        check_queries(queries, config.ensemble_size)
        self.teacher = make_teacher(config) if teacher is None else teacher
        self.queries = Queries() if queries is None else queries
        self.memory = Memory(
            config.trajectory_capacity, config.best_capacity, config.preference_capacity
        )
        self.rng = np.random.default_rng(seed)
        encoder = StepEncoder(
            observation_space,
            action_space,
            config.reward_input,
            config.see_first_visits,
        )
        weights = torch.Generator().manual_seed(int(self.rng.integers(2**63)))
        model = new_model(encoder, config.hidden_size, config.ensemble_size, weights)
        self.process_reward = ProcessReward(encoder, model, available_device(device))
        self.model_version = 0  # how often the model has been fitted
        self._batcher = PairBatcher(encoder, self.process_reward.device)
        self._fitter = RewardFitter(
            self.model,
            config.learning_rate,
            config.max_grad_norm,
            config.mean_prior,
            config.revisit_prior,
            config.target_error,
        )
        self._pay = EnvPay()
        self._taken_in = 0  # episodes since the last update
        # Whether the latest answers came as the model had foretold.
        self._foretold: deque[bool] = deque(maxlen=FORETOLD)
        self._spread: float | None = None
        self._undone = 0  # fits, one after another
        self._told_of_undone = False

    @property
    def trajectories(self) -> Sequence[Trajectory]:
        """The latest episodes, the oldest first."""
        return self.memory.trajectories

    @property
    def model(self) -> ProcessRewardModel:
        """The reward model being fitted."""
        return self.process_reward.model

    def reward_state(self) -> RewardState:
        """Return the process reward of now, for ``wrapper.load_reward_state``."""
        return self.process_reward.state()

    def observe(self, episodes: Sequence[Trajectory]) -> None:
        """Take in episodes; the next :meth:`update` will ask about them.

        For whoever has more episodes than should wait until then.

        Raises:
            ValueError: A reward is NaN or infinite; none is taken in.
        """
        _check_rewards(episodes)
        self.teacher.observe(episodes)
        self.memory.add(episodes)
        self._normalise(episodes)
        self._pay.observe(episodes)
        late = self.teacher.judges_return and bool(self._pay.late)
        self.process_reward.changed(late=late)
        self._taken_in += len(episodes)

    def update(self, episodes: Sequence[Trajectory], rounds: int = 1) -> UpdateReport:
        """Take in episodes, ask the teacher, fit the reward model.

        Args:
            episodes: Finished episodes since the last update; may be empty.
            rounds: How many times ``pairs_per_update`` and ``gradient_steps`` are due:
                an update after four intervals' worth of env steps does four rounds.
                0: none, nothing is fitted.

        Returns what was done; see :class:`UpdateReport`.
        """
        self.observe(episodes)
        taken_in, self._taken_in = self._taken_in, 0
        answers = self._judged()
        asked = answers is None
        if answers is None:
            new, rounds = self._ask(rounds)
            preferences = list(self.memory.preferences)
            kept, answers = len(preferences), gathered(preferences)
            newest = gathered(preferences[max(0, kept - new) :])
        else:
            newest = answers.about_last(taken_in)
            kept, new = len(answers), len(newest)
        # Answers without margins know of no unit.
        self.process_reward.changed(unit=0.0 if asked else self._unit())
        self._foretell(newest)
        loss, reverted, steps, told = None, False, 0, new
        if asked and not new and self.teacher.done:
            answers, told = self._restrained(answers, taken_in)
        # Where nothing new was told there is nothing to fit to, only more to overfit.
        if told and rounds and kept >= self.config.min_preferences:
            most = rounds * self.config.gradient_steps
            loss, reverted, steps = self._fit(answers, asked, most)
        return UpdateReport(
            new_trajectories=taken_in,
            new_preferences=new,
            preferences=kept,
            gradient_steps=steps,
            reward_loss=loss,
            accuracy=float(np.mean(self._foretold)) if self._foretold else None,
            score_spread=self._spread,
            reverted=reverted,
        )

    def state(self) -> dict[str, Any]:
        """Return all that it takes to go on from here: nested dicts, lists and arrays.

        What a teacher of your own remembers is saved if it has a ``state``
        (:class:`oprl_gym.preferences.Teacher`).
        """
        return {
            "config": asdict(self.config),
            "reward": asdict(self.reward_state()),
            "optimizer": self._fitter.state(),
            "memory": self.memory.state(),
            "pay": self._pay.state(),
            "foretold": list(self._foretold),
            "spread": self._spread,
            "rows": self._batcher.state(),
            "judged_by": self._judged_by,
            "teacher": self.teacher.state(),
            "taken_in": self._taken_in,
            "model_version": self.model_version,
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state` returned, perhaps in another process.

        Raises:
            ValueError: It is the state of a learner with other settings or spaces, or
                another kind of teacher, or none.
        """
        self.check_state(state)
        self.process_reward.load_state(from_dict(RewardState, state["reward"]))
        self._fitter.load_state(state["optimizer"])
        trajectories = self.memory.load_state(state["memory"])
        for one in trajectories:
            self._check_readable(one)
        if self.teacher.answers_again:
            self.memory.preferences.clear()
        self._pay.load_state(state["pay"])
        self._foretold.clear()
        self._foretold.extend(map(bool, state["foretold"]))
        self._spread = state["spread"]
        self._batcher.load_state(state["rows"])
        self.teacher.load_state(state["teacher"], trajectories)
        self._taken_in = state["taken_in"]
        self.model_version = state["model_version"]
        self.rng.bit_generator.state = state["rng"]

    def check_state(self, state: dict[str, Any]) -> None:
        """Check that a state is that of a learner like this one; changes nothing.

        Raises:
            ValueError: As :meth:`load_state`.
        """
        check_values(state, _STATE)
        self._check_config(state["config"])
        if state["judged_by"] != self._judged_by:
            raise ValueError(
                f"its teacher is a {shown(state['judged_by'])}, here it is a "
                f"{self._judged_by}: give the learner the same teacher, or start anew"
            )

    @property
    def _judged_by(self) -> str:
        return type(self.teacher).__name__

    def _check_readable(self, episode: Trajectory) -> None:
        """Check that an episode is of this learner's spaces, and of numbers."""
        encoder = self.process_reward.encoder
        for space, values in (
            (encoder.observation_space, episode.observations),
            (encoder.action_space, episode.actions),
        ):
            if values.shape[1:] != array_shape(space):
                raise ValueError(f"an episode has rows of shape {values.shape[1:]}")
        if not _finite(episode):
            raise ValueError("an episode holds NaN or infinite numbers")

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
        self.model.normaliser.update(
            torch.from_numpy(rows).to(self.process_reward.device)
        )

    def _unit(self) -> float:
        """Return what a score of 1 is worth beside the env's reward."""
        if self._pay.paid:
            return self._pay.unit
        steps = sum(map(len, self.trajectories)) / max(1, len(self.trajectories))
        return max(self._pay.unit, min(ALONE, steps / UNPAID_STEPS))

    def _judged(self) -> Answers | None:
        """Return the answers about all pairs, if they are wanted and can be had."""
        if self.config.pairs_per_update != "all":
            return None
        return self.memory.judged(self.teacher)

    def _ask(self, rounds: int) -> tuple[int, int]:
        """Ask about pairs and keep the answers, and those to earlier questions.

        Returns how many came, and how many rounds of fitting they are due: answers that
        come all at once are due as much as one by one.
        """
        wanted = self.config.pairs_per_update
        wanted = ASKED if wanted == "all" else wanted
        new = late = self.memory.take(self.teacher.collect(self.model_version))
        trajectories = list(self.memory.trajectories)
        pairs = self.queries.draw(
            trajectories, rounds * wanted, self._predict, self.rng
        )
        for first, second in pairs:
            label = self.teacher.judge(first, second)
            if label is not None:
                self.memory.preferences.append(Preference(first, second, label))
                new += 1
        return new, max(rounds, -(-late // wanted))

    def _restrained(self, answers: Answers, taken_in: int) -> tuple[Answers, int]:
        """Add what holds new episodes back; returns how many that concerns, too."""
        if not (len(answers) and taken_in and self.process_reward.fitted):
            return answers, 0
        newest = list(self.trajectories)[-taken_in:]
        pieces = [self.queries.piece(episode, self.rng) for episode in newest]
        held_back = restraints(answers, pieces, self._process_returns)
        return gathered([*self.memory.preferences, *held_back]), len(held_back)

    def _process_returns(self, trajectories: Sequence[Trajectory]) -> FloatArray:
        """Return the (M,) process returns of M trajectories by the model of now."""
        sums = self._sums(*self._batcher.looked_at(trajectories)).mean(dim=0)
        returns: FloatArray = sums.double().numpy()
        return returns

    def _predict(self, pairs: Sequence[Pair]) -> FloatArray:
        """Return (K, B) probabilities that the first of a pair is preferred."""
        parts = [
            self._predict_some(pairs[start : start + ASKED])
            for start in range(0, len(pairs), ASKED)
        ]
        return np.concatenate(parts, axis=1)

    def _predict_some(self, pairs: Sequence[Pair]) -> FloatArray:
        sides = list(dict.fromkeys(side for pair in pairs for side in pair))
        place = {side: number for number, side in enumerate(sides)}
        first = [place[one] for one, _ in pairs]
        second = [place[one] for _, one in pairs]
        sums = self._sums(*self._batcher.looked_at(sides))
        likely = torch.sigmoid(sums[:, first] - sums[:, second])
        probabilities: FloatArray = likely.double().numpy()
        return probabilities

    def _sums(self, rows: FloatArray, visits: FloatArray) -> Tensor:
        """Return the (K, S) scores of S trajectories that are (S, U) at (U, d) rows."""
        with torch.inference_mode():
            on_device = torch.from_numpy(rows).to(self.process_reward.device)
            scores = self.model.member_scores(on_device).cpu()
            return scores @ torch.from_numpy(visits).t()

    def _foretell(self, newest: Answers) -> None:
        """Note which of the new answers the model would have given."""
        if not (self.process_reward.fitted and len(newest)):
            return
        some = newest.draw(FORETELL, self.rng)
        seen = self._batcher.looked_at(some.trajectories, self.rng, FORETELL_STEPS)
        sums = self._sums(*seen).mean(dim=0)
        known = torch.from_numpy(some.weights > 0)
        logits = (sums[:, None] - sums)[known]
        labels = torch.from_numpy(some.labels)[known]
        self._foretold.extend(ordered(logits, labels).tolist())

    def _set_reach(self, answers: Answers) -> None:
        steps = np.mean([len(one) for one in answers.trajectories])
        self.model.reach.fill_(min(1.0, self.config.reach / float(steps)))

    def _batches(self, answers: Answers, asked: bool) -> Iterator[list[PairBatch]]:
        """Yield what each gradient step looks at, for ever."""
        return minibatches(answers, asked, self.config, self._batcher, self.rng)

    def _fit(
        self, answers: Answers, asked: bool, most: int
    ) -> tuple[float | None, bool, int]:
        """Take gradient steps, until the answers are learned or there were so many.

        Returns the loss, whether the steps were undone, and how many there were.
        """
        before, reach = self._fitter.weights(), self.model.reach.clone()
        self._set_reach(answers)
        steps = 0
        for of_step in islice(self._batches(answers, asked), most):
            if not self._fitter.step(of_step):
                break
            steps += 1
        loss = self._fitter.loss(of_step)
        if not (bool(torch.isfinite(loss)) and self._fitter.finite()):
            self._fitter.go_back(before)
            self.model.reach.copy_(reach)
            self._note_undone(answers)
            return None, True, steps
        self._undone = 0
        self.model_version += 1
        self.process_reward.changed(fitted=self.process_reward.fitted or steps > 0)
        with torch.inference_mode():
            scores = self.model(of_step[0].seen(of_step[0].rows)) / self.model.reach
            self._spread = float(scores.std(correction=0))
        return float(loss), False, steps

    def _note_undone(self, answers: Answers) -> None:
        """Say so, once, where fits are undone again and again."""
        self._undone += 1
        if self._undone < UNDONE or self._told_of_undone:
            return
        self._told_of_undone = True
        spoilt = sum(not _finite(one) for one in answers.trajectories)
        why = (
            f"{spoilt} of the {len(answers.trajectories)} episodes compared hold NaN "
            "or infinite numbers: take them out"
            if spoilt
            else "a smaller learning_rate may help"
        )
        warnings.warn(
            f"nothing is learned any more: {UNDONE} fits of the reward model in a row "
            f"gave NaN or infinite numbers and were undone; {why}",
            stacklevel=2,
        )


def _check_rewards(episodes: Sequence[Trajectory]) -> None:
    for number, one in enumerate(episodes):
        wrong = np.flatnonzero(~np.isfinite(one.env_rewards))
        if len(wrong):
            raise ValueError(
                f"episode {number} of the {len(episodes)} given was paid "
                f"{one.env_rewards[wrong[0]]} in step {wrong[0]}: leave it out"
            )


def _finite(episode: Trajectory) -> bool:
    """Return whether an episode's observations and rewards are numbers."""
    parts = (episode.observations, episode.env_rewards, episode.process_rewards)
    return all(bool(np.isfinite(part).all()) for part in parts)
