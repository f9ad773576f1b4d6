"""OPRLCallback: learns the process reward while a Stable-Baselines3 agent learns."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from oprl_gym.callbacks.between import BetweenRollouts
from oprl_gym.callbacks.checkpoint import load_checkpoint
from oprl_gym.callbacks.online_agent import OnlineAgent
from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.callbacks.saver import SAVE_EVERY, CheckpointSaver
from oprl_gym.config import OPRLConfig, check_config, shown
from oprl_gym.learning.learner import OPRLLearner
from oprl_gym.learning.online import OnlineLearning
from oprl_gym.preferences.default_teacher import check_teacher
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.types import UpdateReport

_CUT_OUTSIDE = (
    "an episode ended that the reward wrapper did not see end, so nothing can be "
    "learned from it: a wrapper outside ends episodes, as TimeLimit does; put it "
    "inside: ProcessRewardWrapper(TimeLimit(env, ...))"
)


class OPRLCallback(BetweenRollouts):
    """Gathers episodes from the reward wrappers and hands them a fitted reward model.

    Between rollouts, once ``config.update_interval`` env steps have passed (later on:
    1 % of all so far, ``config.interval_growth``), it takes the finished episodes out
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

    _agent: OnlineAgent  # from init_callback() on, as `model`

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
        self._online = None if learner is None else OnlineLearning(learner)
        self._config = config
        self._teacher = teacher
        self._device = device
        self._save_path = None if save_path is None else Path(save_path)
        savers: list[BaseCallback] = []
        if save_path is not None:
            savers.append(CheckpointSaver(save_path, {"oprl": self}, save_every))
        self._savers = CallbackList(savers)

    @property
    def learner(self) -> OPRLLearner | None:
        """The learner; of a config and teacher it is made as ``learn()`` begins."""
        return None if self._online is None else self._online.learner

    @property
    def report(self) -> UpdateReport | None:
        """What the latest update did."""
        return None if self._online is None else self._online.report

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
        if self._save_path is None:
            raise ValueError("give OPRLCallback a save_path, to resume from")
        if not self._save_path.exists():
            return 0
        self.init_callback(model)
        load_checkpoint(self._save_path, model, {"oprl": self})
        return model.num_timesteps

    def settle(self) -> None:
        """Hand the weights out anew, before :meth:`state` is saved.

        The wrappers then forget the scores they know: a score rounds differently among
        others, and the run that goes on here is to equal one that loads that state.
        """
        self._agent.send_weights()

    def state(self) -> dict[str, Any]:
        """Return all that the reward is learned by, for a checkpoint."""
        return self._agent.online.state()

    def check_state(self, state: dict[str, Any]) -> None:
        """Check that what :meth:`state` returned suits this run; changes nothing."""
        self._agent.online.check_state(state)

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        self._agent.load_state(state)

    def _init_callback(self) -> None:
        wrappers = RewardWrappers.find(self.training_env)
        if self._online is None:
            self._online = OnlineLearning(self._new_learner(wrappers))
            self._warn_of_forgetting(wrappers)
        self._warn_of_another_gamma(wrappers)
        self._agent = OnlineAgent(self.model, wrappers, self._online)
        self._agent.send_weights()
        self._savers.init_callback(self.model)

    def _on_training_start(self) -> None:
        self._check_alone()
        # A second learn() may count from 0 again, and a first one go on from others.
        self._agent.online.start(self.num_timesteps)
        self._savers.on_training_start(self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        self._savers.on_rollout_start()
        self._agent.begin_rollout()

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
        self._agent.note_ends(int(np.count_nonzero(self.locals["dones"])))
        return True

    def _on_rollout_end(self) -> None:
        self._agent.end_rollout(self.num_timesteps)
        # Recorded after every rollout, for a logger that is dumped more rarely than
        # that forgets nothing and one dumped more often has no gaps.
        for name, value in self._agent.logged().items():
            self.logger.record(f"oprl/{name}", value)

    def _on_training_end(self) -> None:
        self._agent.end_training()
        self._savers.on_training_end()

    def _check_alone(self) -> None:
        given = self.locals["callback"]
        several = given.callbacks if isinstance(given, CallbackList) else [given]
        if sum(isinstance(one, OPRLCallback) for one in several) > 1:
            raise ValueError(
                "learn() was given more than one OPRLCallback, and each would take the "
                "episodes that the others learn from: give one"
            )

    def _new_learner(self, wrappers: RewardWrappers) -> OPRLLearner:
        wanted = wrappers.shaping().reward_input
        config = self._config
        if config is None:
            config = OPRLConfig()
            if wanted is not None:
                config = replace(config, reward_input=wanted)
        observation_space, action_space = wrappers.spaces()
        return OPRLLearner(
            observation_space,
            action_space,
            config,
            self._teacher,
            seed=self.model.seed,
            device=self._device,
        )

    def _warn_of_another_gamma(self, wrappers: RewardWrappers) -> None:
        shaping, own = wrappers.shaping(), getattr(self.model, "gamma", None)
        if shaping.mode == "potential" and own not in (None, shaping.gamma):
            warnings.warn(
                f"the potential is discounted by gamma={shaping.gamma} and the agent's "
                f"returns by {own}, so it changes what the best policy is: give the "
                f"wrapper gamma={own}",
                stacklevel=2,
            )

    def _warn_of_forgetting(self, wrappers: RewardWrappers) -> None:
        """Say that what an earlier callback let this agent learn is given up."""
        if self.model._n_updates and wrappers.fitted():
            warnings.warn(
                "a new OPRLCallback begins with a process reward of 0, and drops the "
                "one that this agent has learned from so far: to go on with that, pass "
                "the OPRLCallback of the first learn() again, or "
                "OPRLCallback(learner=first.learner)",
                stacklevel=2,
            )


def _check_made_by_hand(config: Any, teacher: Any) -> None:
    """Check that it is not Stable-Baselines3 that makes an OPRLCallback, in a step.

    It takes a class for a function, and calls it with its local and global variables.
    """
    if isinstance(config, dict) and isinstance(teacher, dict):
        raise ValueError(
            "learn() was given the class OPRLCallback: write callback=OPRLCallback(), "
            "with brackets"
        )
