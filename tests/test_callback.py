"""OPRLCallback in every documented set-up."""

import csv
import warnings
from copy import deepcopy

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnvWrapper,
    VecMonitor,
    VecNormalize,
)
from support.fakes import QUICK, ConstantReward, CountingEnv

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.wrappers import ProcessRewardWrapper, VecProcessReward

MAZE = "OPRLMaze-v0"
SET_UPS = {
    "single env": lambda: ProcessRewardWrapper(gym.make(MAZE)),
    "wrapper_class": lambda: make_vec_env(
        MAZE, n_envs=2, wrapper_class=ProcessRewardWrapper
    ),
    "subprocesses": lambda: make_vec_env(
        MAZE,
        n_envs=2,
        wrapper_class=ProcessRewardWrapper,
        vec_env_cls=SubprocVecEnv,
    ),
    "VecProcessReward": lambda: VecProcessReward(make_vec_env(MAZE, n_envs=2)),
    "VecProcessReward over subprocesses": lambda: VecProcessReward(
        # A fresh process knows the id only if it is told which module registers it.
        make_vec_env(f"oprl_gym:{MAZE}", n_envs=2, vec_env_cls=SubprocVecEnv)
    ),
    "VecMonitor outside": lambda: VecMonitor(
        VecProcessReward(DummyVecEnv([lambda: gym.make(MAZE)] * 2))
    ),
    "native VecEnv": lambda: VecProcessReward(VecMonitor(OPRLMazeVecEnv(num_envs=2))),
    "VecNormalize outside": lambda: VecNormalize(
        VecProcessReward(make_vec_env(MAZE, n_envs=2)), norm_obs=True
    ),
}


def agent(env, algo=A2C, **settings):
    if algo is PPO:  # what is shown here is the same however long it fits
        settings = {"n_epochs": 1, **settings}
    return algo("MlpPolicy", env, seed=0, device="cpu", **settings)


def progress(model, folder):
    model.logger.close()
    with (folder / "progress.csv").open() as file:
        return list(csv.DictReader(file))


class Witness(BaseCallback):
    """Notes what the agent was told at every step."""

    def __init__(self):
        super().__init__()
        self.process_rewards = []
        self.agent_rewards = []
        self.env_returns = []
        self.weights_changed_at = []
        self._weights = None

    def _on_step(self):
        for info, reward in zip(
            self.locals["infos"], self.locals["rewards"], strict=True
        ):
            self.process_rewards.append(info["process_reward"])
            self.agent_rewards.append(reward)
            if "oprl_episode" in info:
                self.env_returns.append(info["oprl_episode"]["env_return"])
        return True


@pytest.mark.parametrize("algo", [A2C, PPO])
@pytest.mark.parametrize("set_up", SET_UPS.values(), ids=SET_UPS.keys())
def test_the_reward_model_is_learned_and_reaches_the_envs(set_up, algo, tmp_path):
    env = set_up()
    settings = {"batch_size": 64} if algo is PPO else {}
    model = agent(env, algo, n_steps=64 if algo is PPO else 16, **settings)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    callback, witness = OPRLCallback(QUICK), Witness()
    try:
        model.learn(640, callback=[callback, witness], log_interval=1)
    finally:
        model.get_env().close()

    # The first rollouts came before any fit, the last ones after.
    assert set(witness.process_rewards[:100]) == {0.0}
    assert np.count_nonzero(witness.process_rewards[-20:]) == 20
    assert callback.report.preferences > 8

    rows = progress(model, tmp_path)
    for name in ("reward_loss", "accuracy", "preferences", "process_reward_mean"):
        assert np.isfinite(float(rows[-1][f"oprl/{name}"]))
    assert float(rows[-1]["oprl/score_spread"]) == pytest.approx(
        callback.report.score_spread, rel=1e-3
    )
    assert float(rows[-1]["oprl/score_spread"]) > 0.01  # something is told apart
    assert float(rows[-1]["oprl/env_reward_weight"]) == 1.0  # a goal is no late pay
    # The env pays 0 or 10 an episode; the learned reward must not leak into this.
    logged = [row["rollout/ep_rew_mean"] for row in rows if row["rollout/ep_rew_mean"]]
    total = 10 * sum(value > 0 for value in witness.env_returns)
    expected = total / len(witness.env_returns)
    assert float(logged[-1]) == pytest.approx(expected)
    assert float(rows[-1]["oprl/process_reward_mean"]) != 0.0


def test_a_monitor_outside_does_report_the_mixed_return_without_the_callback():
    """Why the callback mends it: this is what Stable-Baselines3 sets up by itself."""
    env = Monitor(ProcessRewardWrapper(CountingEnv(), scale=0.5))
    env.env._mixer.scorer.process_reward = ConstantReward(1.0)
    env.reset()
    for _ in range(3):
        info = env.step(0)[4]
    assert info["episode"]["r"] == 3006 + 3 * 0.5
    assert info["oprl_episode"]["env_return"] == 3006


def test_logged_means_are_those_of_the_episodes(tmp_path):
    """Steps pay 1001, 1002, 1003; the mixed return adds the scaled process return."""
    env = VecProcessReward(DummyVecEnv([CountingEnv]), scale=0.5)
    model = agent(env, n_steps=6)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    config = OPRLConfig(hidden_size=8, update_interval=6, min_preferences=44_000)
    model.learn(12, callback=OPRLCallback(config), log_interval=1)
    row = progress(model, tmp_path)[-1]
    assert float(row["oprl/env_reward_mean"]) == pytest.approx(1002)
    assert float(row["oprl/process_reward_mean"]) == 0.0
    assert float(row["oprl/mixed_return"]) == pytest.approx(3006)


@pytest.mark.parametrize("interval", [100, 128, 1000])
def test_the_reward_changes_only_between_rollouts_at_the_interval(interval):
    """Each state of the maze keeps its score within a rollout of 64 steps."""
    env = VecProcessReward(make_vec_env(MAZE, n_envs=2))
    config = OPRLConfig(
        hidden_size=8,
        min_preferences=2,
        update_interval=interval,
        gradient_steps=1,
        pairs_per_update=8,  # which are new also where no episode has ended
    )
    updates = []

    class Scores(BaseCallback):
        def _on_step(self):
            reward = env._mixer.scorer.process_reward
            scores = reward.score(np.eye(64, dtype=np.float32), np.ones(64, bool))
            if not updates or not np.array_equal(updates[-1][1], scores):
                updates.append((self.num_timesteps, scores))
            return True

    agent(env, PPO, n_steps=32, batch_size=64).learn(
        2 * interval + 256, callback=[OPRLCallback(config), Scores()]
    )
    changed_at = [step for step, _ in updates[1:]]
    assert changed_at
    assert all(step % 64 == 2 for step in changed_at)  # the first step of a rollout
    gaps = np.diff(changed_at)
    assert gaps.max(initial=0) <= -(-interval // 64) * 64


def test_the_later_the_rarer_are_the_updates():
    """At last an update waits for a quarter of all steps so far."""
    env = VecProcessReward(make_vec_env(MAZE, n_envs=2))
    config = OPRLConfig(hidden_size=8, update_interval=64, interval_growth=0.25)
    done = []

    class Watched(OPRLCallback):
        def _on_rollout_end(self):
            super()._on_rollout_end()
            if not done or done[-1][1] is not self.report:
                done.append((self.num_timesteps, self.report))

    agent(env, PPO, n_steps=32, batch_size=64).learn(1024, callback=Watched(config))
    times = np.array([step for step, _ in done])
    assert times[:4].tolist() == [64, 128, 192, 256]
    gaps = np.diff(times)
    assert np.all(np.diff(gaps) >= 0)
    assert gaps[-1] >= 0.25 * times[-2]


class Buffer(BaseCallback):
    """Looks at what the agent is about to learn from."""

    def __init__(self):
        super().__init__()
        self.rollouts = []
        self.steps = []

    def _on_step(self):
        self.steps.append(list(self.locals["infos"]))
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        self.rollouts.append(
            (buffer.observations.copy(), buffer.rewards.copy(), self.steps)
        )
        self.steps = []


def newest_rewards(observations, steps, env, scale):
    """Return the rewards of all steps but the last by the newest weights."""
    reached = observations[1:]
    for t, infos in enumerate(steps[:-1]):
        for n, info in enumerate(infos):
            if "terminal_observation" in info:
                reached[t, n] = info["terminal_observation"]
    scorer = env._mixer.scorer
    first = [[info["oprl_first_visits"][1] for info in infos] for infos in steps[:-1]]
    scores = scorer.unit * scorer.process_reward.score(
        reached.reshape(-1, 64), np.array(first).reshape(-1)
    )
    paid = np.array([[info["env_reward"] for info in infos] for infos in steps[:-1]])
    return paid + scale * scores.reshape(paid.shape)


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "in each env"])
def test_the_agent_learns_from_the_rollout_as_the_newest_weights_score_it(inside):
    if inside:
        env = make_vec_env(MAZE, n_envs=2, wrapper_class=ProcessRewardWrapper)
    else:
        env = VecProcessReward(make_vec_env(MAZE, n_envs=2))
    model = agent(env, PPO, n_steps=128, batch_size=64)
    callback, look = OPRLCallback(QUICK), Buffer()
    model.learn(512, callback=[callback, look])

    observations, rewards, steps = look.rollouts[-1]
    scorer = VecProcessReward(make_vec_env(MAZE, n_envs=2))
    scorer.load_reward_state(callback.learner.reward_state())
    expected = newest_rewards(observations, steps, scorer, scale=0.1)
    truncated = np.array(
        [[info["TimeLimit.truncated"] for info in infos] for infos in steps[:-1]]
    )
    given = np.array(
        [
            [info["env_reward"] + 0.1 * info["process_reward"] for info in infos]
            for infos in steps[:-1]
        ]
    )
    kept = ~truncated
    np.testing.assert_allclose(rewards[:-1][kept], expected[kept], atol=1e-5)
    assert not np.allclose(given[kept], expected[kept], atol=1e-3)


class Seen(BaseCallback):
    """Keeps the rewards as the agent was given them."""

    def __init__(self):
        super().__init__()
        self.rewards = []

    def _on_step(self):
        self.rewards.append(self.locals["rewards"].copy())
        return True


def test_under_vec_normalize_the_change_is_scaled_as_it_scales():
    inner = VecProcessReward(make_vec_env(MAZE, n_envs=2))
    env = VecNormalize(inner, norm_obs=False, norm_reward=True)
    model = agent(env, PPO, n_steps=128, batch_size=64)
    callback, seen, look = OPRLCallback(QUICK), Seen(), Buffer()
    model.learn(768, callback=[callback, seen, look])

    observations, rewards, steps = look.rollouts[-1]
    infos = steps[:-1]
    truncated = np.array([[i["TimeLimit.truncated"] for i in row] for row in infos])
    before = np.array(
        [[i["env_reward"] + 0.1 * i["process_reward"] for i in row] for row in infos]
    )
    newest = newest_rewards(observations, steps, inner, scale=0.1)
    known, paid = deepcopy(env.ret_rms), np.zeros(2)
    for row, row_of_infos in zip(newest, infos, strict=True):
        paid = paid * env.gamma + row
        known.update(paid)
        paid[["oprl_episode" in info for info in row_of_infos]] = 0.0
    expected = (newest - before) / np.sqrt(known.var + env.epsilon)
    change = rewards[:-1] - np.array(seen.rewards[-128:-1])
    # But for the last step, whose new reward is not known here.
    np.testing.assert_allclose(
        change[~truncated], expected[~truncated], rtol=0.03, atol=1e-3
    )
    assert np.abs(change[~truncated]).max() > 1e-2


class Tenfold(VecEnvWrapper):
    """A wrapper that nobody knows of."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, 10 * rewards, dones, infos


def test_rewards_that_a_wrapper_outside_remade_are_left_as_they_are():
    """What it would have made of the new ones is not known."""
    env = Tenfold(VecProcessReward(make_vec_env(MAZE, n_envs=2)))
    model = agent(env, PPO, n_steps=128, batch_size=64)
    seen, look = Seen(), Buffer()
    with pytest.warns(UserWarning, match="makes other rewards of what it") as caught:
        model.learn(768, callback=[OPRLCallback(QUICK), seen, look])
    assert len(caught) == 1
    _, rewards, steps = look.rollouts[-1]
    truncated = np.array(
        [[info["TimeLimit.truncated"] for info in infos] for infos in steps]
    )
    given = np.array(seen.rewards[-128:])
    assert given.any()
    np.testing.assert_array_equal(rewards[~truncated], given[~truncated])


def test_nothing_the_callback_is_told_is_ignored():
    learner = OPRLLearner(*_spaces(), QUICK, seed=5)
    with pytest.raises(ValueError, match="not both"):
        OPRLCallback(QUICK, learner=learner)
    callback = OPRLCallback(learner=learner)
    agent(SET_UPS["single env"]()).learn(10, callback=callback)
    assert callback.learner is learner


def test_the_wrappers_reward_input_is_taken_over():
    callback = OPRLCallback()
    env = ProcessRewardWrapper(gym.make(MAZE), reward_input="obs_action")
    agent(env).learn(10, callback=callback)
    assert callback.learner.config.reward_input == "obs_action"


def test_a_config_at_odds_with_the_wrapper_is_refused():
    env = ProcessRewardWrapper(gym.make(MAZE), reward_input="obs")
    callback = OPRLCallback(OPRLConfig(reward_input="next_obs"))
    with pytest.raises(ValueError, match="'obs' but the learner uses 'next_obs'"):
        agent(env).learn(10, callback=callback)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_an_env_without_a_wrapper_gets_the_line_to_add(n_envs):
    model = agent(make_vec_env(MAZE, n_envs=n_envs))
    with pytest.raises(ValueError, match=r"env = ProcessRewardWrapper\(env\)"):
        model.learn(10, callback=OPRLCallback())


@pytest.mark.parametrize("gamma", [0.5, 0.99])
def test_a_potential_by_another_discount_is_said_to_change_the_best_policy(gamma):
    env = ProcessRewardWrapper(gym.make("CartPole-v1"), mode="potential", gamma=gamma)
    model = A2C("MlpPolicy", env, gamma=0.99, device="cpu")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.learn(10, callback=OPRLCallback(QUICK))
    told = [one for one in said if "give the wrapper gamma=0.99" in str(one.message)]
    assert len(told) == (gamma == 0.5)


def test_two_wrappers_would_add_twice_and_are_refused():
    inner = make_vec_env(MAZE, n_envs=2, wrapper_class=ProcessRewardWrapper)
    with pytest.raises(ValueError, match="added twice"):
        agent(VecProcessReward(inner)).learn(10, callback=OPRLCallback())


def test_envs_wrapped_by_halves_are_refused():
    venv = DummyVecEnv(
        [lambda: ProcessRewardWrapper(gym.make(MAZE)), lambda: gym.make(MAZE)]
    )
    with pytest.raises(ValueError, match=r"envs \[1\]"):
        agent(venv).learn(10, callback=OPRLCallback())


def test_wrappers_that_mix_differently_are_refused():
    venv = DummyVecEnv(
        [
            lambda: ProcessRewardWrapper(gym.make(MAZE), scale=0.1),
            lambda: ProcessRewardWrapper(gym.make(MAZE), scale=0.2),
        ]
    )
    with pytest.raises(ValueError, match="not alike"):
        agent(venv).learn(10, callback=OPRLCallback())


def test_learning_goes_on_in_a_second_learn():
    callback = OPRLCallback(QUICK)
    model = agent(SET_UPS["VecProcessReward"](), n_steps=16)
    model.learn(256, callback=CallbackList([callback]))
    learner, known = callback.learner, len(callback.learner.memory.trajectories)
    model.learn(256, callback=callback, reset_num_timesteps=False)
    assert callback.learner is learner
    assert len(learner.memory.trajectories) > known
    model.learn(256, callback=callback, reset_num_timesteps=True)
    assert callback.learner is learner


def weights(model):
    return {name: value.clone() for name, value in model.policy.state_dict().items()}


def run(callback=None, scale=0.1, oprl=True, seed=0):
    venv = make_vec_env(MAZE, n_envs=2)
    env = VecProcessReward(venv, scale=scale) if oprl else venv
    model = PPO("MlpPolicy", env, n_steps=64, n_epochs=2, seed=seed, device="cpu")
    model.learn(640, callback=callback)
    return weights(model)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_steps_after_the_training_are_not_kept():
    """Else an agent that is used in the env it was trained in fills the memory."""
    env = VecProcessReward(make_vec_env("CartPole-v1", 2))
    model = A2C("MlpPolicy", env, device="cpu")
    model.learn(100, callback=OPRLCallback(QUICK))
    for _ in range(20):
        env.step(np.zeros(2, int))
    with pytest.raises(RuntimeError, match="no rollout was kept"):
        env.rescore_rollout()


def test_same_seed_gives_the_same_agent_and_the_same_reward_model():
    callbacks = [OPRLCallback(QUICK) for _ in range(3)]
    first, again, other = (
        run(callback, seed=seed)
        for callback, seed in zip(callbacks, [0, 0, 1], strict=True)
    )
    assert same(first, again)
    assert not same(first, other)
    states = [callback.learner.reward_state().weights for callback in callbacks]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_with_scale_zero_the_agent_is_the_plain_agent_to_the_bit():
    """Learning a reward must not disturb the agent's own random numbers."""
    plain = run(oprl=False)
    assert same(plain, run(OPRLCallback(QUICK), scale=0.0))
    assert not same(plain, run(OPRLCallback(QUICK), scale=0.1))


def test_subprocesses_and_one_process_learn_the_same(tmp_path):
    """The weights really arrive in the workers: the agent comes out the same."""

    def train(vec_env_cls):
        env = make_vec_env(
            MAZE, n_envs=2, wrapper_class=ProcessRewardWrapper, vec_env_cls=vec_env_cls
        )
        model = agent(env, n_steps=16)
        model.learn(640, callback=OPRLCallback(QUICK))
        env.close()
        return weights(model)

    assert same(train(DummyVecEnv), train(SubprocVecEnv))


def _spaces():
    env = gym.make(MAZE)
    return env.observation_space, env.action_space


def test_episodes_do_not_wait_for_the_update_nor_for_the_rollouts_end():
    """The wrapper keeps 1000 and would drop, and warn of, any more."""
    env = VecProcessReward(DummyVecEnv([lambda: CountingEnv(length=1)] * 4))
    model = agent(env, n_steps=300)  # 1200 episodes in a rollout
    config = OPRLConfig(hidden_size=8, update_interval=2000, min_preferences=44_000)
    callback = OPRLCallback(config)
    model.learn(1200, callback=callback)
    assert callback.report is None
    assert callback.learner is not None
    assert len(callback.learner.memory.trajectories) == 200
    model.learn(1200, callback=callback, reset_num_timesteps=False)
    assert callback.report is not None
    assert callback.report.new_trajectories == 2400
