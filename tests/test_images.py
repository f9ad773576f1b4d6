"""Pictures are read by a convolutional network, in either order of their axes."""

import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO

from oprl_gym import OPRLConfig, OPRLLearner, ProcessRewardModel
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.rewards import ProcessReward, load_process_reward, save_process_reward
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.images import image_shape
from oprl_gym.runs.config import TrainConfig
from oprl_gym.training.run import train
from oprl_gym.types import Trajectory
from oprl_gym.wrappers import ProcessRewardWrapper

ACTIONS = spaces.Discrete(3)
SMALL = OPRLConfig(hidden_size=16, min_preferences=4, batch_size=8, update_interval=64)


def picture(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


class BrightSpot(gym.Env[np.ndarray, int]):
    """A line of bright pixels moves over a dark picture; at the right it pays.

    Args:
        first: Whether channels come first.
    """

    def __init__(self, first: bool) -> None:
        self.first = first
        self.observation_space = picture(*((1, 40, 36) if first else (40, 36, 1)))
        self.action_space = ACTIONS

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.left = 10, 30
        return self._observation(), {}

    def step(self, action):
        self.place = int(np.clip(self.place + action - 1, 0, 35))
        self.left -= 1
        won = self.place >= 14
        return self._observation(), 10.0 * won, won, self.left == 0, {}

    def _observation(self):
        image = np.zeros((40, 36), np.uint8)
        image[:, self.place] = 255
        return image[None] if self.first else image[:, :, None]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (picture(84, 80, 3), (3, 84, 80)),
        (picture(4, 84, 80), (4, 84, 80)),
        (picture(7, 7, 3), None),  # too small for the network
        (picture(84, 84), None),
        (spaces.Box(0, 1, (84, 84, 3), np.float32), None),
        (spaces.Box(0, 9, (84, 84, 3), np.uint8), None),
        (spaces.Discrete(3), None),
    ],
    ids=str,
)
def test_what_a_picture_is(space, expected):
    assert image_shape(space) == expected


def test_both_orders_of_axes_make_the_same_row(rng):
    images = rng.integers(256, size=(2, 3, 36, 40), dtype=np.uint8)
    new = np.ones(2, bool)
    first = StepEncoder(picture(3, 36, 40), ACTIONS, "obs").rows(images, new)
    last = StepEncoder(picture(36, 40, 3), ACTIONS, "obs").rows(
        np.moveaxis(images, 1, -1), new
    )
    np.testing.assert_array_equal(first, last)
    assert first[0, : 36 * 40].tolist() == images[0, 0].ravel().tolist()


def test_weights_come_from_the_generator_and_nothing_else():
    def weights(seed):
        generator = torch.Generator().manual_seed(seed)
        model = ProcessRewardModel(
            3 * 36 * 36, 16, generator=generator, image=(3, 36, 36)
        )
        return torch.cat([value.flatten() for value in model.state_dict().values()])

    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_beside_the_picture_it_is_read_whether_it_is_new(rng):
    encoder = StepEncoder(picture(36, 36, 3), ACTIONS, "next_obs", first_visits=True)
    model = ProcessRewardModel(
        encoder.input_dim, 16, varied=encoder.varied.tolist(), image=encoder.image
    )
    image = rng.integers(256, size=(1, 36, 36, 3), dtype=np.uint8).repeat(2, axis=0)
    rows = encoder.rows(image, np.array([True, False]))
    scores = model(torch.from_numpy(rows))
    assert scores[0] != scores[1]


def test_beside_the_picture_the_action_is_read(rng):
    encoder = StepEncoder(picture(36, 36, 3), ACTIONS, "obs_action")
    model = ProcessRewardModel(
        encoder.input_dim, 16, varied=encoder.varied.tolist(), image=encoder.image
    )
    image = rng.integers(256, size=(1, 36, 36, 3), dtype=np.uint8).repeat(2, axis=0)
    rows = encoder.rows(image, np.ones(2, bool), np.array([0, 2]))
    scores = model(torch.from_numpy(rows))
    assert scores[0] != scores[1]


@pytest.mark.parametrize("first", [True, False])
def test_it_learns_where_the_bright_line_should_be(first, tmp_path, rng):
    env = BrightSpot(first)
    learner = OPRLLearner(env.observation_space, ACTIONS, SMALL, seed=0)
    for _ in range(8):
        learner.update([_walk(env, rng) for _ in range(10)], rounds=2)

    def looks(place):
        env.place = place
        return env._observation()

    states, new = np.stack([looks(5), looks(14)]), np.ones(2, bool)
    scores = learner.process_reward.score(states, new)
    assert scores[1] - scores[0] > 0.3
    state = learner.reward_state()
    travelled = ProcessReward.from_state(env.observation_space, ACTIONS, state)
    np.testing.assert_allclose(travelled.score(states, new), scores, atol=1e-6)
    save_process_reward(tmp_path / "reward", learner.process_reward)
    loaded = load_process_reward(tmp_path / "reward", env.observation_space, ACTIONS)
    np.testing.assert_allclose(loaded.score(states, new), scores, atol=1e-6)


def _walk(env, rng):
    observations, rewards, actions = [env.reset()[0]], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        actions.append(int(rng.integers(3)))
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
    return Trajectory(
        np.stack(observations),
        np.array(actions),
        np.array(rewards),
        np.zeros(len(rewards)),
        terminated,
    )


@pytest.mark.parametrize("first", [True, False])
def test_an_agent_with_a_picture_policy_learns_beside_it(first):
    """Stable-Baselines3 turns HxWxC around outside our wrapper."""
    env = ProcessRewardWrapper(BrightSpot(first))
    model = PPO(
        "CnnPolicy",
        env,
        n_steps=64,
        n_epochs=1,
        policy_kwargs={"features_extractor_kwargs": {"features_dim": 16}},
        seed=0,
        device="cpu",
    )
    callback = OPRLCallback(SMALL)
    model.learn(256, callback=callback)
    assert callback.learner is not None
    assert callback.learner.process_reward.fitted


@pytest.mark.usefixtures("undrawn")
def test_the_command_line_chooses_a_picture_policy(tmp_path):
    gym.register("BrightSpot-v0", lambda: BrightSpot(first=False))
    try:
        config = TrainConfig("BrightSpot-v0", total_timesteps=64, n_envs=1, n_steps=32)
        folder = train(config, tmp_path / "run")
    finally:
        del gym.registry["BrightSpot-v0"]
    with zipfile.ZipFile(folder.path / "policy.zip") as archive:
        assert b"ActorCriticCnnPolicy" in archive.read("data")
