"""OPRLCallback: learns the process reward while a Stable-Baselines3 agent learns."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from oprl_gym.callbacks.advantages import add_rewards
from oprl_gym.callbacks.between import BetweenRollouts
from oprl_gym.callbacks.checkpoint import load_checkpoint
from oprl_gym.callbacks.replay import FreshRewards, find_replay
from oprl_gym.callbacks.reward_wrappers import RewardPort
from oprl_gym.callbacks.saver import SAVE_EVERY, CheckpointSaver
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import RolloutBuffer

from oprl_gym.config import OPRLConfig, check_config, shown
from oprl_gym.learning.learner import OPRLLearner
from oprl_gym.learning.online import rounds_due
from oprl_gym.preferences.default_teacher import check_teacher
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.types import UpdateReport

_CUT_OUTSIDE = (
    "an episode ended that the reward wrapper did not see end, so nothing can be "
    "learned from it: a wrapper outside ends episodes, as TimeLimit does; put it "
    "inside: ProcessRewardWrapper(TimeLimit(env, ...))"
)

TAKE_IN_AT = 500
"""Ended episodes that may wait in the wrappers, which keep 1000: a rollout may be long,
and from one update to the next there may be many."""


class OPRLCallback(BetweenRollouts):
    """Gathers episodes from the reward wrappers and hands them a fitted reward model.

    Between rollouts, once ``config.update_interval`` env steps have passed (later on:
    3 % of all so far, ``config.interval_growth``), it takes the finished episodes out
    of the wrapper(s), gives them to the learner and sends the new weights down; the
    rollout that has just ended is scored anew by them before the agent learns from it.
    It finds the wrapper(s) in the model's env by itself: ``ProcessRewardWrapper`` in
    each env, or ``VecProcessReward`` around all of them.

    An off-policy agent (DQN, SAC, TD3) needs ``ProcessRewardReplayBuffer``, which
    scores transitions when they are drawn.

    It logs, once the first episodes are in, ``oprl/reward_loss``, ``oprl/accuracy`` and
    ``oprl/score_spread`` (of the fit; see :class:`~oprl_gym.types.UpdateReport`),
    ``oprl/preferences``, ``oprl/env_reward_weight``,
    ``oprl/process_reward_mean`` and ``oprl/env_reward_mean`` (per step),
    ``oprl/mixed_return`` (per episode). ``rollout/ep_rew_mean`` stays the env's own
    return, also where a Monitor stands outside the wrapper and saw the mixed one.

    Args:
        config: Settings of the learner; None takes the defaults.
        teacher: Who judges pairs of episodes; None takes what ``config.rule`` says.
        learner: A learner of your own, instead of ``config`` and ``teacher``.
        verbose: As in Stable-Baselines3.
        device: Where the reward model is fitted: "cpu", "cuda", ... or "auto"; of a
            ``learner`` of your own, that is settled.
        save_path: File that the whole run is saved to, agent and envs included, and
            that :meth:`resume` goes on from; None saves nothing.
        save_every: Env steps from one checkpoint to the next.

    Raises:
        ValueError: An argument is of another kind, both a learner and a config or
            teacher were given, or there is no folder to save to. At the start of
            ``learn()``: the env has no reward wrapper; the message shows the line to
            add. In a step: the agent does not tell callbacks of its steps, as ARS, or
            the callback stands inside another one, as ``EveryNTimesteps``; a wrapper
            outside the reward wrapper ended an episode.

    Example:
        >>> import gymnasium as gym, oprl_gym
        >>> from stable_baselines3 import PPO
        >>> from oprl_gym.callbacks import OPRLCallback
        >>> from oprl_gym.wrappers import ProcessRewardWrapper
        >>> env = ProcessRewardWrapper(gym.make("OPRLMaze-v0"))
        >>> model = PPO("MlpPolicy", env, n_steps=256, seed=0)
        >>> model = model.learn(1024, callback=OPRLCallback())
    """

    def __init__(
        self,
        config: OPRLConfig | None = None,
        teacher: Teacher | None = None,
        learner: OPRLLearner | None = None,
        verbose: int = 0,
        device: str = "cpu",
        save_path: str | Path | None = None,
        save_every: int = SAVE_EVERY,
    ) -> None:
        super().__init__(verbose)
        _check_made_by_hand(config, teacher)
        check_config(config)
        check_teacher(teacher)
        if not (learner is None or isinstance(learner, OPRLLearner)):
            raise ValueError(f"learner must be an OPRLLearner, got {shown(learner)}")
        if learner is not None and (config is not None or teacher is not None):
            raise ValueError(
                "give OPRLCallback either a learner or a config and teacher, not both: "
                "a learner has its own"
            )
        self.learner = learner
        self.report: UpdateReport | None = None
        self._config = config
        self._teacher = teacher
        self._device = device
        self._port: RewardPort | None = None
        self._replay: FreshRewards | None = None  # of an off-policy agent
        self._updated_at: int | None = None  # num_timesteps of the last update
        self._waiting = 0  # episodes that ended and were not taken in
        # Steps, env return and process return of those taken in since the last update.
        self._ended: list[tuple[int, float, float]] = []
        self._stats: dict[str, float] = {}
        self._saver: CheckpointSaver | None = None
        if save_path is not None:
            self._saver = CheckpointSaver(save_path, {"oprl": self}, save_every)

    def resume(self, model: BaseAlgorithm) -> int:
        """Let ``model`` go on from the checkpoint in ``save_path``, if there is one.

        A script that may be broken off at any time, and is then started again:

        >>> import gymnasium as gym, oprl_gym, tempfile
        >>> from stable_baselines3 import PPO
        >>> from oprl_gym.callbacks import OPRLCallback
        >>> from oprl_gym.wrappers import EpisodeTape, ProcessRewardWrapper
        >>> folder = tempfile.mkdtemp()
        >>> env = ProcessRewardWrapper(EpisodeTape(gym.make("OPRLMaze-v0")))
        >>> model = PPO("MlpPolicy", env, n_steps=256, seed=0)
        >>> callback = OPRLCallback(save_path=f"{folder}/run.oprl", save_every=512)
        >>> done = callback.resume(model)
        >>> done
        0
        >>> model = model.learn(
        ...     1024 - done, callback=callback, reset_num_timesteps=done == 0
        ... )

        Args:
            model: An agent made as that of the checkpoint was, with envs made so too.

        Returns:
            The env steps it has taken already: 0 if there is no checkpoint yet.

        Raises:
            ValueError: There is no ``save_path``, or what is there is no checkpoint of
                such a run.
        """
        if self._saver is None:
            raise ValueError("give OPRLCallback a save_path, to resume from")
        if not self._saver.path.exists():
            return 0
        self.init_callback(model)
        load_checkpoint(self._saver.path, model, {"oprl": self})
        return model.num_timesteps

    def state(self) -> dict[str, Any]:
        """Return the learner's state and the counters, for a checkpoint.

        It also hands the weights out anew, and the wrappers forget the scores they
        know: a score rounds differently among others, and the run that goes on here is
        to equal one that loads this state.
        """
        assert self.learner is not None
        self._send_weights()
        return {
            "learner": self.learner.state(),
            "updated_at": self._updated_at,
            "waiting": self._waiting,
            "ended": self._ended,
            "stats": self._stats,
            "report": None if self.report is None else asdict(self.report),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        assert self.learner is not None
        self.learner.load_state(state["learner"])
        self._updated_at = state["updated_at"]
        self._waiting = state["waiting"]
        self._ended = state["ended"]
        self._stats = state["stats"]
        report = state["report"]
        self.report = None if report is None else UpdateReport(**report)
        self._send_weights()

    def _init_callback(self) -> None:
        self._port = RewardPort.find(self.training_env)
        if self.learner is None:
            self.learner = self._new_learner()
            self._warn_of_forgetting(self._port)
        self._replay = find_replay(self.model, self._port, self.learner.config)
        self._send_weights()
        if self._saver is not None:
            self._saver.init_callback(self.model)

    def _on_training_start(self) -> None:
        # A second learn() may count from 0 again, and a first one go on from others.
        if self._updated_at is None or self._updated_at > self.num_timesteps:
            self._updated_at = self.num_timesteps
        if self._saver is not None:
            self._saver.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        assert self._port is not None
        if self._saver is not None:
            self._saver.on_rollout_start()
        if self._rollout_buffer() is not None:
            self._port.keep_rollout()

    def update_locals(self, locals_: dict[str, Any]) -> None:
        """Take over the variables of a step, and mend the returns they report.

        Stable-Baselines3 wraps a single env in a Monitor outside our wrapper, which
        then reports the mixed return. Every callback is handed the variables before any
        is told of the step, so that all of them see the env's own.
        """
        super().update_locals(locals_)
        for info in locals_.get("infos", ()):
            if "oprl_episode" in info and "episode" in info:
                own = info["oprl_episode"]["env_return"]
                info["episode"] = {**info["episode"], "r": own}

    def _on_step(self) -> bool:
        if "dones" not in self.locals:
            raise ValueError(
                f"{type(self.model).__name__} does not tell callbacks what its steps "
                "gave, so OPRLCallback cannot learn from them: use an agent that does, "
                "such as PPO, A2C, DQN or SAC"
            )
        for done, info in zip(self.locals["dones"], self.locals["infos"], strict=True):
            if done and "oprl_episode" not in info:
                raise ValueError(_CUT_OUTSIDE)
            self._waiting += bool(done)
        if self._waiting >= TAKE_IN_AT:
            self._take_in()
        return True

    def _on_rollout_end(self) -> None:
        assert self.learner is not None
        assert self._port is not None
        assert self._updated_at is not None
        rounds, self._updated_at = rounds_due(
            self.learner.config, self.num_timesteps, self._updated_at
        )
        if rounds >= 1:
            self._take_in()
            self.report = self.learner.update((), rounds)
            self._send_weights()
            self._rescore_rollout()
            if self._ended:
                self._stats = self._episode_stats()
                self._ended.clear()
        self._log()

    def _take_in(self) -> None:
        """Hand the recorded episodes to the learner."""
        assert self.learner is not None
        assert self._port is not None
        episodes = self._port.pop_episodes()
        self.learner.observe(episodes)
        self._ended += [
            (len(episode), episode.env_return, episode.process_return)
            for episode in episodes
        ]
        self._waiting = 0

    def _on_training_end(self) -> None:
        if self._saver is not None:
            self._saver.on_training_end()

    def _send_weights(self) -> None:
        """Hand the newest process reward to all that score steps."""
        assert self.learner is not None
        assert self._port is not None
        state = self.learner.reward_state()
        self._port.load_reward_state(state)
        if self._replay is not None:
            self._replay.load_reward_state(state)

    def _rollout_buffer(self) -> RolloutBuffer | None:
        """Return the buffer of an on-policy agent."""
        buffer = getattr(self.model, "rollout_buffer", None)
        return buffer if isinstance(buffer, RolloutBuffer) else None

    def _rescore_rollout(self) -> None:
        """Let the agent learn from this rollout as the newest weights score it.

        Where the agent has just been for the first time, the weights that scored its
        steps knew nothing yet. Without this it would have to find its way there a
        second time before any reward drew it.
        """
        assert self._port is not None
        buffer = self._rollout_buffer()
        if buffer is None:
            return
        rescored = self._port.rescore_rollout()
        if rescored.given.shape != buffer.rewards.shape:
            raise ValueError(
                f"the reward wrapper saw {len(rescored.given)} steps in a rollout of "
                f"{len(buffer.rewards)}: an EvalCallback needs an env of its own, not "
                "the agent's; a wrapper that repeats actions belongs inside "
                "ProcessRewardWrapper"
            )
        change = rescored.newest - rescored.given
        factor = self._port.reward_factor()
        if factor is not None:  # as VecNormalize would scale it now
            add_rewards(buffer, factor * change)
            return
        # Stable-Baselines3 adds gamma * V to the reward of truncated steps. Any other
        # difference comes from a wrapper outside ours that makes something else of
        # rewards; then they stay as they were given.
        same = np.isclose(buffer.rewards, rescored.given, rtol=1e-4, atol=1e-5)
        if np.all(same | rescored.truncated):
            add_rewards(buffer, change)

    def _new_learner(self) -> OPRLLearner:
        assert self._port is not None
        wanted = self._port.shaping().reward_input
        config = self._config
        if config is None:
            config = OPRLConfig()
            if wanted is not None:
                config = replace(config, reward_input=wanted)
        observation_space, action_space = self._port.spaces()
        return OPRLLearner(
            observation_space,
            action_space,
            config,
            self._teacher,
            seed=self.model.seed,
            device=self._device,
        )

    def _warn_of_forgetting(self, port: RewardPort) -> None:
        """Say that what an earlier callback let this agent learn is given up."""
        if self.model._n_updates and port.fitted():
            warnings.warn(
                "a new OPRLCallback begins with a process reward of 0, and drops the "
                "one that this agent has learned from so far: to go on with that, pass "
                "the OPRLCallback of the first learn() again, or "
                "OPRLCallback(learner=first.learner)",
                stacklevel=2,
            )

    def _episode_stats(self) -> dict[str, float]:
        """Return means over the episodes taken in since the last update."""
        assert self._port is not None
        shaping, weight = self._port.shaping(), self._port.env_reward_weight()
        steps, env_returns, process_returns = np.array(self._ended).T
        mixed = weight * env_returns + shaping.scale * process_returns
        return {
            "oprl/process_reward_mean": float(process_returns.sum() / steps.sum()),
            "oprl/env_reward_mean": float(env_returns.sum() / steps.sum()),
            "oprl/env_reward_weight": weight,
            "oprl/mixed_return": float(mixed.mean()),
        }

    def _log(self) -> None:
        # Recorded after every rollout, for a logger that is dumped more rarely than
        # that forgets nothing and one dumped more often has no gaps.
        for name, value in self._stats.items():
            self.logger.record(name, value)
        if self.report is None:
            return
        self.logger.record("oprl/preferences", self.report.preferences)
        for name in ("reward_loss", "accuracy", "score_spread"):
            value = getattr(self.report, name)
            if value is not None:
                self.logger.record(f"oprl/{name}", value)


def _check_made_by_hand(config: Any, teacher: Any) -> None:
    """Check that it is not Stable-Baselines3 that makes an OPRLCallback, in a step.

    It takes a class for a function, and calls it with its local and global variables.
    """
    if isinstance(config, dict) and isinstance(teacher, dict):
        raise ValueError(
            "learn() was given the class OPRLCallback: write callback=OPRLCallback(), "
            "with brackets"
        )
