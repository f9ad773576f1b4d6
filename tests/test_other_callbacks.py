"""OPRLCallback beside the callbacks of Stable-Baselines3, and learn()'s options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import (
    CallbackList,
    CheckpointCallback,
    EvalCallback,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize
from support.known_weights import KnownWeights, agent
from support.wrapper_orders import PAID, Calendar

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.wrappers import ProcessRewardWrapper, VecProcessReward

every_kind = pytest.mark.parametrize("kind", [A2C, PPO, DQN])

FORMS: dict[str, Callable[[OPRLCallback], Any]] = {
    "callback": lambda callback: callback,
    "[callback]": lambda callback: [callback],
    "CallbackList([callback])": lambda callback: CallbackList([callback]),
}


def wrapped() -> VecProcessReward:
    return VecProcessReward(make_vec_env(Calendar, 2))


EVAL_ENVS: dict[str, Callable[[], Any]] = {
    "Monitor(env)": lambda: Monitor(Calendar()),
    "ProcessRewardWrapper(Monitor(env))": lambda: ProcessRewardWrapper(
        Monitor(Calendar())
    ),
    "Monitor(ProcessRewardWrapper(env))": lambda: Monitor(
        ProcessRewardWrapper(Calendar())
    ),
    "make_vec_env(make_env, 2)": lambda: make_vec_env(Calendar, 2),
    "VecProcessReward(make_vec_env(make_env, 2))": wrapped,
}


@every_kind
@pytest.mark.parametrize("eval_env", EVAL_ENVS)
# Stable-Baselines3 says so of any training env that is wrapped differently.
@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
def test_an_eval_callback_reports_the_envs_own_return(kind, eval_env):
    model = agent(kind, wrapped())
    evaluate = EvalCallback(EVAL_ENVS[eval_env](), eval_freq=16, verbose=0)
    learner = KnownWeights.of(model)
    model.learn(60, callback=[evaluate, OPRLCallback(learner=learner)])
    assert evaluate.last_mean_reward == sum(PAID)
    # Episodes of the evaluation are none of the agent's.
    assert len(learner.memory.trajectories) in (18, 20)


OWN_ENVS: dict[str, Callable[[], Any]] = {
    "ProcessRewardWrapper(Monitor(env))": lambda: ProcessRewardWrapper(
        Monitor(Calendar())
    ),
    "make_vec_env(make_env, 2, wrapper_class=ProcessRewardWrapper)": lambda: (
        make_vec_env(Calendar, 2, wrapper_class=ProcessRewardWrapper)
    ),
    "VecProcessReward(make_vec_env(make_env, 2))": wrapped,
}


@every_kind
@pytest.mark.parametrize("env", OWN_ENVS)
def test_after_training_a_monitor_inside_reports_the_envs_own_return(kind, env):
    model = agent(kind, OWN_ENVS[env]())
    model.learn(60, callback=OPRLCallback(learner=KnownWeights.of(model)))
    assert evaluate_policy(model, model.get_env(), 4) == (sum(PAID), 0.0)


@every_kind
def test_an_eval_env_under_vec_normalize_is_wrapped_like_the_agents(kind):
    env = VecNormalize(wrapped())
    model = agent(kind, env)
    eval_env = VecNormalize(wrapped(), training=False, norm_reward=False)
    evaluate = EvalCallback(eval_env, eval_freq=16, verbose=0)
    model.learn(60, callback=[evaluate, OPRLCallback(learner=KnownWeights.of(model))])
    assert evaluate.last_mean_reward == sum(PAID)
    assert eval_env.obs_rms.count > 1  # those of the training env


@pytest.mark.parametrize("kind", [A2C, PPO])
def test_evaluating_in_the_agents_own_env_is_refused(kind):
    env = wrapped()
    model = agent(kind, env)
    evaluate = EvalCallback(env, eval_freq=16, verbose=0)
    callbacks = [OPRLCallback(learner=KnownWeights.of(model)), evaluate]
    with pytest.raises(ValueError, match="needs an env of its own"):
        model.learn(60, callback=callbacks)


@every_kind
def test_a_checkpoint_can_be_learned_on_from(kind, tmp_path):
    env = VecNormalize(wrapped())
    model = agent(kind, env)
    save = CheckpointCallback(
        16, str(tmp_path), save_replay_buffer=True, save_vecnormalize=True
    )
    callback = OPRLCallback(learner=KnownWeights.of(model))
    model.learn(60, callback=CallbackList([save, callback]))

    def saved(what: str) -> str:
        return str(tmp_path / f"rl_model_{what}32_steps")

    restored = VecNormalize.load(f"{saved('vecnormalize_')}.pkl", wrapped())
    again = kind.load(saved(""), env=restored)
    if kind is DQN:
        again.load_replay_buffer(f"{saved('replay_buffer_')}.pkl")
        assert again.replay_buffer.size() == 15  # a step is stored after the callbacks
    again.learn(60, callback=callback, reset_num_timesteps=False)
    assert again.num_timesteps > 90
    assert {info["r"] for info in again.ep_info_buffer} == {sum(PAID)}


@every_kind
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
def test_learning_goes_on_in_a_second_learn(kind, form):
    """However the callback is passed, with a progress bar, from either count."""
    model = agent(kind, wrapped())
    learner = KnownWeights.of(model)
    callback = OPRLCallback(learner=learner)
    for reset_num_timesteps in (True, False, True):
        known = len(learner.memory.trajectories)
        model.learn(
            60, form(callback), 4, "run", reset_num_timesteps, progress_bar=True
        )
        assert len(learner.memory.trajectories) >= known + 15
        assert {info["r"] for info in model.ep_info_buffer} == {sum(PAID)}
    for episode in learner.memory.trajectories:
        assert episode.env_rewards.tolist() == PAID
        assert episode.process_rewards.all()
