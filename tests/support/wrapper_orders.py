"""The orders in which people stack wrappers, written as the code that builds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import (
    ClipReward,
    MaxAndSkipObservation,
    NormalizeObservation,
    RecordEpisodeStatistics,
    TimeLimit,
)
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from oprl_gym.wrappers import ProcessRewardWrapper, VecProcessReward
from support.fakes import CountingEnv

NUM_CELLS = 32
EPISODE_LENGTH = 3
PAID = [1001.0, 1002.0, 1003.0]


class Calendar(CountingEnv):
    """Tells episode and step one-hot; odd episodes terminate, even ones are cut off."""

    def __init__(self, length: int = EPISODE_LENGTH) -> None:
        super().__init__(length)
        self.observation_space = spaces.Box(0.0, 1.0, (NUM_CELLS,), np.float32)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.terminates = self.episode % 2 == 0  # this episode is the next one
        return super().reset(**kwargs)

    def _observation(self) -> np.ndarray:
        cell = (4 * self.episode + self.step_count) % NUM_CELLS
        return np.eye(NUM_CELLS, dtype=np.float32)[cell]


class Pictures(gym.ObservationWrapper[np.ndarray, int, np.ndarray]):
    """The calendar as 8x8 pictures with the channels last."""

    def __init__(self) -> None:
        super().__init__(Calendar())
        self.observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        picture = np.zeros((64, 3), np.uint8)
        picture[observation.argmax()] = 255
        return picture.reshape(8, 8, 3)


def cells_of(observations: np.ndarray) -> np.ndarray:
    """Return the cells that an episode's observations tell; of a stack, the newest."""
    if observations.ndim == 4:  # pictures
        last = observations.shape[-1] == 3
        observations = observations[..., 0] if last else observations[:, 0]
        return observations.reshape(len(observations), -1).argmax(axis=1)
    return observations[:, -NUM_CELLS:].argmax(axis=1)


@dataclass(frozen=True)
class Order:
    """One order of wrappers.

    Args:
        code: What builds it, as a user would write it.
        kinds: The agents it is tried with.
        refused: The remedy named by the error of any agent; None: it works.
        refused_off_policy: The remedy named by the error of an off-policy agent.
    """

    code: str
    kinds: tuple[type[BaseAlgorithm], ...] = (A2C, PPO, DQN)
    refused: str | None = None
    refused_off_policy: str | None = None

    def refusal(self, kind: type[BaseAlgorithm]) -> str | None:
        """Return the remedy that the error of an agent of this kind names."""
        off_policy = issubclass(kind, OffPolicyAlgorithm)
        return (self.refused_off_policy if off_policy else None) or self.refused

    def make(self) -> Any:
        """Build the env that the code describes."""
        return eval(self.code, _names())

    def __str__(self) -> str:
        """Return the code, which is also the name of the test case."""
        return self.code


def _names() -> dict[str, Any]:
    """Return what the code of an order may speak of."""
    return {
        "env": Calendar(),
        "endless_env": Calendar(length=10**9),
        "make_env": Calendar,
        "make_pictures": Pictures,
        "ClipReward": ClipReward,
        "DummyVecEnv": DummyVecEnv,
        "MaxAndSkipObservation": MaxAndSkipObservation,
        "Monitor": Monitor,
        "NormalizeObservation": NormalizeObservation,
        "ProcessRewardWrapper": ProcessRewardWrapper,
        "RecordEpisodeStatistics": RecordEpisodeStatistics,
        "SubprocVecEnv": SubprocVecEnv,
        "TimeLimit": TimeLimit,
        "VecFrameStack": VecFrameStack,
        "VecMonitor": VecMonitor,
        "VecNormalize": VecNormalize,
        "VecProcessReward": VecProcessReward,
        "VecTransposeImage": VecTransposeImage,
        "make_vec_env": make_vec_env,
    }


IN_EACH = "make_vec_env(make_env, 2, wrapper_class=ProcessRewardWrapper)"
AROUND = "VecProcessReward(make_vec_env(make_env, 2))"
FEW = (A2C, DQN)  # processes take seconds to start; PPO's: test_callback.SET_UPS
OUTSIDE = "VecNormalize(VecProcessReward(venv))"
LIMIT = "ProcessRewardWrapper(TimeLimit(env, ...))"
INSIDE = "inside ProcessRewardWrapper"
CHANGED = "put VecProcessReward around whatever changes them"

ORDERS = [
    Order("ProcessRewardWrapper(env)"),
    Order("Monitor(ProcessRewardWrapper(env))"),
    Order("ProcessRewardWrapper(Monitor(env))"),
    Order("RecordEpisodeStatistics(ProcessRewardWrapper(env))"),
    Order("ProcessRewardWrapper(RecordEpisodeStatistics(env))"),
    Order("ProcessRewardWrapper(TimeLimit(endless_env, 3))"),
    Order("TimeLimit(ProcessRewardWrapper(endless_env), 3)", refused=LIMIT),
    Order("MaxAndSkipObservation(ProcessRewardWrapper(env), 2)", refused=INSIDE),
    Order("ClipReward(ProcessRewardWrapper(env), -1, 1)", (DQN,), refused=INSIDE),
    Order(
        "NormalizeObservation(ProcessRewardWrapper(env))", refused_off_policy=CHANGED
    ),
    Order("ProcessRewardWrapper(make_pictures())", refused_off_policy=CHANGED),
    Order(IN_EACH),
    Order(
        "make_vec_env(make_env, 2, wrapper_class=ProcessRewardWrapper, "
        "vec_env_cls=SubprocVecEnv)",
        FEW,
    ),
    Order(AROUND),
    Order(
        "VecProcessReward(make_vec_env(make_env, 2, vec_env_cls=SubprocVecEnv))", FEW
    ),
    Order("VecMonitor(VecProcessReward(DummyVecEnv([make_env] * 2)))"),
    Order("VecProcessReward(VecMonitor(DummyVecEnv([make_env] * 2)))"),
    Order("VecMonitor(DummyVecEnv([lambda: ProcessRewardWrapper(make_env())] * 2))"),
    Order(f"VecNormalize({AROUND})"),
    Order(f"VecNormalize({AROUND}, norm_obs=False)"),
    Order(f"VecNormalize({AROUND}, norm_reward=False)"),
    Order(f"VecNormalize({IN_EACH})"),
    Order("VecMonitor(VecNormalize(VecProcessReward(DummyVecEnv([make_env] * 2))))"),
    Order("VecProcessReward(VecNormalize(make_vec_env(make_env, 2)))", refused=OUTSIDE),
    Order(
        "VecProcessReward(VecMonitor(VecNormalize(DummyVecEnv([make_env] * 2))))",
        refused=OUTSIDE,
    ),
    Order("VecProcessReward(VecFrameStack(make_vec_env(make_env, 2), 2))"),
    Order(f"VecFrameStack({AROUND}, 2)", refused_off_policy=CHANGED),
    Order(f"VecFrameStack({IN_EACH}, 2)", refused_off_policy=CHANGED),
    Order(
        f"VecNormalize(VecFrameStack({AROUND}, 2))",
        refused_off_policy=CHANGED,
    ),
    Order(
        "VecNormalize(VecProcessReward(VecFrameStack(make_vec_env(make_env, 2), 2)))"
    ),
    Order("VecProcessReward(VecTransposeImage(make_vec_env(make_pictures, 2)))"),
    Order(
        "VecTransposeImage(VecProcessReward(make_vec_env(make_pictures, 2)))",
        refused_off_policy=CHANGED,
    ),
]
