"""Episodes played again from their tape."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from oprl_gym.wrappers import EpisodeTape


def play(env: gym.Env, steps: int) -> list:
    seen = []
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(
            env.action_space.sample()
        )
        seen.append((np.asarray(observation).tolist(), reward))
        if terminated or truncated:
            seen.append(np.asarray(env.reset()[0]).tolist())
    return seen


@pytest.mark.parametrize(
    "env_id", ["OPRLMaze-v0", "CartPole-v1", "FrozenLake-v1", "Pendulum-v1"]
)
@pytest.mark.parametrize("steps", [0, 1, 23, 130])
def test_an_episode_played_again_goes_on_alike(env_id, steps):
    env = EpisodeTape(gym.make(env_id))
    env.reset(seed=3)
    env.action_space.seed(0)
    play(env, steps)
    tape = env.tape()
    again = EpisodeTape(gym.make(env_id))
    again.reset(seed=99)  # its past does not matter
    again.rewind(tape)
    again.reset()
    for action in tape.actions:
        again.step(action)
    assert again.tape().digest == tape.digest
    again.action_space.np_random.bit_generator.state = (
        env.action_space.np_random.bit_generator.state
    )
    assert play(again, 50) == play(env, 50)


def test_only_the_next_reset_is_rewound():
    env = EpisodeTape(gym.make("CartPole-v1"))
    first = env.reset(seed=0)[0]
    env.rewind(env.tape())
    assert (env.reset()[0] == first).all()
    assert (env.reset()[0] != first).any()


def test_the_digest_tells_observations_and_random_states_apart():
    env = EpisodeTape(gym.make("OPRLMaze-v0"))
    env.reset(seed=0)
    digests = {env.tape().digest}
    env.step(1)
    digests.add(env.tape().digest)
    env.step(3)  # back at the start
    assert env.tape().digest in digests
    env.np_random.random()
    assert env.tape().digest not in digests


def test_the_wrapper_is_rebuilt_from_its_spec():
    env = EpisodeTape(gym.make("OPRLMaze-v0"))
    assert "EpisodeTape" in str(gym.make(env.spec))
