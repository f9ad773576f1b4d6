"""Pictures of a run that goes on, in TensorBoard: the learned reward, a clip."""

from __future__ import annotations

import copy
import time
import warnings
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Figure, TensorBoardOutputFormat

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.callbacks.agent_state import load_random_state, random_state
from oprl_gym.figures.animations import gif_of
from oprl_gym.figures.of_runs import drawable_env, reward_figure, show_reward
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import env_facts
from oprl_gym.runs.evaluation import greedy_rollout
from oprl_gym.runs.policy import Player

if TYPE_CHECKING:
    from oprl_gym.rewards import ProcessReward

TIMES = 20
"""How often in a run, if that costs little enough."""
SHARE = 0.02
"""Of the run's time, which the pictures take at most."""
FIRST_GUESS_S = 1.0
"""Seconds that the first ones are thought to take."""
MOST_STEPS = 200
"""Steps of a clip."""


class Pictures(BaseCallback):
    """Draws the learned reward and a clip of the agent, now and then.

    The agent plays in an env of its own, and all random states are as they were
    afterwards, so that a run learns the same with pictures and without.

    Args:
        config: Of the run.
        total: Env steps that it takes.
        oprl: Where the learned reward is; None without OPRL.
    """

    def __init__(
        self, config: TrainConfig, total: int, oprl: OPRLCallback | None
    ) -> None:
        super().__init__()
        self._config = config
        self._oprl = oprl
        self._every = total / TIMES
        self._next = self._every  # env steps
        self._begun = time.perf_counter()
        self._spent = 0.0  # seconds
        self._cost = FIRST_GUESS_S  # of the next ones

    def _on_training_start(self) -> None:
        self._begun = time.perf_counter()
        self._next = self.num_timesteps + self._every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        now = time.perf_counter()
        affordable = SHARE * (now - self._begun) >= self._spent + self._cost
        if self.num_timesteps < self._next or not affordable:
            return
        before = random_state()
        try:
            self._draw()
        except Exception as error:  # hours of training are worth more than a picture
            warnings.warn(f"no more pictures in TensorBoard: {error}", stacklevel=2)
            self._every = float("inf")
        load_random_state(before)
        self._cost = time.perf_counter() - now
        self._spent += self._cost
        self._next = self.num_timesteps + self._every

    def _draw(self) -> None:
        reward = self._reward()
        player = Player(self.model.policy, self.model.get_vec_normalize_env())
        env = drawable_env(self._config, env_facts(self._config))
        try:
            show_reward(env, reward)
            rollout = greedy_rollout(player, env, MOST_STEPS)
        finally:
            env.close()
        figure = Figure(reward_figure(self._config, rollout, env, reward), close=True)
        name = "agent/learned_reward"
        for output in self.logger.output_formats:
            if isinstance(output, TensorBoardOutputFormat):
                output.write({name: figure}, {name: ()}, self.num_timesteps)
                if rollout.frames:
                    _write_gif(output, rollout.frames, self.num_timesteps)

    def _reward(self) -> ProcessReward | None:
        learner = None if self._oprl is None else self._oprl.learner
        # A copy: scores that are known already would round as these do.
        return None if learner is None else copy.deepcopy(learner.process_reward)


def _write_gif(output: TensorBoardOutputFormat, frames: list[Any], step: int) -> None:
    """Write a clip as SB3's Video would, which needs a moviepy of long ago."""
    from tensorboard.compat.proto.summary_pb2 import (  # type: ignore[import-untyped]
        Summary,
    )

    height, width = frames[0].shape[:2]
    image = Summary.Image(
        height=height,
        width=width,
        colorspace=3,
        encoded_image_string=gif_of(frames),
    )
    value = Summary.Value(tag="agent/clip", image=image)
    writer: Any = output.writer.file_writer
    writer.add_summary(Summary(value=[value]), step)
    output.writer.flush()
