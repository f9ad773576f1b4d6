"""How good a trained agent is on the plain env, and what it does there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from oprl_gym.envs import Layout
from oprl_gym.rewards import ProcessReward, load_process_reward
from oprl_gym.rewards.encoding import to_array
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import EnvFacts, env_facts, make_env, maze_of
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.success import episode_success, reward_threshold, settle
from oprl_gym.types import Array, FloatArray, Trajectory

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import PolicyPredictor

EPISODES = 100
N_ENVS = 10
SEED_OFFSET = 1_000_000
"""Evaluation envs get other seeds than those the agent was trained in."""
MAX_STEPS = 10_000
"""Steps after which the episode to look at is broken off, should nothing end it."""


@dataclass(frozen=True)
class Evaluation:
    """What an agent did in a number of episodes.

    Attributes:
        episodes: How many.
        success_rate: Share that succeeded, 0 to 1; None if the env does not say.
        return_mean: Mean sum of the env's rewards.
        length_mean: Mean number of steps.
    """

    episodes: int
    success_rate: float | None
    return_mean: float
    length_mean: float


@dataclass
class Rollout:
    """One episode of T steps, and pictures of it if the env gives any.

    Attributes:
        most_frames: Pictures that are kept, evenly spread; None keeps all.
    """

    most_frames: int | None = None
    observations: list[Array] = field(default_factory=list)  # T+1
    actions: list[Array] = field(default_factory=list)  # T
    env_rewards: list[float] = field(default_factory=list)  # T
    cells: list[tuple[int, int]] = field(default_factory=list)  # T+1, mazes only
    frames: list[Array] = field(default_factory=list)  # T+1 or less, "rgb_array" only
    frame_steps: list[int] = field(default_factory=list)  # after how many steps
    stride: int = 1  # steps from one picture to the next

    def look(self, env: gym.Env[Any, Any]) -> None:
        """Take a picture, if one is due; twice too many make every second go."""
        if len(self.actions) % self.stride:
            return
        self._take_picture(env)
        if self.most_frames is not None and len(self.frames) >= 2 * self.most_frames:
            self.frames, self.frame_steps = self.frames[::2], self.frame_steps[::2]
            self.stride *= 2

    def look_last(self, env: gym.Env[Any, Any]) -> None:
        """Take a picture of the end, unless there is one."""
        if self.frames and self.frame_steps[-1] != len(self.actions):
            self._take_picture(env)

    def _take_picture(self, env: gym.Env[Any, Any]) -> None:
        picture: Any = env.render()
        self.frames.append(np.asarray(picture))
        self.frame_steps.append(len(self.actions))


def load_reward(
    folder: RunFolder, facts: EnvFacts | None = None
) -> ProcessReward | None:
    """Return the process reward of a run, or None if it learned none.

    Args:
        folder: Of the run.
        facts: Those of its env, if they are known.

    Raises:
        RunError: ``reward_model.safetensors`` is missing or damaged.
    """
    config = folder.config()
    if not config.oprl:
        return None
    facts = facts or env_facts(config)
    try:
        return load_process_reward(
            folder.file("reward_model.safetensors"),
            facts.observation_space,
            facts.action_space,
        )
    except (OSError, ValueError) as error:
        raise RunError(str(error)) from error


def evaluate(
    model: PolicyPredictor,
    config: TrainConfig,
    episodes: int = EPISODES,
    deterministic: bool = True,
    has_goal: bool = False,
) -> Evaluation:
    """Let an agent play on the plain env, without the learned reward.

    The same model, config and arguments give the same result; to that end Python's,
    NumPy's and torch's random states are seeded.

    Args:
        model: The agent.
        config: Of its run: the env, and the seed that decides the evaluation's.
        episodes: How many, each counted in full.
        deterministic: Whether it takes the likeliest action or draws one. A
            deterministic agent may walk in circles until the time limit.
        has_goal: Whether training has shown that the env pays for a goal alone; see
            :mod:`oprl_gym.runs.success`.
    """
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.utils import set_random_seed

    seed = (config.seed + SEED_OFFSET) % 2**32  # NumPy's seeds end there
    n_envs = min(N_ENVS, episodes)
    venv = make_vec_env(lambda: make_env(config), n_envs=n_envs, seed=seed)
    set_random_seed(seed)
    successes: list[bool | None] = []
    threshold = reward_threshold(venv)

    def note_end(local: dict[str, Any], _: dict[str, Any]) -> None:
        if local["done"]:
            info = local["info"]
            total = info["episode"]["r"]
            successes.append(episode_success(info, total, threshold, has_goal))

    returns, lengths = evaluate_policy(
        model,
        venv,
        n_eval_episodes=episodes,
        deterministic=deterministic,
        callback=note_end,
        return_episode_rewards=True,
    )
    venv.close()
    return Evaluation(
        episodes=len(successes),
        success_rate=_rate(successes),
        return_mean=float(np.mean(returns)),
        length_mean=float(np.mean(lengths)),
    )


def greedy_rollout(
    model: PolicyPredictor, env: gym.Env[Any, Any], most_steps: int | None = None
) -> Rollout:
    """Play one episode, taking the likeliest actions; see :func:`play`."""

    def likeliest(observation: Any) -> Any:
        return model.predict(observation, deterministic=True)[0]

    return play(env, likeliest, most_steps=most_steps)


def play(
    env: gym.Env[Any, Any],
    choose: Callable[[Any], Any],
    seed: int = SEED_OFFSET,
    most_frames: int | None = None,
    most_steps: int | None = None,
) -> Rollout:
    """Play one episode.

    Args:
        env: The plain env, with pictures if some are wanted.
        choose: Returns an action for an observation.
        seed: Of the episode.
        most_frames: As of :class:`Rollout`.
        most_steps: After which it is broken off; None: ``MAX_STEPS``.
    """
    rollout = Rollout(most_frames)
    observation, info = env.reset(seed=seed)
    _note_state(rollout, env, observation, info)
    most_steps = MAX_STEPS if most_steps is None else most_steps
    over = False
    while not over and len(rollout.actions) < most_steps:
        action = choose(observation)
        if isinstance(env.action_space, gym.spaces.Discrete):
            action = int(action)  # some envs look it up in a dict
        observation, reward, terminated, truncated, info = env.step(action)
        rollout.actions.append(to_array(env.action_space, action))
        rollout.env_rewards.append(float(reward))
        _note_state(rollout, env, observation, info)
        over = terminated or truncated
    rollout.look_last(env)
    return rollout


def step_rewards(reward: ProcessReward, rollout: Rollout) -> FloatArray:
    """Return the (T,) process rewards of an episode's steps."""
    none = np.zeros(len(rollout.actions))
    episode = Trajectory(
        np.stack(rollout.observations), np.stack(rollout.actions), none, none, False
    )
    return reward.score_episode(episode)


def cell_rewards(reward: ProcessReward, layout: Layout) -> FloatArray:
    """Return the (H, W) process rewards of a maze's cells, NaN at walls.

    Those of a first visit, for a model that sees that; one that scores actions as well
    gets the mean over the actions.
    """
    observations = np.eye(layout.num_states, dtype=np.float32)
    first = np.ones(layout.num_states, dtype=np.bool_)
    by_action = [
        reward.score(observations, first, np.full(layout.num_states, action))
        for action in range(4)
    ]
    scores: FloatArray = np.mean(by_action, axis=0)
    cells: FloatArray = scores.astype(np.float64).reshape(layout.shape)
    return np.where(layout.walls, np.nan, cells)


def _note_state(
    rollout: Rollout, env: gym.Env[Any, Any], observation: Any, info: dict[str, Any]
) -> None:
    rollout.observations.append(to_array(env.observation_space, observation))
    if maze_of(env) is not None:
        rollout.cells.append(info["position"])
    if env.render_mode == "rgb_array":
        rollout.look(env)


def _rate(successes: list[bool | None]) -> float | None:
    known = [success for success in settle(successes) if success is not None]
    return float(np.mean(known)) if known else None
