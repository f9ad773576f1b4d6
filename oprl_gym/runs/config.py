"""What defines a training run: every option of ``oprl-gym train``, with its default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal, get_args

from tyro.conf import UseAppendAction, arg

from oprl_gym.config import (
    DEFAULT_GAMMA,
    DEFAULT_MODE,
    DEFAULT_SCALE,
    LONGEST,
    MOST_INT,
    OPRLConfig,
    check_choice,
    is_finite,
    shown,
    take_numpy,
)
from oprl_gym.files.fields import as_object, check_kinds, from_dict
from oprl_gym.preferences.queries import check_queries
from oprl_gym.runs.algorithms import (
    ALGORITHM_DEFAULTS,
    Algorithm,
    Policy,
    check_algo_kwargs,
    check_has_effect,
    check_plain,
    check_policy_kwargs,
)
from oprl_gym.runs.env_wrappers import NamedWrapper
from oprl_gym.runs.literals import Plain
from oprl_gym.runs.teaching_config import TeachingConfig
from oprl_gym.types import Mode

MOST_ENVS = 10_000
"""Copies of an env in one process; each is an object of its own."""

Bonus = Literal["none", "step-cost", "first-visit"]
EnvValue = int | float | bool | str


AS_SUITS = OPRLConfig()
"""Stands for the learner's settings that suit who teaches, where none are given."""


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what a training run does.

    Example:
        >>> from oprl_gym.runs.config import TrainConfig
        >>> TrainConfig(algo="a2c").resolved().n_steps
        5

    Raises:
        ValueError: A value is out of range; the message names it.
    """

    env_id: str = "OPRLMaze-v0"
    """Gymnasium id of the env."""

    algo: Algorithm = "ppo"
    """Algorithm of Stable-Baselines3 that trains the agent."""

    total_timesteps: int = 30_000
    """Env steps, over all envs; rounded up to whole rollouts."""

    n_envs: int = 8
    """Copies of the env that step together."""

    seed: int = 0
    """Seed of everything random; the same seed gives the same run."""

    oprl: bool = True
    """Learn a process reward and add it to the env's, or train on the env's alone."""

    bonus: Bonus = "none"
    """Rival of the process reward, with --no-oprl: a small cost for each step, or
    something for each observation that is new in its episode."""

    scale: float = DEFAULT_SCALE
    """Weight of the process reward."""

    mode: Mode = DEFAULT_MODE
    """How the process reward is added: as it is, or as a potential difference."""

    gamma: float = DEFAULT_GAMMA
    """Discount per step, of the agent and of the potential."""

    env_reward_weight: Annotated[
        float | None,
        arg(
            metavar="FLOAT",
            help_behavior_hint="(default: 1; 0 if all is paid at an episode's end)",
        ),
    ] = None
    """Weight of the env's own reward; 0 learns from the process reward alone."""

    n_steps: Annotated[
        int | None,
        arg(metavar="INT", help_behavior_hint="(default: 128 with ppo, 5 with a2c)"),
    ] = None
    """Steps of each env in a rollout of ppo and a2c."""

    batch_size: Annotated[
        int | None,
        arg(
            metavar="INT",
            help_behavior_hint="(default: 256, or the whole rollout; 64 with dqn)",
        ),
    ] = None
    """Steps in a minibatch, of all algorithms but a2c."""

    ent_coef: Annotated[
        float | None,
        arg(metavar="FLOAT", help_behavior_hint="(default: 0.01; sac finds its own)"),
    ] = None
    """Weight of the entropy bonus of ppo, a2c and sac, which keeps them exploring."""

    learning_rate: Annotated[
        float | None,
        arg(
            metavar="FLOAT",
            help_behavior_hint="(default: 3e-4; a2c 7e-4, dqn 5e-4, td3 1e-3)",
        ),
    ] = None
    """Step size of the agent's optimiser."""

    env_kwargs: Annotated[
        dict[str, EnvValue],
        arg(metavar="KEY VALUE ...", help_behavior_hint="(default: none)"),
    ] = field(default_factory=dict)
    """Arguments of the env, such as: layout random layout_seed 3"""

    env_wrapper: Annotated[
        list[str],
        UseAppendAction,
        arg(metavar="MODULE:CLASS", help_behavior_hint="(default: none)"),
    ] = field(default_factory=list)
    """Wrapper around each env, such as: minigrid.wrappers:FlatObsWrapper, or with
    arguments: 'mine:Late(steps=3)'. Given several times, the first is the innermost."""

    vec_normalize: bool = False
    """Let the agent see observations and rewards normalised by what came so far."""

    subproc: bool = False
    """Run each env in a process of its own: worth it if a step takes milliseconds."""

    policy: Annotated[
        Policy | None,
        arg(
            metavar="MlpPolicy|CnnPolicy|MultiInputPolicy",
            help_behavior_hint="(default: as suits the observations)",
        ),
    ] = None
    """Kind of the agent's network."""

    policy_kwargs: Annotated[
        dict[str, Plain],
        arg(metavar="KEY VALUE ...", help_behavior_hint="(default: none)"),
    ] = field(default_factory=dict)
    """Arguments of it, such as: net_arch "[256, 256]" activation_fn ReLU"""

    algo_kwargs: Annotated[
        dict[str, Plain],
        arg(metavar="KEY VALUE ...", help_behavior_hint="(default: none)"),
    ] = field(default_factory=dict)
    """Further arguments of the algorithm, such as: n_epochs 4 clip_range 0.1"""

    device: str = "cpu"
    """Where agent and reward model are trained: cpu, cuda or auto. Networks as small
    as those of the mazes are faster on the CPU, those that read pictures are not."""

    teaching: Annotated[TeachingConfig, arg(name="")] = field(
        default_factory=TeachingConfig
    )
    """Who compares episodes."""

    learner: OPRLConfig = AS_SUITS
    """How the process reward is learned; left out, as suits who teaches."""

    def __post_init__(self) -> None:
        """Check every value, and fill in the learner."""
        take_numpy(self)
        check_kinds(self)
        if not self.env_id.isprintable() or len(self.env_id) > LONGEST:
            raise ValueError(
                f"env_id must be the name of an env, got {self.env_id!a:.99}"
            )
        _check_env_kwargs(self.env_kwargs)
        for wrapper in self.env_wrapper:
            NamedWrapper.read(wrapper)
        if self.learner is AS_SUITS:
            object.__setattr__(self, "learner", self.teaching.usual_learner())
        check_choice("algo", self.algo, get_args(Algorithm))
        check_choice("bonus", self.bonus, get_args(Bonus))
        check_choice("mode", self.mode, get_args(Mode))
        if self.policy is not None:
            check_choice("policy", self.policy, get_args(Policy))
        _check_int("total_timesteps", self.total_timesteps, 1)
        _check_int("n_envs", self.n_envs, 1)
        if self.n_envs > MOST_ENVS:
            raise ValueError(f"n_envs must be at most {MOST_ENVS:,}, got {self.n_envs}")
        _check_int("seed", self.seed, 0)
        if self.n_steps is not None:
            _check_int("n_steps", self.n_steps, 1)
        if self.batch_size is not None:
            _check_int("batch_size", self.batch_size, 2)
        _check_float("scale", self.scale, -math.inf)
        if self.env_reward_weight is not None:
            _check_float("env_reward_weight", self.env_reward_weight, -math.inf)
        _check_float("gamma", self.gamma, 0.0, 1.0)
        if self.ent_coef is not None:
            _check_float("ent_coef", self.ent_coef, 0.0)
        if self.learning_rate is not None:
            _check_float("learning_rate", self.learning_rate, 0.0)
        self._check_combinations()

    def resolved(self) -> TrainConfig:
        """Return a copy in which the algorithm's defaults stand in place of None."""
        defaults = ALGORITHM_DEFAULTS[self.algo]
        n_steps = self.n_steps or defaults.n_steps
        batch_size = self.batch_size or defaults.batch_size
        if self.batch_size is None and batch_size and n_steps:
            batch_size = min(batch_size, n_steps * self.n_envs)
        rate, ent_coef = self.learning_rate, self.ent_coef
        return replace(
            self,
            n_steps=n_steps,
            batch_size=batch_size,
            learning_rate=defaults.learning_rate if rate is None else rate,
            ent_coef=defaults.ent_coef if ent_coef is None else ent_coef,
            algo_kwargs={**defaults.kwargs, **self.algo_kwargs},
        )

    def _check_combinations(self) -> None:
        if self.oprl and self.bonus != "none":
            raise ValueError(
                f"bonus={self.bonus!r} is a rival of the learned reward, and a run has "
                "one of them; add --no-oprl (in YAML oprl: false)"
            )
        check_has_effect(
            self.algo,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            ent_coef=self.ent_coef,
        )
        for name in ("policy_kwargs", "algo_kwargs"):
            check_plain(name, getattr(self, name))
        check_algo_kwargs(self.algo_kwargs)
        check_policy_kwargs(self.policy_kwargs)
        if self.teaching.by_people and not self.oprl:
            raise ValueError(
                "a run without oprl learns from no answers; leave out --no-oprl, or "
                "--teacher and --preferences"
            )
        check_queries(self.teaching.which_pairs(), self.learner.ensemble_size)
        # PPO normalises advantages, which one step alone does not allow.
        if self.algo == "ppo" and self.n_steps == 1 and self.n_envs == 1:
            raise ValueError("n_steps=1 with n_envs=1 is too little for ppo; raise one")
        if self.mode == "potential" and self.learner.reward_input == "obs_action":
            raise ValueError(
                "mode='potential' needs a score of the state alone, which "
                "learner.reward_input='obs_action' is not; use 'next_obs' or 'obs'"
            )


def config_from_dict(values: Mapping[str, Any]) -> TrainConfig:
    """Return the config that ``dataclasses.asdict`` made ``values`` of.

    Raises:
        ValueError: A key is unknown, or a value is out of range.
    """
    values = dict(values)
    teaching = from_dict(TeachingConfig, values.get("teaching", {}), "teaching.")
    if "learner" in values:
        given = as_object(values["learner"], "learner.")
        usual = asdict(teaching.usual_learner())
        values["learner"] = from_dict(OPRLConfig, usual | given, "learner.")
    return from_dict(TrainConfig, values | {"teaching": teaching})


def _check_env_kwargs(values: Mapping[str, EnvValue]) -> None:
    """Check that values are single ones, and none a word that is meant as no word.

    Any word is true, also "false"; and an id out of a list would not be found there.
    """
    for name, value in values.items():
        number = isinstance(value, int | float)
        if not (isinstance(value, str | None) or (number and is_finite(value))):
            raise ValueError(
                f"env_kwargs {name} must be a finite number or text, got {shown(value)}"
            )
        if isinstance(value, str) and value.lower() in ("true", "false", "none"):
            raise ValueError(
                f"env_kwargs {name}={value!r} is text: write True or False, with a "
                "capital letter, or leave it out"
            )


def _check_int(name: str, value: int, minimum: int) -> None:
    if not minimum <= value <= MOST_INT:
        raise ValueError(f"{name} must be an integer >= {minimum}, got {shown(value)}")


def _check_float(
    name: str, value: float, minimum: float, maximum: float = math.inf
) -> None:
    if not (is_finite(value) and minimum <= value <= maximum):
        limits = f"in [{minimum:g}, {maximum:g}]"
        raise ValueError(f"{name} must be a finite number {limits}, got {shown(value)}")
