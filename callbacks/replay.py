"""Replay buffers for off-policy agents, in which no process reward grows old."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import (
    DictReplayBuffer,
    NStepReplayBuffer,
    ReplayBuffer,
)
from stable_baselines3.her import HerReplayBuffer

from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.config import OPRLConfig
from oprl_gym.rewards.encoding import batch_to_array
from oprl_gym.rewards.process_reward import RewardState
from oprl_gym.rewards.scoring import StepScorer, VectorStep
from oprl_gym.types import Array, FloatArray, IntArray

COMPARED = 10
"""Steps after each change of weights that are scored here as well, and compared."""


class FreshRewards(ReplayBuffer):
    """Keeps the env's rewards, and scores the rows that are drawn by today's weights.

    The part that the two buffers below share. A row holds the step of all N envs.

    Raises:
        ValueError: ``n_steps`` is no positive integer, or there are no returns of
            several steps for such observations or memory.
    """

    def __init__(
        self, *args: Any, n_steps: int = 1, gamma: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.n_steps = n_steps
        self.gamma = gamma
        self._check_n_steps()
        self.env_rewards = np.zeros_like(self.rewards)
        # Of each step: is what it started from new in the episode, and what it led to?
        self.first_visits = np.zeros((*self.rewards.shape, 2), dtype=np.bool_)
        # `dones` with `timeouts` say so too, but only if timeouts are to be handled.
        self.terminated = np.zeros(self.rewards.shape, dtype=np.bool_)
        # With `optimize_memory_usage`, where the next episode's first observation takes
        # their place: what the last steps of episodes led to, by row and env.
        self.ends: dict[tuple[int, int], Array] = {}
        self.scorer: StepScorer | None = None  # given by OPRLCallback
        # Scores what is compared: a score rounds differently among others, and those
        # that are drawn are not to depend on it.
        self._second: StepScorer | None = None
        self._to_compare = 0  # steps

    def load_reward_state(self, state: RewardState) -> None:
        """Score by this process reward from now on, if there is a scorer."""
        if self.scorer is not None:
            self.scorer.load_reward_state(state)
            self._second = copy.deepcopy(self.scorer)
            self._to_compare = COMPARED

    def _check_n_steps(self) -> None:
        n_steps: Any = self.n_steps  # of a script that no type checker reads
        if not (isinstance(n_steps, int | np.integer) and n_steps >= 1):
            raise ValueError(
                f"n_steps must be an integer of at least 1, got {n_steps!r}"
            )
        if n_steps == 1:
            return
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError(
                f"n_steps={n_steps} works with observations that are no Dict: put "
                "gymnasium.wrappers.FlattenObservation inside the reward wrapper, or "
                "leave n_steps out"
            )
        if self.optimize_memory_usage:
            raise ValueError(
                f"n_steps={n_steps} and optimize_memory_usage=True do not go together; "
                "leave out one of the two"
            )

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store one step of all N envs.

        Raises:
            ValueError: The env has no reward wrapper, or what it gave is remade outside
                that.
        """
        if any("env_reward" not in info for info in infos):
            raise ValueError(
                f"{type(self).__name__} reads info['env_reward'], which this env does "
                "not give: wrap it in ProcessRewardWrapper or VecProcessReward"
            )
        self.env_rewards[self.pos] = [info["env_reward"] for info in infos]
        self.first_visits[self.pos] = [info["oprl_first_visits"] for info in infos]
        truncated = [info.get("TimeLimit.truncated", False) for info in infos]
        self.terminated[self.pos] = (np.asarray(done) > 0) & ~np.array(truncated)
        if self.scorer is not None:
            self._check_rewards(self.scorer, reward, infos)
            next_obs = _with_own_ends(next_obs, infos)
        if self.optimize_memory_usage:
            self._keep_ends(next_obs, done)
        row = self.pos
        super().add(obs, next_obs, action, reward, done, infos)
        if self._second is not None and self._to_compare:
            self._to_compare -= 1
            self._check_scores(self._second, row, infos)

    def _keep_ends(self, next_obs: Any, done: np.ndarray) -> None:
        for env in range(self.n_envs):
            self.ends.pop((self.pos, env), None)
            if done[env]:
                self.ends[self.pos, env] = np.array(next_obs[env])

    def _check_rewards(
        self, scorer: StepScorer, rewards: np.ndarray, infos: list[dict[str, Any]]
    ) -> None:
        """Refuse rewards that would not come out the same when they are drawn."""
        scores = np.array([info["process_reward"] for info in infos])
        mixed = scorer.mixed(self.env_rewards[self.pos], scores)
        if not np.allclose(rewards, mixed, rtol=1e-4, atol=1e-5):
            raise ValueError(
                f"rewards {rewards} reach {type(self).__name__}, but the reward "
                f"wrapper gave {mixed}: what remakes rewards outside it (a clip, a "
                "frame skip) is lost when they are scored anew; put it inside "
                "ProcessRewardWrapper or VecProcessReward"
            )

    def _check_scores(
        self, scorer: StepScorer, row: int, infos: list[dict[str, Any]]
    ) -> None:
        """Refuse a step that is scored otherwise than the reward wrapper did."""
        given = np.array([info["process_reward"] for info in infos])
        drawn = self._scores(scorer, np.array([row]))[0]
        # Devices and batches round differently; what is changed differs by far more.
        if not np.allclose(drawn, given, rtol=1e-3, atol=1e-3 * scorer.unit):
            raise ValueError(
                f"{type(self).__name__} scores as {drawn} what the reward wrapper "
                f"scored as {given}: what changes observations or actions outside it "
                "is not undone when they are scored anew; put it inside "
                "ProcessRewardWrapper or VecProcessReward (for NormalizeObservation "
                "write VecNormalize(VecProcessReward(venv)))"
            )

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        # `rewards` is what is drawn from: it is brought up to date where it will be
        # read, so that everything else may stay as Stable-Baselines3 wrote it.
        if self.scorer is not None:
            rows = self._rows_read(batch_inds)
            self.rewards[rows] = self._mixed(self.scorer, rows)
        if self.n_steps == 1:
            return super()._get_samples(batch_inds, env)
        adds_up: Any = self  # it has all that this method reads
        return NStepReplayBuffer._get_samples(adds_up, batch_inds, env)

    def _rows_read(self, batch_inds: IntArray) -> IntArray:
        """Return the rows whose rewards go into those of the steps drawn."""
        ahead = batch_inds[:, None] + np.arange(self.n_steps)
        rows = np.unique(ahead % self.buffer_size)
        return rows[rows < self.size()]

    def _mixed(self, scorer: StepScorer, rows: IntArray) -> FloatArray:
        """Return the (R, N) rewards of R rows by the weights of now."""
        env_rewards = self.env_rewards[rows].astype(np.float64)
        mixed: FloatArray = scorer.mixed(env_rewards, self._scores(scorer, rows))
        return mixed

    def _scores(self, scorer: StepScorer, rows: IntArray) -> FloatArray:
        """Return the (R, N) process rewards of R rows by the weights of now."""
        env_rewards = self.env_rewards[rows].astype(np.float64)
        dones, terminated = self.dones[rows] > 0, self.terminated[rows]
        first_visits = _flat(self.first_visits[rows])
        step = VectorStep(
            observations=self._values(scorer, _flat_parts(self.observations, rows)),
            first_visits=first_visits[:, 0],
            actions=self._actions(rows),
            env_rewards=env_rewards.reshape(-1),
            reached=self._values(scorer, self._reached(rows)),
            reached_first=first_visits[:, 1],
            terminated=terminated.reshape(-1),
            truncated=(dones & ~terminated).reshape(-1),
        )
        return scorer.score(step).reshape(env_rewards.shape)

    def _values(self, scorer: StepScorer, stored: Any) -> Array:
        """Return stored observations, (R * N, ...), as the scorer reads them."""
        space = scorer.observation_space
        if isinstance(stored, dict):
            n = len(next(iter(stored.values())))
            return batch_to_array(space, stored, n)
        shape = space.shape or ()
        return np.asarray(stored).reshape(len(stored), *shape)

    def _reached(self, rows: IntArray) -> Any:
        """Return the (R * N, ...) observations that the steps of R rows led to."""
        if not self.optimize_memory_usage:
            return _flat_parts(self.next_observations, rows)
        reached = self.observations[(rows + 1) % self.buffer_size]
        for place, env in zip(*np.nonzero(self.dones[rows]), strict=True):
            reached[place, env] = self.ends[int(rows[place]), int(env)]
        return _flat(reached)

    def _actions(self, rows: IntArray) -> Array:
        """Return the actions as the env got them; those of a Box are kept scaled."""
        space = self.action_space
        actions = _flat(self.actions[rows])
        if isinstance(space, spaces.Box):
            actions = space.low + (actions + 1.0) / 2.0 * (space.high - space.low)
        return actions.reshape(len(actions), *(space.shape or ()))


def find_replay(
    model: BaseAlgorithm, wrappers: RewardWrappers, config: OPRLConfig
) -> FreshRewards | None:
    """Return the model's replay buffer with a new scorer; None if it has none to score.

    Warns where an off-policy agent has an ordinary buffer.

    Raises:
        ValueError: The buffer holds other observations or actions than the wrapper
            scores, relabels them, or discounts otherwise than the agent.
    """
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, HerReplayBuffer):
        raise ValueError(
            f"{type(buffer).__name__} draws most transitions with another goal and the "
            "reward of compute_reward(), to which no process reward is added: write "
            "replay_buffer_class=ProcessRewardDictReplayBuffer (from "
            "oprl_gym.callbacks), or train without OPRLCallback"
        )
    if isinstance(buffer, FreshRewards):
        _check_gamma(model, buffer)
        _check_spaces(buffer, wrappers, config)
        buffer.scorer = StepScorer(*wrappers.spaces(), wrappers.shaping())
        return buffer
    if buffer is not None:
        warnings.warn(
            f"the agent's {type(buffer).__name__} keeps the process rewards of the day "
            f"they were given, however old; pass it {_fitting(model, buffer)} (from "
            "oprl_gym.callbacks)",
            stacklevel=2,
        )
    return None


def _fitting(model: BaseAlgorithm, buffer: ReplayBuffer) -> str:
    """Return the arguments that take the place of an ordinary buffer."""
    if isinstance(buffer, NStepReplayBuffer):
        returns = {"n_steps": buffer.n_steps, "gamma": buffer.gamma}
        return (
            "replay_buffer_class=ProcessRewardReplayBuffer, "
            f"replay_buffer_kwargs={returns} in place of n_steps"
        )
    is_dict = isinstance(model.observation_space, spaces.Dict)
    kind = ProcessRewardDictReplayBuffer if is_dict else ProcessRewardReplayBuffer
    return f"replay_buffer_class={kind.__name__}"


def _check_gamma(model: BaseAlgorithm, buffer: FreshRewards) -> None:
    gamma = getattr(model, "gamma", buffer.gamma)
    if buffer.n_steps > 1 and buffer.gamma != gamma:
        returns = {"n_steps": buffer.n_steps, "gamma": gamma}
        raise ValueError(
            f"the replay buffer discounts by gamma={buffer.gamma}, the agent by "
            f"{gamma}: write replay_buffer_kwargs={returns}"
        )


def _check_spaces(
    buffer: FreshRewards, wrappers: RewardWrappers, config: OPRLConfig
) -> None:
    observation_space, action_space = wrappers.spaces()
    if buffer.observation_space != observation_space:
        raise ValueError(
            f"the replay buffer holds observations of {buffer.observation_space}, but "
            f"the reward wrapper scores those of {observation_space}: put "
            "VecProcessReward around whatever changes them (VecFrameStack, "
            "VecTransposeImage, ...)"
        )
    reads_actions = config.reward_input == "obs_action"
    if reads_actions and buffer.action_space != action_space:
        raise ValueError(
            f"the replay buffer holds actions of {buffer.action_space}, but the reward "
            f"wrapper scores those of {action_space}: put ProcessRewardWrapper or "
            "VecProcessReward around whatever changes them"
        )


def _with_own_ends(next_obs: Any, infos: list[dict[str, Any]]) -> Any:
    """Return (N, ...) observations, the terminal ones as the reward wrapper saw them.

    Under VecNormalize Stable-Baselines3 has those from a normalisation and its inverse;
    as the normalisation clips, a rarely seen one comes back as another.
    """
    key = "oprl_terminal_observation"
    ended = {env: info[key] for env, info in enumerate(infos) if key in info}
    if not ended:
        return next_obs
    own = copy.deepcopy(next_obs)
    for env, terminal in ended.items():
        if isinstance(own, dict):
            for name, values in own.items():
                values[env] = terminal[name]
        else:
            own[env] = terminal
    return own


def _flat_parts(stored: Any, rows: IntArray) -> Any:
    """Return some rows of stored observations, which may be parts of Dict ones."""
    if isinstance(stored, dict):
        return {key: _flat(values[rows]) for key, values in stored.items()}
    return _flat(stored[rows])


def _flat(values: np.ndarray) -> np.ndarray:
    """Return (R, N, ...) as (R * N, ...)."""
    return values.reshape(-1, *values.shape[2:])


class ProcessRewardReplayBuffer(FreshRewards):
    """A replay buffer that adds the process reward when a transition is drawn.

    An ordinary one keeps the reward that the model of the day gave, long after a better
    model has come. Pass it as ``replay_buffer_class`` of DQN, SAC, TD3, ...;
    ``OPRLCallback`` finds it and hands it every new model. For Dict observations:
    :class:`ProcessRewardDictReplayBuffer`.

    Args: as of ``stable_baselines3.common.buffers.ReplayBuffer``; also ``n_steps`` and
        ``gamma`` of ``NStepReplayBuffer``, for returns of several steps:
        ``replay_buffer_kwargs={"n_steps": 3, "gamma": 0.99}``.

    Raises:
        ValueError: ``n_steps`` makes no sense. Later, of a step: the env has no reward
            wrapper, or a wrapper outside that changes rewards, observations or actions.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from oprl_gym.callbacks import OPRLCallback, ProcessRewardReplayBuffer
        >>> from oprl_gym.wrappers import ProcessRewardWrapper
        >>> from stable_baselines3 import DQN
        >>> env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"))
        >>> model = DQN(
        ...     "MlpPolicy", env, replay_buffer_class=ProcessRewardReplayBuffer,
        ...     buffer_size=10_000, seed=0,
        ... )
        >>> model = model.learn(1_000, callback=OPRLCallback())
    """


class ProcessRewardDictReplayBuffer(FreshRewards, DictReplayBuffer):
    """:class:`ProcessRewardReplayBuffer` for Dict observations.

    Args: as of ``stable_baselines3.common.buffers.DictReplayBuffer``.
    """
