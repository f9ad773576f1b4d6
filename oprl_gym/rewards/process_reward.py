"""A reward model bound to an env's spaces: arrays in, scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from gymnasium import spaces

from oprl_gym.config import check_choice, is_finite, one_line, shown
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.quick_model import FEW, QuickModel
from oprl_gym.rewards.row_table import RowTable
from oprl_gym.rewards.tensors import to_arrays
from oprl_gym.types import Array, BoolArray, FloatArray, RewardInput, Trajectory


@dataclass(frozen=True)
class RewardState:
    """All that a process reward is, in NumPy: what travels to the wrappers.

    Attributes:
        reward_input: Which part of a step is scored.
        input_dim: Length of an input row.
        hidden_size: Units in each hidden layer.
        ensemble_size: Number of networks K.
        fitted: False as long as the weights are random; every score is then 0.
        first_visits: Whether a row tells if its observation is new in the episode.
        unit: What a score of 1 is worth beside the env's reward, by how it pays
            (:class:`~oprl_gym.preferences.pay.EnvPay`). 0 where it was learned from
            answers without margins, which know of no unit; it is 1 then.
        late: Whether the env pays only with the end of each episode (likewise).
        weights: The model's tensors by name, with the statistics of its inputs.

    Raises:
        ValueError: A value is out of range.
    """

    reward_input: RewardInput
    input_dim: int
    hidden_size: int
    ensemble_size: int
    fitted: bool
    first_visits: bool
    unit: float
    late: bool
    weights: dict[str, Array]

    def __post_init__(self) -> None:
        """Check every value: it may come out of anybody's file."""
        check_choice("reward_input", self.reward_input, get_args(RewardInput))
        for name in ("input_dim", "hidden_size", "ensemble_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not (is_finite(self.unit) and self.unit >= 0):
            raise ValueError(f"unit must be a number >= 0, got {self.unit}")


class ProcessReward:
    """Scores steps by a :class:`ProcessRewardModel`; exactly 0 while it is unfitted.

    Args:
        encoder: Turns steps into the model's input rows.
        model: The network(s); their input length must be the encoder's.
        device: Where they compute: "cpu", "cuda" or any other that torch knows.
    """

    def __init__(
        self, encoder: StepEncoder, model: ProcessRewardModel, device: str = "cpu"
    ) -> None:
        if model.input_dim != encoder.input_dim:
            raise ValueError(_other_rows(model.input_dim, encoder))
        self.encoder = encoder
        self.device = torch.device(device)
        self.model = model.to(self.device)
        self.fitted = False
        self.unit = 1.0
        self.late = False
        self._table = RowTable()
        self._known_scores = np.zeros(0, dtype=np.float32)
        self._quick: QuickModel | None = None  # until the weights change

    @classmethod
    def from_state(
        cls,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        state: RewardState,
        device: str = "cpu",
    ) -> ProcessReward:
        """Build the process reward that ``state`` describes, for these spaces.

        Raises:
            ValueError: The state was made for other spaces, or its weights are not
                those of the model it describes.
        """
        _check_size(state)
        encoder = StepEncoder(
            observation_space, action_space, state.reward_input, state.first_visits
        )
        if encoder.input_dim != state.input_dim:
            raise ValueError(_other_rows(state.input_dim, encoder))
        model = new_model(encoder, state.hidden_size, state.ensemble_size)
        reward = cls(encoder, model, device)
        reward.load_state(state)
        return reward

    def state(self) -> RewardState:
        """Return a copy of everything a wrapper needs to give the same scores."""
        return RewardState(
            reward_input=self.encoder.reward_input,
            input_dim=self.model.input_dim,
            hidden_size=self.model.hidden_size,
            ensemble_size=self.model.ensemble_size,
            fitted=self.fitted,
            first_visits=self.encoder.first_visits,
            unit=self.unit,
            late=self.late,
            weights=to_arrays(dict(self.model.state_dict())),
        )

    def is_like(self, state: RewardState) -> bool:
        """Return whether a state is one of the same kind of model."""
        return (
            self.encoder.reward_input == state.reward_input
            and self.encoder.first_visits == state.first_visits
            and self.model.input_dim == state.input_dim
            and self.model.hidden_size == state.hidden_size
            and self.model.ensemble_size == state.ensemble_size
        )

    def load_state(self, state: RewardState) -> None:
        """Take over new weights for the same kind of model, and forget all rows seen.

        A score rounds differently among others, and whoever loads a state is to score
        as anybody else does who loads it.

        Raises:
            ValueError: They are of another kind of model, or no numbers.
        """
        weights = {name: torch.tensor(value) for name, value in state.weights.items()}
        for name, values in weights.items():
            if not bool(torch.isfinite(values.float()).all()):
                raise ValueError(f"its weights {shown(name)} are NaN or infinite")
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            words = f"not the weights of such a model: {one_line(error)}"
            raise ValueError(words) from error
        self._table = RowTable()
        self.changed(fitted=state.fitted, unit=state.unit, late=state.late)

    def changed(self, **known: Any) -> None:
        """Forget the scores given so far, as the model's weights have changed.

        Args:
            known: What else is known now: ``fitted``, ``unit``, ``late``.
        """
        for name, value in known.items():
            setattr(self, name, value)
        self._known_scores = np.zeros(0, dtype=np.float32)
        self._quick = None

    def score_episode(self, episode: Trajectory) -> FloatArray:
        """Score the T steps of an episode; returns (T,) float32."""
        led_to = self.encoder.reads_next
        read = slice(1, None) if led_to else slice(None, -1)
        return self.score(
            episode.observations[read], episode.first_visits[read], episode.actions
        )

    def score(
        self, observations: Array, first_visits: BoolArray, actions: Array | None = None
    ) -> FloatArray:
        """Score n steps by the observation of each that the model reads.

        Args:
            observations: (n, ...); those the steps led to for "next_obs", else those
                they started from.
            first_visits: (n,) whether each is new in its episode.
            actions: (n, ...) taken; read for "obs_action" alone.

        Returns (n,) float32.

        Raises:
            ValueError: The model reads actions, and none are given: it has no score for
                a state alone.
        """
        if self.encoder.reward_input == "obs_action" and actions is None:
            raise ValueError(
                "a model with reward_input='obs_action' has no score for a state "
                "alone; use reward_input='next_obs' or 'obs'"
            )
        if not self.fitted:
            return np.zeros(len(observations), dtype=np.float32)
        return self._score(self.encoder.rows(observations, first_visits, actions))

    def _score(self, rows: FloatArray) -> FloatArray:
        # Hardly a real-valued row comes twice.
        numbers = None if self.encoder.varied.any() else self._table.numbers(rows)
        if numbers is None:
            return self._predict(rows)
        known = len(self._known_scores)
        if known < len(self._table):
            fresh = self._predict(self._table.rows(known))
            self._known_scores = np.concatenate([self._known_scores, fresh])
        return self._known_scores[numbers]

    def _predict(self, rows: FloatArray) -> FloatArray:
        if len(rows) <= FEW and self.encoder.image is None:
            self._quick = self._quick or QuickModel(self.model)
            return self._quick(rows)
        with torch.inference_mode():
            scores = self.model(torch.as_tensor(rows, device=self.device))
            raw: FloatArray = scores.cpu().numpy()
        return raw


def new_model(
    encoder: StepEncoder,
    hidden_size: int,
    ensemble_size: int,
    generator: torch.Generator | None = None,
) -> ProcessRewardModel:
    """Return an unfitted model that reads the rows of an encoder.

    Args:
        encoder: Says how long a row is, and what of it is a picture.
        hidden_size: Units in each hidden layer.
        ensemble_size: Number of networks K.
        generator: Source of the initial weights; None takes one of seed 0.
    """
    return ProcessRewardModel(
        encoder.input_dim,
        hidden_size,
        ensemble_size,
        generator,
        encoder.varied.tolist(),
        encoder.image,
    )


def _check_size(state: RewardState) -> None:
    """Check that there are as many weights as a model has at least, before it is made.

    Raises:
        ValueError: There are less, so that it need not be made to see that.
    """
    numbers = sum(np.size(values) for values in state.weights.values())
    networks, units = state.ensemble_size, state.hidden_size
    if networks > len(state.weights) or networks * units**2 > numbers:
        raise ValueError(
            f"ensemble_size={shown(networks)} and hidden_size={shown(units)} make a "
            f"larger model than its {numbers:,} weights"
        )


def _other_rows(input_dim: int, encoder: StepEncoder) -> str:
    return (
        f"the reward model reads rows of {input_dim} values, but "
        f"{encoder.reward_input!r} of this env has {encoder.input_dim}; it was "
        "made for another env or another reward_input"
    )
