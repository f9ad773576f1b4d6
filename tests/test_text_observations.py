"""Observations with text in them, as MiniGrid's missions: the rest is learned from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import PPO
from support.fakes import QUICK

from oprl_gym import OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.rewards.encoding import batch_to_array, left_out, to_array
from oprl_gym.wrappers import ProcessRewardVectorWrapper, ProcessRewardWrapper

PLACE, WORDS = spaces.Discrete(3), spaces.Text(8)
MIXED = {
    "Dict": spaces.Dict(at=PLACE, says=WORDS),
    "Tuple, text first": spaces.Tuple((WORDS, PLACE)),
    "nested": spaces.Dict(
        told=spaces.Tuple((WORDS, spaces.Dict(at=PLACE, says=WORDS)))
    ),
    "Sequence": spaces.Dict(at=PLACE, seen=spaces.Sequence(PLACE)),
    "Graph": spaces.Dict(at=PLACE, map=spaces.Graph(spaces.Box(0, 1), None)),
}
LEFT_OUT = {
    "Dict": ["['says']"],
    "Tuple, text first": ["[0]"],
    "nested": ["['told'][0]", "['told'][1]['says']"],
    "Sequence": ["['seen']"],
    "Graph": ["['map']"],
}


class Telling(gym.Env):
    """Gives samples of a space, three steps an episode."""

    action_space = spaces.Discrete(2)

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(0)
        self._steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: int) -> Any:
        self._steps += 1
        ended = self._steps == 3
        return self.observation_space.sample(), float(action), ended, False, {}


@pytest.mark.parametrize("name", MIXED)
def test_what_is_no_number_is_left_out_with_one_warning(name):
    space = MIXED[name]
    with pytest.warns(UserWarning, match="does not read") as caught:
        env = ProcessRewardWrapper(Telling(space))
    assert len(caught) == 1
    assert left_out(space) == LEFT_OUT[name]
    assert all(words in str(caught[0].message) for words in LEFT_OUT[name])
    env.reset()
    for _ in range(3):
        env.step(1)
    (episode,) = env.pop_episodes()
    assert episode.observations.shape == (4, 3)
    assert (episode.observations.sum(axis=1) == 1).all()  # a place, one-hot
    learner = OPRLLearner(space, Telling.action_space, QUICK, seed=0)
    assert learner.update([episode]).new_trajectories == 1
    env.load_reward_state(learner.reward_state())


@pytest.mark.parametrize("name", MIXED)
def test_a_batch_is_read_as_one_by_one(name):
    space = MIXED[name]
    space.seed(1)
    values = [space.sample() for _ in range(4)]
    rows = np.stack([to_array(space, value) for value in values])
    if name in ("Dict", "Sequence", "Graph"):
        batch = {key: [value[key] for value in values] for key in space}
        assert batch_to_array(space, batch, 4).tolist() == rows.tolist()
    assert (rows.sum(axis=1) == 1).all()


def test_a_vector_of_envs_leaves_out_the_same():
    make = lambda: Telling(MIXED["Dict"])  # noqa: E731
    with pytest.warns(UserWarning, match=r"does not read \['says'\]"):
        env = ProcessRewardVectorWrapper(SyncVectorEnv([make, make]))
    env.reset()
    for _ in range(3):
        env.step(np.ones(2, dtype=int))
    assert [one.observations.shape for one in env.pop_episodes()] == [(4, 3)] * 2


@pytest.mark.parametrize(
    "space", [WORDS, spaces.Dict(says=WORDS), spaces.Tuple((spaces.Sequence(PLACE),))]
)
def test_where_nothing_is_left_it_is_said_what_to_do(space):
    with pytest.raises(ValueError, match=r"cannot read the observation space .*Trans"):
        ProcessRewardWrapper(Telling(space))
    with pytest.raises(ValueError, match="cannot read the observation space"):
        OPRLLearner(space, Telling.action_space)


@pytest.mark.slow
def test_minigrid_is_learned_in_as_it_comes():
    with pytest.warns(UserWarning, match=r"does not read \['mission'\]"):
        env = ProcessRewardWrapper(gym.make("MiniGrid-Empty-5x5-v0", max_steps=20))
    model = PPO("MlpPolicy", ImgObsWrapper(env), n_steps=64, batch_size=64, seed=0)
    callback = OPRLCallback(QUICK)
    model.learn(512, callback=callback)
    assert callback.learner is not None
    assert callback.learner.process_reward.fitted
    assert callback.learner.model.input_dim == 4 + 7 * 7 * 3 + 1
