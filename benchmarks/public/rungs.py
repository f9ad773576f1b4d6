"""The envs of the public suite, as data."""

from __future__ import annotations

from typing import Any

from benchmarks.ladder.rung import Rung

# At the usual 3e-4 even an agent that is paid for speed takes 85,000 steps: its critic
# has to find out first that all is worth -100.
_CARS: dict[str, Any] = {"learning_rate": 1e-3}


def _budget(ppo: int, a2c: int = 0, **others: int) -> dict[str, int]:
    return {"ppo": ppo, "a2c": a2c or ppo, "dqn": ppo, "sac": ppo, **others}


def _deep_sea(size: int, steps: int) -> Rung:
    env_id = "benchmarks.public.deep_sea:DeepSea-v0"
    # A step to the right costs: an agent that is sure of its actions too soon goes left
    # for good before anything has told it otherwise.
    return Rung(
        env_id,
        _budget(steps),
        size,
        {"size": size},
        maze=False,
        best_return=1,
        agent={"ent_coef": 0.05},
    )


def _minigrid(name: str, steps: int, limit: int) -> Rung:
    env_id = f"benchmarks.minigrid:OneHot{name}"
    return Rung(env_id, _budget(steps), limit, maze=False, best_return=1)


def _whole(
    env_id: str, steps: int, limit: int, best_return: float, **others: Any
) -> Rung:
    # Every run uses up its budget: episodes of 1,000 steps are few, and a return is
    # told by fewer than 500 more of them.
    return Rung(
        env_id,
        _budget(steps),
        limit,
        maze=False,
        stop_after=None,
        best_return=best_return,
        **others,
    )


def _late(
    env_id: str, steps: int, limit: int, best_return: float, continuous: bool = False
) -> Rung:
    return _whole(
        env_id, steps, limit, best_return, delayed=True, continuous=continuous
    )


SEARCH: dict[str, Rung] = {
    "DeepSea-10": _deep_sea(10, 60_000),
    "DeepSea-14": _deep_sea(14, 80_000),
    "DeepSea-20": _deep_sea(20, 120_000),
    "DeepSea-30": _deep_sea(30, 250_000),
    "DoorKey-6x6": _minigrid("DoorKey-6x6-v0", 120_000, 360),
    "DoorKey-8x8": _minigrid("DoorKey-8x8-v0", 250_000, 640),
    "MultiRoom-N2-S4": _minigrid("MultiRoom-N2-S4-v0", 60_000, 40),
    "MultiRoom-N4-S5": _minigrid("MultiRoom-N4-S5-v1", 600_000, 80),
    "MultiRoom-N6-S5": _minigrid("MultiRoom-N6-S5-v0", 600_000, 120),
    "KeyCorridorS3R1": _minigrid("KeyCorridorS3R1-v0", 250_000, 270),
    "FourRooms": _minigrid("FourRooms-v0", 300_000, 100),
    # The ice is slippery: an agent that still explores gets nowhere near 90 %.
    "FrozenLake8x8-slippery": Rung(
        "benchmarks.public.lake:OneHotFrozenLake8x8-v0",
        _budget(150_000),
        200,
        maze=False,
        target=0.85,
        stop_after=None,
        best_return=1,
        threshold=1,
    ),
    "MountainCar": Rung(
        "benchmarks.public.cars:RescaledMountainCar-v0",
        _budget(150_000),
        200,
        best_return=100,
        threshold=-199,  # the flag is reached at all
        maze=False,
        agent=_CARS,
    ),
    "MountainCarContinuous": Rung(
        "benchmarks.public.cars:RescaledMountainCarContinuous-v0",
        _budget(150_000),
        999,
        best_return=100,
        threshold=80,
        continuous=True,
        maze=False,
        agent=_CARS,
    ),
}
"""Envs in which something has to be found before there is anything to learn from."""

LATE: dict[str, Rung] = {
    "CartPole-late": _late("CartPole-v1", 120_000, 500, 500),
    "Acrobot-late": _late("Acrobot-v1", 150_000, 500, 500),
    "InvertedPendulum-late": _late("InvertedPendulum-v5", 150_000, 1000, 1000, True),
    "Hopper-late": _late("Hopper-v5", 300_000, 1000, 2000, True),
}
"""Envs that pay the sum of an episode with its last step."""

EASY: dict[str, Rung] = {
    "CartPole-v1": _whole("CartPole-v1", 150_000, 500, 500),
    "Empty-16x16": _minigrid("Empty-16x16-v0", 80_000, 1024),
    "DoorKey-5x5": _minigrid("DoorKey-5x5-v0", 100_000, 250),
    "Pendulum-v1": _whole("Pendulum-v1", 150_000, 200, 1000, continuous=True),
}
"""Envs in which there is nothing to gain, only something to lose."""

UNSEEN: dict[str, Rung] = {
    "DeepSea-12": _deep_sea(12, 80_000),
    "DeepSea-25": _deep_sea(25, 200_000),
    "CliffWalking": _whole("CliffWalking-v1", 100_000, 200, 1, threshold=-30),
    "Taxi": _whole("Taxi-v4", 300_000, 200, 8, threshold=0),
    "Unlock": _minigrid("Unlock-v0", 100_000, 288),
    "UnlockPickup": _minigrid("UnlockPickup-v0", 250_000, 288),
    "SimpleCrossingS9N1": _minigrid("SimpleCrossingS9N1-v0", 150_000, 324),
    "LavaCrossingS9N1": _minigrid("LavaCrossingS9N1-v0", 150_000, 324),
    "LavaGapS7": _minigrid("LavaGapS7-v0", 100_000, 196),
    "Dynamic-Obstacles-6x6": _minigrid("Dynamic-Obstacles-6x6-v0", 100_000, 144),
    "LunarLander-late": _late("LunarLander-v3", 300_000, 1000, 250),
    "Swimmer-late": _late("Swimmer-v5", 200_000, 1000, 300, True),
    "InvertedDoublePendulum-late": _late(
        "InvertedDoublePendulum-v5", 150_000, 1000, 9000, True
    ),
    "LunarLander-v3": _whole("LunarLander-v3", 300_000, 1000, 250),
    "Acrobot-v1": _whole("Acrobot-v1", 150_000, 500, 500),
}
"""Envs that the defaults were not chosen on: named when those were settled."""

PUBLIC: dict[str, Rung] = SEARCH | LATE | EASY | UNSEEN
