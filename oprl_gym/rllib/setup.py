"""with_oprl: an RLlib config of which the algorithm learns its own process reward."""

from __future__ import annotations

from functools import partial
from pickle import PicklingError
from typing import Any

from ray import cloudpickle
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.utils import force_list

from oprl_gym.config import DEFAULT_MODE, DEFAULT_SCALE, OPRLConfig, check_config
from oprl_gym.preferences.default_teacher import check_teacher
from oprl_gym.preferences.teacher import Teacher
from oprl_gym.rewards.scoring import Shaping
from oprl_gym.rllib.callback import OPRLRLlibCallback
from oprl_gym.rllib.trainer import Settings
from oprl_gym.types import Mode


def with_oprl(
    config: PPOConfig,
    oprl: OPRLConfig | None = None,
    *,
    teacher: Teacher | None = None,
    scale: float = DEFAULT_SCALE,
    mode: Mode = DEFAULT_MODE,
    env_reward_weight: float | None = None,
) -> PPOConfig:
    """Return a copy of an RLlib config whose algorithm learns from a process reward.

    Call it last: a later ``config.callbacks(...)`` with a class would replace ours.
    Your own callbacks and connectors stay; learner connectors see the mixed reward.
    The discount of "potential" is the config's ``gamma``, the seed of the learner its
    ``seed``. Every result of ``train()`` has ``["oprl"]``: ``reward_loss``,
    ``accuracy``, ``score_spread``, ``preferences``, ``process_reward_mean``,
    ``env_reward_mean``, ``env_reward_weight`` and ``mixed_return``, as ``OPRLCallback``
    logs them; returns of episodes stay the env's own.

    Args:
        config: Config of PPO for a single agent, on the new API stack.
        oprl: Settings of the learner; None takes the defaults.
        teacher: Who judges pairs of episodes; None takes what ``oprl.rule`` says. It is
            copied into another process, so it must be one that can be pickled.
        scale: Weight of the process reward.
        mode: "additive" or "potential"; see
            :class:`~oprl_gym.rewards.scoring.Shaping`.
        env_reward_weight: Weight of the env's own reward; 0 for an agent that learns
            from the process reward alone. None: 1, and 0 where the env pays only with
            the end of each episode; see :class:`~oprl_gym.rewards.scoring.Shaping`.

    Raises:
        TypeError: It is no config of an algorithm.
        ValueError: It is of an algorithm, an API stack or a kind of env that this does
            not work with, has a process reward already, an argument makes no sense, or
            the teacher cannot be pickled.
            When the algorithm is built: the env's spaces cannot be read.

    Example:
        >>> from ray.rllib.algorithms.ppo import PPOConfig
        >>> from oprl_gym.rllib import with_oprl
        >>> config = with_oprl(PPOConfig().environment("OPRLMaze-v0"), scale=0.1)
        >>> algorithm = config.build_algo()  # doctest: +SKIP
    """
    _check(config)
    check_config(oprl)
    oprl = OPRLConfig() if oprl is None else oprl
    shaping = Shaping(
        scale,
        mode,
        reward_input=oprl.reward_input,
        env_reward_weight=env_reward_weight,
    )
    _check_teacher(teacher)
    ours = partial(OPRLRLlibCallback, Settings(oprl, teacher, shaping))
    config = config.copy(copy_frozen=False)
    return config.callbacks([*force_list(config.callbacks_class), ours])


def _check(config: Any) -> None:
    if not isinstance(config, AlgorithmConfig):
        raise TypeError(
            f"with_oprl takes the config of an algorithm, such as PPOConfig(), got "
            f"{config!r}; call it before build_algo()"
        )
    if not isinstance(config, PPOConfig):
        raise ValueError(
            f"with_oprl works with PPOConfig, got {type(config).__name__}: other "
            "algorithms learn from old episodes or in other processes; use PPO, or "
            "Stable-Baselines3 with oprl_gym.callbacks.OPRLCallback"
        )
    stack = {
        name: getattr(config, name)
        for name in (
            "enable_rl_module_and_learner",
            "enable_env_runner_and_connector_v2",
        )
    }
    if not all(stack.values()):
        raise ValueError(
            f"with_oprl needs RLlib's new API stack, but {stack}; set both to True by "
            "config.api_stack(...)"
        )
    env_is_multi_agent = isinstance(config.env, type) and issubclass(
        config.env, MultiAgentEnv
    )
    if config.is_multi_agent or env_is_multi_agent:
        raise ValueError(
            f"with_oprl works with a single agent, but the config has the policies "
            f"{sorted(config.policies)} and the env {config.env}; leave out "
            "config.multi_agent(...) and take an env of one agent"
        )
    if any(_is_ours(callback) for callback in force_list(config.callbacks_class)):
        raise ValueError(
            "the config has a process reward already, and every reward would be added "
            "twice; call with_oprl once"
        )


def _check_teacher(teacher: Teacher | None) -> None:
    check_teacher(teacher)
    try:
        cloudpickle.dumps(teacher)
    except (TypeError, AttributeError, ValueError, PicklingError) as error:
        raise ValueError(
            f"the teacher {teacher!r} cannot be sent to the process of the reward "
            f"trainer ({error}); give one without open files, databases or windows"
        ) from error


def _is_ours(callback: Any) -> bool:
    return isinstance(callback, partial) and callback.func is OPRLRLlibCallback
