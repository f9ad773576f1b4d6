"""What the benchmark runs, as data: envs, algorithms, arms, and which go together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from oprl_gym.config import DEFAULT_GAMMA, DEFAULT_MODE, DEFAULT_SCALE, OPRLConfig
from oprl_gym.types import Mode

Kind = Literal["plain", "oracle", "oprl", "own-agent", "count", "rnd", "constant"]

STOP_AFTER = 500
"""A run stops once the target rate has held for so many further episodes; its success
curve then goes on at its last value. None: every run uses up its budget. After 100
episodes the likeliest actions often still run in a circle, in every arm."""

GRID = 100
"""Points of a success curve, evenly spaced over the budget."""

GREEDY_EPISODES = 10
SAMPLED_EPISODES = 50


@dataclass(frozen=True)
class Rung:
    """One env of the ladder, and how long an agent may learn in it."""

    env_id: str
    """Gymnasium id; `module:id` imports the module first."""

    budget: dict[str, int]
    """Env steps, over all envs, by algorithm."""

    max_episode_steps: int
    """Steps until an episode is truncated."""

    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the env."""

    maze: bool = True
    """Whether it is one of ours, of which shortest paths are known."""

    target: float = 0.9
    """Share of the latest 100 training episodes that have to succeed."""

    stop_after: int = STOP_AFTER
    """Further episodes after which a run stops, once the target rate has held."""


@dataclass(frozen=True)
class Algo:
    """An agent's settings; what is not named is the library's default."""

    name: Literal["PPO", "A2C", "TutorialAgent"]
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

    charge_ends: bool = True
    """Whether a learned reward charges unpaid bad ends."""


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


RUNGS: dict[str, Rung] = {
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

SIXTY_STEP_RUNGS = tuple(name for name, r in RUNGS.items() if r.budget is _SMALL)
"""The mazes of 8 x 8 cells, in which an episode has at most 60 steps."""

ALGOS: dict[str, Algo] = {
    "ppo": Algo("PPO", 8, {"n_steps": 128, "batch_size": 256, "ent_coef": 0.01}),
    "a2c": Algo("A2C", 8, {"ent_coef": 0.01}),
    "own": Algo("TutorialAgent", 1),
}

_EARLIER = OPRLConfig(
    learning_rate=6e-4, batch_size=64, interval_growth=0.01, gradient_steps=20
)
"""Earlier defaults, which the ablations are changes of: as good, and slower."""


def _changed(
    scale: float = DEFAULT_SCALE, mode: Mode = DEFAULT_MODE, **changes: Any
) -> Arm:
    return Arm("oprl", scale, mode, replace(_EARLIER, **changes))


ARMS: dict[str, Arm] = {
    "plain": Arm("plain", scale=0.0),
    "oracle": Arm("oracle", scale=2.0),
    "oprl": Arm("oprl", config=OPRLConfig()),
    "earlier-defaults": _changed(),
    "tutorial": Arm("oprl", config=OPRLConfig.tutorial(), charge_ends=False),
    "tutorial-agent": Arm("own-agent", config=OPRLConfig.tutorial()),
    "count": Arm("count"),
    "rnd": Arm("rnd"),
    "constant-minus": Arm("constant", scale=-0.1),
    "constant-plus": Arm("constant", scale=0.1),
    "ties-skip": _changed(ties="skip"),
    "ties-half": _changed(ties="half"),
    "ties-coverage": _changed(ties="coverage"),
    "input-obs": _changed(reward_input="obs"),
    "input-obs-action": _changed(reward_input="obs_action"),
    "aggregation-sum": _changed(aggregation="sum"),
    "aggregation-mean": _changed(aggregation="mean"),
    "baseline-zero": _changed(baseline="zero"),
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
        tuple(name for name in RUNGS if name not in _NO_LADDER),
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
    "smoke": Suite(
        ("plain", "oracle", "oprl", *_RIVALS), ("smoke",), ("ppo", "a2c", "own"), 2
    ),
}


def fits(arm: str, rung: str, algo: str) -> bool:
    """Return whether such a run makes sense.

    The oracle knows only our mazes, and the tutorial's agent is an algorithm itself.
    """
    if ARMS[arm].kind == "oracle" and not RUNGS[rung].maze:
        return False
    return (ARMS[arm].kind == "own-agent") == (ALGOS[algo].name == "TutorialAgent")


def settings_of(arm: str, rung: str, algo: str) -> dict[str, Any]:
    """Return all that defines such a run but for its seed, as JSON knows it."""
    added = asdict(ARMS[arm])
    if ARMS[arm].kind != "oprl":
        del added["charge_ends"]  # means nothing there
    env = asdict(RUNGS[rung])
    env["budget"] = RUNGS[rung].budget[algo]
    stop_after = env.pop("stop_after")
    return {
        "arm": added,
        "rung": env,
        "algo": asdict(ALGOS[algo]),
        "gamma": DEFAULT_GAMMA,
        "stop_after": stop_after,
    }
