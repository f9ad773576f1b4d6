"""Replay buffers for off-policy agents, in which no process reward grows old."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from gymnasium import spaces
from oprl_gym.callbacks.reward_wrappers import RewardPort
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer

from oprl_gym.rewards.encoding import batch_to_array
from oprl_gym.rewards.scoring import StepScorer, VectorStep
from oprl_gym.types import Array, FloatArray, IntArray


class FreshRewards(ReplayBuffer):
    """Keeps the env's rewards, and scores the rows that are drawn by today's weights.

    The part that the two buffers below share. A row holds the step of all N envs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.env_rewards = np.zeros_like(self.rewards)
        # Of each step: is what it started from new in the episode, and what it led to?
        self.first_visits = np.zeros((*self.rewards.shape, 2), dtype=np.bool_)
        # `dones` with `timeouts` say so too, but only if timeouts are to be handled.
        self.terminated = np.zeros(self.rewards.shape, dtype=np.bool_)
        # With `optimize_memory_usage`, where the next episode's first observation takes
        # their place: what the last steps of episodes led to, by row and env.
        self.ends: dict[tuple[int, int], Array] = {}
        self.scorer: StepScorer | None = None  # given by OPRLCallback

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
            ValueError: The env has no reward wrapper, or its rewards are remade.
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
        super().add(obs, next_obs, action, reward, done, infos)

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

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        # `rewards` is what is drawn from: it is brought up to date where it will be
        # read, so that everything else may stay as Stable-Baselines3 wrote it.
        if self.scorer is not None:
            rows = np.unique(batch_inds)
            self.rewards[rows] = self._mixed(self.scorer, rows)
        return super()._get_samples(batch_inds, env)

    def _mixed(self, scorer: StepScorer, rows: IntArray) -> FloatArray:
        """Return the (R, N) rewards of R rows by the weights of now."""
        env_rewards = self.env_rewards[rows].astype(np.float64)
        dones, terminated = self.dones[rows] > 0, self.terminated[rows]
        first_visits = _flat(self.first_visits[rows])
        step = VectorStep(
            observations=self._values(scorer, _flat_parts(self.observations, rows)),
            first_visits=first_visits[:, 0],
            actions=self._actions(scorer.action_space, rows),
            env_rewards=env_rewards.reshape(-1),
            reached=self._values(scorer, self._reached(rows)),
            reached_first=first_visits[:, 1],
            terminated=terminated.reshape(-1),
            truncated=(dones & ~terminated).reshape(-1),
        )
        scores = scorer.score(step).reshape(env_rewards.shape)
        mixed: FloatArray = scorer.mixed(env_rewards, scores)
        return mixed

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

    def _actions(self, space: spaces.Space[Any], rows: IntArray) -> Array:
        """Return the actions as the env got them; those of a Box are kept scaled."""
        actions = _flat(self.actions[rows])
        if isinstance(space, spaces.Box):
            actions = space.low + (actions + 1.0) / 2.0 * (space.high - space.low)
        return actions.reshape(len(actions), *(space.shape or ()))


def find_replay(model: BaseAlgorithm, port: RewardPort) -> StepScorer | None:
    """Return the scorer of the model's replay buffer, made new; None if it has none.

    Warns where an off-policy agent has an ordinary buffer.

    Raises:
        ValueError: The buffer holds other observations than the wrapper scores.
    """
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return None
    if not isinstance(buffer, FreshRewards):
        is_dict = isinstance(model.observation_space, spaces.Dict)
        fitting = (
            ProcessRewardDictReplayBuffer if is_dict else ProcessRewardReplayBuffer
        )
        warnings.warn(
            f"the agent's {type(buffer).__name__} keeps the process rewards of the day "
            "they were given, however old; pass it "
            f"replay_buffer_class={fitting.__name__} (from oprl_gym.callbacks)",
            stacklevel=2,
        )
        return None
    observation_space, action_space = port.spaces()
    if buffer.observation_space != observation_space:
        raise ValueError(
            f"the replay buffer holds observations of {buffer.observation_space}, but "
            f"the reward wrapper scores those of {observation_space}: put "
            "VecProcessReward around whatever changes them (VecFrameStack, "
            "VecTransposeImage, ...)"
        )
    buffer.scorer = StepScorer(observation_space, action_space, port.shaping())
    return buffer.scorer


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

    Args: as of ``stable_baselines3.common.buffers.ReplayBuffer``.

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
