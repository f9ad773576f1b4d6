"""What the benchmark runs, as data: envs, algorithms, arms, and which go together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from benchmarks.ladder.rung import Rung
from benchmarks.public.rungs import EASY, LATE, PUBLIC, SEARCH, UNSEEN
from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE, OPRLConfig
from oprl_gym.types import Mode

Kind = Literal[
    "plain",
    "oracle",
    "dense",
    "velocity",
    "oprl",
    "own-agent",
    "count",
    "rnd",
    "noveld",
    "constant",
    "step-cost",
    "ircr",
    "rrd",
]

GRID = 100
"""Points of a success curve, evenly spaced over the budget."""

GREEDY_EPISODES = 10
SAMPLED_EPISODES = 50


@dataclass(frozen=True)
class Algo:
    """An agent's settings; what is not named is the library's default."""

    name: Literal["PPO", "A2C", "DQN", "SAC", "TutorialAgent"]
    n_envs: int
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """What is added to the env's reward."""

    kind: Kind
    """Which code adds it."""

    scale: float = DEFAULT_SCALE
    """Weight of what is added. Negative: it is taken away."""

    mode: Mode = DEFAULT_MODE
    """How a learned reward is mixed in."""

    config: OPRLConfig | None = None
    """How a learned reward is learned."""


@dataclass(frozen=True)
class Suite:
    """Arms x rungs x algorithms x seeds that belong together."""

    arms: tuple[str, ...]
    rungs: tuple[str, ...]
    algos: tuple[str, ...]
    seeds: int


def _budget(ppo: int, a2c: int) -> dict[str, int]:
    # The tutorial's own agent learns from single episodes, as A2C learns from few
    # steps: it gets the longer budget.
    return {"ppo": ppo, "a2c": a2c, "own": max(ppo, a2c)}


_SMALL = _budget(60_000, 100_000)
_MIDDLE = _budget(100_000, 100_000)
_HARMLESS = _budget(300_000, 300_000)


def _random(layout_seed: int) -> Rung:
    kwargs = {"layout": "random", "layout_seed": layout_seed}
    return Rung("OPRLMaze-v0", _SMALL, 60, kwargs)


LADDER: dict[str, Rung] = {
    "OPRLMaze-v0": Rung("OPRLMaze-v0", _SMALL, 60),
    "OneWall": Rung("OPRLMaze-OneWall-v0", _SMALL, 60),
    "TwoWalls": Rung("OPRLMaze-TwoWalls-v0", _SMALL, 60),
    "TwoWallsLong": Rung("OPRLMaze-TwoWallsLong-v0", _SMALL, 60),
    "ThreeWalls": Rung("OPRLMaze-ThreeWalls-v0", _SMALL, 60),
    "Serpentine": Rung("OPRLMaze-Serpentine-v0", _SMALL, 60),
    "size12": Rung("OPRLMaze-v0", _MIDDLE, 150, {"size": 12}),
    "16x16": Rung("OPRLMaze-16x16-v0", _MIDDLE, 240),
    "24x24": Rung("OPRLMaze-24x24-v0", _MIDDLE, 540),
    "random-1": _random(0),  # shortest path 14, chance of random success 7e-3
    "random-2": _random(10),  # 18, 6e-4
    "random-3": _random(486),  # 22, 5e-5
    "doorkey": Rung(
        "benchmarks.doorkey:OneHotDoorKey-5x5-v0", _MIDDLE, 250, maze=False
    ),
    # An episode of an agent that has learned it lasts 500 steps.
    "CartPole": Rung("CartPole-v1", _HARMLESS, 500, maze=False, stop_after=100),
    # The ice is slippery: an agent that still explores gets nowhere near 90 %.
    "FrozenLake8x8": Rung("FrozenLake8x8-v1", _HARMLESS, 200, maze=False, target=0.5),
    "smoke": Rung("OPRLMaze-v0", _budget(6_000, 4_000), 30, {"size": 5}),
}

RUNGS: dict[str, Rung] = LADDER | PUBLIC

SIXTY_STEP_RUNGS = tuple(name for name, r in LADDER.items() if r.budget is _SMALL)
"""The mazes of 8 x 8 cells, in which an episode has at most 60 steps."""

ALGOS: dict[str, Algo] = {
    "ppo": Algo("PPO", 8, {"n_steps": 128, "batch_size": 256, "ent_coef": 0.01}),
    "a2c": Algo("A2C", 8, {"ent_coef": 0.01}),
    "own": Algo("TutorialAgent", 1),
    "dqn": Algo(
        "DQN",
        8,
        {
            "buffer_size": 100_000,
            "learning_rate": 5e-4,
            "learning_starts": 1_000,
            "train_freq": 1,
            "gradient_steps": 2,
            "target_update_interval": 1_000,
            "exploration_fraction": 0.2,
        },
    ),
    "sac": Algo(
        "SAC",
        8,
        {
            "buffer_size": 100_000,
            "learning_starts": 1_000,
            "train_freq": 1,
            "gradient_steps": 2,
        },
    ),
}


def _changed(
    scale: float = DEFAULT_SCALE, mode: Mode = DEFAULT_MODE, **changes: Any
) -> Arm:
    return Arm("oprl", scale, mode, OPRLConfig(**changes))


ARMS: dict[str, Arm] = {
    "plain": Arm("plain", scale=0.0),
    "oracle": Arm("oracle", scale=2.0),
    "oprl": Arm("oprl", config=OPRLConfig()),
    "tutorial": Arm("oprl", config=OPRLConfig.tutorial()),
    "tutorial-agent": Arm("own-agent", config=OPRLConfig.tutorial()),
    "count": Arm("count"),
    "rnd": Arm("rnd"),
    "dense": Arm("dense", scale=0.0),
    "velocity": Arm("velocity", scale=1.0),
    "noveld": Arm("noveld"),
    "step-cost": Arm("step-cost", scale=-1.0),
    "ircr": Arm("ircr", config=OPRLConfig()),
    "rrd": Arm("rrd", config=OPRLConfig()),
    "constant-minus": Arm("constant", scale=-0.1),
    "constant-plus": Arm("constant", scale=0.1),
    "return-alone": _changed(rule="return"),
    "hard-labels": _changed(temperature=1e-3),
    "no-revisit-prior": _changed(revisit_prior=0.0),
    "no-first-visits": _changed(see_first_visits=False),
    "no-mean-prior": _changed(mean_prior=0.0),
    "pairs-64": _changed(pairs_per_update=64),
    "input-obs": _changed(reward_input="obs"),
    "input-obs-action": _changed(reward_input="obs_action"),
    "potential": _changed(mode="potential"),
    "ensemble-3": _changed(ensemble_size=3),
    "scale-0": _changed(scale=0.0),
    "scale-1": _changed(scale=1.0),
    "interval-512": _changed(update_interval=512),
    "interval-1024": _changed(update_interval=1024),
}

RND_SCALES = (0.03, 0.1, 0.3)
"""Tried on two seeds (README.md); `ARMS["rnd"]` has 0.1. Arms `rnd-0.03`, ..."""
ARMS |= {f"rnd-{scale}": Arm("rnd", scale) for scale in RND_SCALES}

HARMLESS = ("CartPole", "FrozenLake8x8")
"""Envs in which there is nothing to gain, only something to lose."""

_NO_LADDER = (*HARMLESS, "smoke")
_RIVALS = ("tutorial", "tutorial-agent", "count", "rnd")
_ABLATIONS = (
    "constant-minus",
    "constant-plus",
    *(name for name, arm in ARMS.items() if arm.kind == "oprl" and "-" in name),
    "potential",
)

SUITES: dict[str, Suite] = {
    "core": Suite(
        ("plain", "oracle", "oprl"),
        tuple(name for name in LADDER if name not in _NO_LADDER),
        ("ppo", "a2c"),
        20,
    ),
    "rivals": Suite(
        _RIVALS,
        ("OPRLMaze-v0", "TwoWalls", "ThreeWalls", "16x16"),
        ("ppo", "a2c", "own"),
        20,
    ),
    "ablations": Suite(_ABLATIONS, ("OPRLMaze-v0", "ThreeWalls"), ("ppo", "a2c"), 10),
    # What a user would try first, and the control for "episode length tells".
    "step-cost": Suite(
        ("constant-minus",),
        ("TwoWallsLong", "Serpentine", "size12", "16x16"),
        ("ppo", "a2c"),
        6,
    ),
    "harmless": Suite(("plain", "oprl"), HARMLESS, ("ppo",), 20),
    "search": Suite(
        ("plain", "velocity", "oprl", "count", "rnd", "noveld", "step-cost"),
        tuple(SEARCH),
        ("ppo",),
        10,
    ),
    "late": Suite(("plain", "dense", "oprl", "ircr", "rrd"), tuple(LATE), ("ppo",), 10),
    "easy": Suite(("plain", "oprl"), tuple(EASY), ("ppo",), 10),
    "unseen": Suite(("plain", "dense", "oprl"), tuple(UNSEEN), ("ppo",), 10),
    "off-policy": Suite(
        ("plain", "oprl"),
        ("DeepSea-10", "MountainCarContinuous"),
        ("dqn", "sac"),
        5,
    ),
    "smoke": Suite(
        ("plain", "oracle", "oprl", *_RIVALS), ("smoke",), ("ppo", "a2c", "own"), 2
    ),
}


def fits(arm: str, rung: str, algo: str) -> bool:
    """Return whether such a run makes sense.

    The oracles know only their own envs, what is late can be made dense, the tutorial's
    agent is an algorithm itself, and DQN and SAC have one kind of actions each.
    """
    kind, env = ARMS[arm].kind, RUNGS[rung]
    if (algo == "dqn" and env.continuous) or (algo == "sac" and not env.continuous):
        return False
    if kind == "oracle" and not env.maze:
        return False
    if kind == "velocity" and "MountainCar" not in env.env_id:
        return False
    if kind in ("dense", "ircr", "rrd") and not env.delayed:
        return False
    return (ARMS[arm].kind == "own-agent") == (ALGOS[algo].name == "TutorialAgent")


def agent_of(rung: str, algo: str) -> Algo:
    """Return the agent's settings in an env."""
    own = (RUNGS[rung].agent or {}) if algo in ("ppo", "a2c") else {}
    return replace(ALGOS[algo], kwargs={**ALGOS[algo].kwargs, **own})


def settings_of(arm: str, rung: str, algo: str) -> dict[str, Any]:
    """Return all that defines such a run but for its seed, as JSON knows it."""
    return {
        "arm": asdict(ARMS[arm]),
        "rung": RUNGS[rung].stated(algo),
        "algo": asdict(agent_of(rung, algo)),
        "gamma": DEFAULT_GAMMA,
        "stop_after": RUNGS[rung].stop_after,
    }
