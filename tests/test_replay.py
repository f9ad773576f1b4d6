"""Off-policy agents draw transitions whose rewards are those of today's weights."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import DQN, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecNormalize,
)
from support.fakes import BackAndForth, ConstantReward, CountingEnv, TellingReward
from support.known_weights import KnownWeights

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import (
    OPRLCallback,
    ProcessRewardDictReplayBuffer,
    ProcessRewardReplayBuffer,
)
from oprl_gym.callbacks.replay import FreshRewards
from oprl_gym.callbacks.reward_wrappers import RewardWrappers
from oprl_gym.rewards import RewardState
from oprl_gym.rewards.scoring import ALONE, StepScorer, VectorStep
from oprl_gym.wrappers import ProcessRewardWrapper, VecProcessReward

MAZE = "OPRLMaze-v0"
QUICK = OPRLConfig(
    hidden_size=16,
    min_preferences=4,
    update_interval=50,
    gradient_steps=2,
)


class DictMaze(gym.ObservationWrapper[dict[str, Any], int, np.ndarray]):
    """The maze as a cell number and a vector."""

    def __init__(self) -> None:
        super().__init__(gym.make(MAZE))
        inner = self.env.observation_space
        self.observation_space = spaces.Dict({"cell": spaces.Discrete(64), "o": inner})

    def observation(self, observation: np.ndarray) -> dict[str, Any]:
        return {"cell": np.int64(observation.argmax()), "o": observation}


def agent(
    kind: type[OffPolicyAlgorithm], env: Any, buffer: type | None, **changes: Any
) -> OffPolicyAlgorithm:
    is_dict = isinstance(env.observation_space, spaces.Dict)
    settings = {
        "buffer_size": 400,
        "learning_starts": 60,
        "batch_size": 16,
        "policy_kwargs": {"net_arch": [8]},
        "replay_buffer_class": buffer,
        "seed": 0,
        "device": "cpu",
        **changes,
    }
    return kind("MultiInputPolicy" if is_dict else "MlpPolicy", env, **settings)


def fitted_state(venv: VecEnv, reward_input: str = "next_obs") -> RewardState:
    """Return a process reward that gives every step some score."""
    config = OPRLConfig(hidden_size=8, reward_input=reward_input)  # type: ignore[arg-type]
    spaces = venv.observation_space, venv.action_space
    return KnownWeights(*spaces, config=config, unit=2.5).reward_state()


def of_counting_envs(n_envs: int, steps: int, **changes: Any) -> FreshRewards:
    """Return the buffer after some random steps of CountingEnvs, told by s'."""
    envs = [lambda: CountingEnv(length=4, terminates=False)] * n_envs
    venv = VecProcessReward(DummyVecEnv(envs), scale=0.5)
    venv.pop_episodes()  # or it would say that nothing learns
    model = agent(
        DQN, venv, ProcessRewardReplayBuffer, learning_starts=10**6, **changes
    )
    model.learn(steps)
    buffer = model.replay_buffer
    assert isinstance(buffer, FreshRewards)
    buffer.scorer = StepScorer(*venv.reward_spaces(), venv.shaping)
    buffer.scorer.process_reward = TellingReward()  # type: ignore[assignment]
    return buffer


def worth(start: int, end: int, n_steps: int) -> tuple[int, float]:
    """Return how many steps of CountingEnv there are from there, and what they earn.

    Each is paid 1000 + step and half of what it reached, by halves for each step later.
    """
    reached = np.arange(start + 1, min(start + n_steps, end) + 1)
    paid = 1000 + reached % 100 + 0.5 * reached
    return len(reached), float(0.5 ** np.arange(len(reached)) @ paid)


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("steps", [60, 900])  # 400 fit in
@pytest.mark.parametrize("n_steps", [2, 3, 10])
def test_returns_of_several_steps_are_those_of_fresh_rewards(n_steps, steps, handled):
    """An episode ends them, and so does where the newest row meets the oldest."""
    returns = {"n_steps": n_steps, "gamma": 0.5, "handle_timeout_termination": handled}
    buffer = of_counting_envs(2, steps, replay_buffer_kwargs=returns, gamma=0.5)
    newest = int(buffer.next_observations[buffer.pos - 1, 0, 0])
    drawn = buffer.sample(512)
    for start, reached, earned, discount in zip(
        drawn.observations[:, 0].numpy().astype(int),
        drawn.next_observations[:, 0].numpy(),
        drawn.rewards[:, 0].numpy(),
        drawn.discounts[:, 0].numpy(),
        strict=True,
    ):
        count, expected = worth(start, min(100 * (start // 100) + 4, newest), n_steps)
        assert reached == start + count
        assert earned == pytest.approx(expected)
        assert discount == pytest.approx(0.5**count)


def test_an_agent_learns_from_returns_of_several_steps_as_it_is_advised_to():
    """The warning of an ordinary buffer says what to write, and that works."""
    env = ProcessRewardWrapper(gym.make(MAZE))
    asked = agent(DQN, env, None, n_steps=3, gamma=0.9)
    advice = "replay_buffer_kwargs={'n_steps': 3, 'gamma': 0.9} in place of n_steps"
    with pytest.warns(UserWarning, match=re.escape(advice)):
        asked.learn(10, callback=OPRLCallback(QUICK))
    kwargs = {"n_steps": 3, "gamma": 0.9}
    model = agent(
        DQN, env, ProcessRewardReplayBuffer, replay_buffer_kwargs=kwargs, gamma=0.9
    )
    callback = OPRLCallback(QUICK)
    model.learn(900, callback=callback)
    assert callback.learner is not None
    check_rewards_are_of_today(model, callback.learner)


def test_a_buffer_that_discounts_otherwise_than_the_agent_is_refused():
    env = ProcessRewardWrapper(gym.make(MAZE))
    kwargs = {"n_steps": 3}
    model = agent(
        DQN, env, ProcessRewardReplayBuffer, replay_buffer_kwargs=kwargs, gamma=0.9
    )
    advice = "write replay_buffer_kwargs={'n_steps': 3, 'gamma': 0.9}"
    with pytest.raises(ValueError, match=re.escape(advice)):
        model.learn(10, callback=OPRLCallback(QUICK))


@pytest.mark.parametrize("n_steps", [0, 2.5, "3"])
def test_a_number_of_steps_that_is_none_is_named(n_steps):
    kwargs = {"n_steps": n_steps}
    with pytest.raises(ValueError, match=f"n_steps must be .* got {n_steps!r}"):
        agent(
            DQN,
            gym.make(MAZE),
            ProcessRewardReplayBuffer,
            replay_buffer_kwargs=kwargs,
        )


def test_there_are_no_returns_of_several_steps_of_dict_observations():
    kwargs = {"n_steps": 3}
    with pytest.raises(ValueError, match="FlattenObservation inside"):
        agent(
            DQN,
            ProcessRewardWrapper(DictMaze()),
            ProcessRewardDictReplayBuffer,
            replay_buffer_kwargs=kwargs,
        )


def test_nor_with_optimised_memory():
    kwargs = {"n_steps": 3, "handle_timeout_termination": False}
    with pytest.raises(ValueError, match="n_steps=3 and optimize_memory_usage"):
        agent(
            DQN,
            gym.make(MAZE),
            ProcessRewardReplayBuffer,
            optimize_memory_usage=True,
            replay_buffer_kwargs=kwargs,
        )


@pytest.mark.parametrize("kind", [DQN, SAC])
def test_goals_that_are_relabelled_are_refused_and_the_advice_works(kind):
    flips = BitFlippingEnv(n_bits=3, continuous=kind is SAC, max_steps=3)
    env = ProcessRewardWrapper(flips)
    model = agent(kind, env, HerReplayBuffer)
    advice = "write replay_buffer_class=ProcessRewardDictReplayBuffer"
    with pytest.raises(ValueError, match=f"HerReplayBuffer draws .* {advice}"):
        model.learn(10, callback=OPRLCallback(QUICK))
    model = agent(kind, env, ProcessRewardDictReplayBuffer)
    callback = OPRLCallback(QUICK)
    model.learn(120, callback=callback)
    assert callback.learner is not None
    check_rewards_are_of_today(model, callback.learner)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("steps", [60, 900])  # 400 fit in
@pytest.mark.parametrize("lean", [False, True])
def test_what_is_drawn_is_scored_by_the_observation_reached(n_envs, steps, lean):
    """CountingEnv reaches 100 * episode + step and pays 1000 + step."""
    changes = {
        "optimize_memory_usage": lean,
        "replay_buffer_kwargs": {"handle_timeout_termination": not lean},
    }
    buffer = of_counting_envs(n_envs, steps, **changes)
    assert buffer.full == (steps > 400)
    drawn = buffer.sample(512)
    reached = drawn.next_observations[:, 0].numpy()
    expected = 1000 + reached % 100 + 0.5 * reached
    if not lean:
        assert (reached % 100 == 4).any()
        assert not (reached % 100 == 0).any()
    else:  # an end is drawn with the next one's start, which nobody looks at
        ended = reached % 100 == 0
        last = reached - 100 + 4
        expected = np.where(ended, 1004 + 0.5 * last, expected)
    np.testing.assert_allclose(drawn.rewards[:, 0].numpy(), expected)


@pytest.mark.parametrize("mode", ["additive", "potential"])
@pytest.mark.parametrize("reward_input", ["obs", "next_obs"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"replay_buffer_kwargs": {"handle_timeout_termination": False}},
        {
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        },
    ],
    ids=["usual", "timeouts not handled", "memory optimised"],
)
def test_ends_are_drawn_with_the_reward_the_wrapper_gave(changes, reward_input, mode):
    """Terminated ones and truncated ones, of episodes that end side by side or not."""
    venv = VecProcessReward(DummyVecEnv([BackAndForth] * 2), scale=0.7, mode=mode)
    model = agent(
        DQN, venv, ProcessRewardReplayBuffer, learning_starts=10**6, **changes
    )
    learner = OPRLLearner(
        *venv.reward_spaces(),
        OPRLConfig(reward_input=reward_input, update_interval=999),
    )
    learner.process_reward.changed(fitted=True)
    model.learn(168, callback=OPRLCallback(learner=learner))
    buffer = model.replay_buffer
    given = buffer.rewards[:84].copy()
    ended = buffer.dones[:84] > 0
    assert len(np.unique(given[ended].round(4))) > 1
    buffer.sample(3000)  # every row is drawn, and brought up to date
    np.testing.assert_allclose(buffer.rewards[:84], given, atol=1e-5)


def test_new_weights_change_what_was_stored_before_them():
    buffer = of_counting_envs(2, 100)
    old = buffer.sample(64).rewards
    buffer.scorer = None
    buffer.rewards[:] = buffer.env_rewards
    assert (buffer.sample(64).rewards < 1010).all()
    assert (old > 1010).all()


def test_what_was_stored_before_the_reward_was_known_to_be_late_is_too():
    """Old transitions lose the env's reward at once, and may get it back."""
    buffer = of_counting_envs(2, 100)
    assert buffer.scorer is not None
    for reward, weight, unit in [
        (ConstantReward(0.5, unit=8.0), 1.0, 8.0),
        (ConstantReward(0.5, unit=8.0, late=True), 0.0, ALONE),
        (ConstantReward(0.5, unit=9.0), 1.0, 9.0),
    ]:
        buffer.scorer.process_reward = reward  # type: ignore[assignment]
        drawn = buffer.sample(64)
        paid = 1000 + drawn.next_observations[:, 0].numpy() % 100
        expected = weight * paid + 0.5 * 0.5 * unit
        np.testing.assert_allclose(drawn.rewards[:, 0].numpy(), expected)


VECTOR_ENVS = {
    "maze": lambda **k: VecProcessReward(make_vec_env(MAZE, n_envs=2), **k),
    "maze, wrapped inside": lambda **k: make_vec_env(
        MAZE, n_envs=2, wrapper_class=ProcessRewardWrapper, wrapper_kwargs=k
    ),
    "Pendulum": lambda **k: VecProcessReward(make_vec_env("Pendulum-v1", 2), **k),
    "FrozenLake": lambda **k: VecProcessReward(make_vec_env("FrozenLake-v1", 2), **k),
    "Dict": lambda **k: VecProcessReward(DummyVecEnv([DictMaze] * 2), **k),
}


MIXES = [
    (mode, reward_input)
    for mode in ("additive", "potential", "env_reward_weight")
    for reward_input in ("obs", "next_obs", "obs_action")
    if (mode, reward_input) != ("potential", "obs_action")  # which is refused
]


@pytest.mark.parametrize(("mode", "reward_input"), MIXES)
@pytest.mark.parametrize("name", VECTOR_ENVS)
def test_with_the_same_weights_the_reward_is_the_one_the_wrapper_gave(
    name, reward_input, mode
):
    """Terminated, truncated, discrete, continuous: the two paths agree."""
    changes = {"env_reward_weight": 0.0} if mode == "env_reward_weight" else {}
    mode = "additive" if changes else mode
    venv = VECTOR_ENVS[name](mode=mode, scale=0.7, **changes)
    state = fitted_state(venv, reward_input)
    if isinstance(venv, VecProcessReward):
        venv.load_reward_state(state)
        shaping, reward_spaces = venv.shaping, venv.reward_spaces()
    else:
        venv.env_method("load_reward_state", state)
        shaping = venv.get_attr("shaping")[0]
        reward_spaces = venv.env_method("reward_spaces")[0]
    kind = SAC if name == "Pendulum" else DQN
    is_dict = name == "Dict"
    fresh = ProcessRewardDictReplayBuffer if is_dict else ProcessRewardReplayBuffer
    model = agent(kind, venv, fresh, learning_starts=10**6)
    model.learn(160)
    buffer = model.replay_buffer
    assert isinstance(buffer, FreshRewards)
    scorer = StepScorer(*reward_spaces, shaping)
    scorer.load_reward_state(state)
    rows = np.arange(80)
    again = buffer._mixed(scorer, rows)
    assert len(np.unique(again)) > 5
    np.testing.assert_allclose(again, buffer.rewards[rows], rtol=1e-4, atol=1e-5)


def check_rewards_are_of_today(model: OffPolicyAlgorithm, learner: OPRLLearner) -> None:
    buffer = model.replay_buffer
    assert isinstance(buffer, FreshRewards)
    assert buffer.scorer is not None
    rows = np.arange(20)
    fresh = StepScorer(
        buffer.scorer.observation_space,
        buffer.scorer.action_space,
        buffer.scorer.shaping,
    )
    fresh.load_reward_state(learner.reward_state())
    mixed = buffer._mixed(fresh, rows)
    buffer._get_samples(rows)
    np.testing.assert_allclose(buffer.rewards[rows], mixed, rtol=1e-5)
    assert not np.allclose(mixed, buffer.env_rewards[rows])


@pytest.mark.parametrize(
    ("kind", "env"),
    [
        (DQN, lambda: ProcessRewardWrapper(gym.make(MAZE))),
        (DQN, lambda: VecProcessReward(make_vec_env(MAZE, n_envs=3))),
        (DQN, lambda: VecProcessReward(DummyVecEnv([DictMaze]))),
        (
            DQN,
            lambda: make_vec_env(
                MAZE,
                n_envs=2,
                wrapper_class=ProcessRewardWrapper,
                vec_env_cls=SubprocVecEnv,
            ),
        ),
        (SAC, lambda: VecProcessReward(make_vec_env("Pendulum-v1", n_envs=2))),
        (TD3, lambda: ProcessRewardWrapper(gym.make("Pendulum-v1"))),
        (
            SAC,
            lambda: VecNormalize(
                VecProcessReward(make_vec_env("Pendulum-v1", n_envs=2))
            ),
        ),
    ],
    ids=[
        "maze: ProcessRewardWrapper(env)",
        "maze: VecProcessReward(make_vec_env(make_env, 3))",
        "Dict: VecProcessReward(DummyVecEnv([make_env]))",
        "maze: make_vec_env(make_env, 2, wrapper_class=ProcessRewardWrapper, "
        "vec_env_cls=SubprocVecEnv)",
        "Pendulum: VecProcessReward(make_vec_env(make_env, 2))",
        "Pendulum: ProcessRewardWrapper(env)",
        "Pendulum: VecNormalize(VecProcessReward(make_vec_env(make_env, 2)))",
    ],
)
def test_an_agent_learns_with_rewards_of_today(kind, env):
    """Past the buffer's end, several updates of the reward model later."""
    wrapped = env()
    is_dict = isinstance(wrapped.observation_space, spaces.Dict)
    fresh = ProcessRewardDictReplayBuffer if is_dict else ProcessRewardReplayBuffer
    model = agent(kind, wrapped, fresh, buffer_size=300, train_freq=4)
    callback = OPRLCallback(QUICK)
    model.learn(900, callback=callback)
    model.env.close()
    assert callback.learner is not None
    assert callback.report is not None
    assert callback.learner.process_reward.fitted
    assert model.replay_buffer is not None
    assert model.replay_buffer.full
    check_rewards_are_of_today(model, callback.learner)


def test_a_second_learn_and_a_new_callback_take_over_the_buffer():
    model = agent(DQN, ProcessRewardWrapper(gym.make(MAZE)), ProcessRewardReplayBuffer)
    model.learn(200, callback=OPRLCallback(QUICK))
    callback = OPRLCallback(QUICK)
    model.learn(400, callback=callback, reset_num_timesteps=False)
    assert callback.learner is not None
    check_rewards_are_of_today(model, callback.learner)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        (lambda: ProcessRewardWrapper(gym.make(MAZE)), "ProcessRewardReplayBuffer"),
        (
            lambda: ProcessRewardWrapper(DictMaze()),
            "ProcessRewardDictReplayBuffer",
        ),
    ],
)
def test_an_ordinary_buffer_is_warned_of(env, name):
    with pytest.warns(UserWarning, match=f"replay_buffer_class={name}"):
        agent(DQN, env(), None).learn(10, callback=OPRLCallback(QUICK))


def test_the_buffer_needs_a_wrapper():
    model = agent(DQN, gym.make(MAZE), ProcessRewardReplayBuffer)
    with pytest.raises(ValueError, match="wrap it in ProcessRewardWrapper"):
        model.learn(10)


def test_observations_changed_outside_the_wrapper_are_refused():
    stacked = VecFrameStack(VecProcessReward(make_vec_env(MAZE, n_envs=1)), n_stack=2)
    model = agent(DQN, stacked, ProcessRewardReplayBuffer)
    with pytest.raises(ValueError, match="VecProcessReward around"):
        model.learn(10, callback=OPRLCallback(QUICK))


class Mirrored(gym.ObservationWrapper[np.ndarray, Any, np.ndarray]):
    """Moves observations within their space."""

    def observation(self, observation: np.ndarray) -> np.ndarray:
        space = self.observation_space
        moved = observation[::-1]
        return np.clip(moved, space.low, space.high)  # type: ignore[attr-defined]


class Halved(gym.ActionWrapper[np.ndarray, np.ndarray, np.ndarray]):
    """Does half of what it is told, in the same space."""

    def action(self, action: np.ndarray) -> np.ndarray:
        return 0.5 * action


class Swapped(gym.ActionWrapper[Any, int, int]):
    """Turns right when it is told to turn left."""

    def action(self, action: int) -> int:
        return 3 - action


class Torques(gym.ActionWrapper[np.ndarray, int, np.ndarray]):
    """Three torques to choose from."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = spaces.Discrete(3)

    def action(self, action: int) -> np.ndarray:
        return np.array([2.0 * (action - 1)], np.float32)


class VecShift(VecEnvWrapper):
    """Moves the observations of a VecEnv within their space."""

    def reset(self) -> np.ndarray:
        return np.roll(self.venv.reset(), 1, axis=-1)

    def step_wait(self) -> Any:
        observations, *rest = self.venv.step_wait()
        return np.roll(observations, 1, axis=-1), *rest


def pendulum() -> ProcessRewardWrapper:
    return ProcessRewardWrapper(gym.make("Pendulum-v1"))


def known_learner(model: OffPolicyAlgorithm, reward_input: str) -> OPRLLearner:
    """Return a learner that keeps some weights."""
    env = model.get_env()
    assert env is not None
    config = OPRLConfig(
        hidden_size=8,
        reward_input=reward_input,  # type: ignore[arg-type]
        update_interval=10**6,
    )
    learner = OPRLLearner(*RewardWrappers.find(env).spaces(), config, seed=0)
    learner.process_reward.changed(fitted=True)
    return learner


OBSERVATIONS_REMADE = {
    "maze": (DQN, lambda: Mirrored(ProcessRewardWrapper(gym.make(MAZE)))),
    "Pendulum": (SAC, lambda: Mirrored(pendulum())),
    "VecEnv": (
        DQN,
        lambda: VecShift(VecProcessReward(make_vec_env(MAZE, n_envs=2))),
    ),
}
ACTIONS_REMADE = {
    "maze": (DQN, lambda: Swapped(ProcessRewardWrapper(gym.make(MAZE)))),
    "Pendulum": (SAC, lambda: Halved(pendulum())),
}
INSIDE = "put it inside ProcessRewardWrapper or VecProcessReward"


@pytest.mark.parametrize("reward_input", ["obs", "next_obs", "obs_action"])
@pytest.mark.parametrize(
    ("kind", "env"), OBSERVATIONS_REMADE.values(), ids=OBSERVATIONS_REMADE
)
def test_observations_remade_in_the_same_space_are_refused(kind, env, reward_input):
    model = agent(kind, env(), ProcessRewardReplayBuffer)
    learner = known_learner(model, reward_input)
    with pytest.raises(ValueError, match=INSIDE):
        model.learn(20, callback=OPRLCallback(learner=learner))


@pytest.mark.parametrize(("kind", "env"), ACTIONS_REMADE.values(), ids=ACTIONS_REMADE)
def test_so_are_actions_where_they_are_scored(kind, env):
    model = agent(kind, env(), ProcessRewardReplayBuffer)
    with pytest.raises(ValueError, match=INSIDE):
        model.learn(
            20, callback=OPRLCallback(learner=known_learner(model, "obs_action"))
        )
    model = agent(kind, env(), ProcessRewardReplayBuffer)
    model.learn(20, callback=OPRLCallback(learner=known_learner(model, "next_obs")))


def test_what_the_first_weights_could_not_tell_is_refused_after_the_next():
    """Weights that were never fitted score all alike."""
    model = agent(
        DQN,
        Mirrored(ProcessRewardWrapper(gym.make(MAZE))),
        ProcessRewardReplayBuffer,
        learning_starts=10**6,
    )
    callback = OPRLCallback(QUICK)
    with pytest.raises(ValueError, match=INSIDE):
        model.learn(1000, callback=callback)
    assert callback.learner is not None
    assert callback.learner.process_reward.fitted


def test_actions_of_another_space_are_refused_where_they_are_scored():
    model = agent(DQN, Torques(pendulum()), ProcessRewardReplayBuffer)
    with pytest.raises(ValueError, match=r"actions of Discrete\(3\), but the reward"):
        model.learn(
            20, callback=OPRLCallback(learner=known_learner(model, "obs_action"))
        )
    callback = OPRLCallback(learner=known_learner(model, "next_obs"))
    model.learn(100, callback=callback)
    assert callback.learner is not None
    check_rewards_are_of_today(model, callback.learner)


def test_around_what_changes_observations_it_works():
    stacked = VecProcessReward(VecFrameStack(make_vec_env(MAZE, n_envs=1), n_stack=2))
    model = agent(DQN, stacked, ProcessRewardReplayBuffer)
    callback = OPRLCallback(QUICK)
    model.learn(300, callback=callback)
    assert callback.learner is not None
    check_rewards_are_of_today(model, callback.learner)


def test_comparing_leaves_alone_what_scores_the_steps_that_are_drawn(monkeypatch):
    """A score rounds differently among others: what is compared has its own scorer."""
    score = StepScorer.score
    at_work: list[StepScorer] = []

    def noted(scorer: StepScorer, step: VectorStep) -> np.ndarray:
        at_work.append(scorer)
        return score(scorer, step)

    monkeypatch.setattr(StepScorer, "score", noted)
    env = ProcessRewardWrapper(gym.make(MAZE))
    model = agent(DQN, env, ProcessRewardReplayBuffer, learning_starts=10**6)
    model.learn(20, callback=OPRLCallback(learner=known_learner(model, "next_obs")))
    buffer = model.replay_buffer
    assert isinstance(buffer, FreshRewards)
    assert len(at_work) == 30  # 20 by the wrapper, the first 10 also by the buffer
    assert buffer.scorer not in at_work
    buffer.sample(4)
    assert buffer.scorer in at_work
