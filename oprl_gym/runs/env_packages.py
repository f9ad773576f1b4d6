"""Which package brings an env, for whoever wrote its id alone."""

from __future__ import annotations

import importlib.util

PACKAGES = {
    "minigrid": ("MiniGrid-", "BabyAI-"),
    "ale_py": ("ALE/",),
    "gymnasium_robotics": (
        *("Fetch", "HandReach", "HandManipulate", "AdroitHand", "FrankaKitchen"),
        *("AntMaze_", "PointMaze_", "MaMuJoCo"),
    ),
    "miniworld": ("MiniWorld-",),
    "highway_env": ("highway-", "merge-", "roundabout-", "parking-", "intersection-"),
    "panda_gym": ("Panda",),
    "flappy_bird_gymnasium": ("FlappyBird-",),
    "metaworld": ("Meta-World/",),
    "minihack": ("MiniHack-",),
    "shimmy": ("dm_control/", "bsuite/"),
}
"""Beginnings of the ids that a package registers once it is imported."""


def where_from(env_id: str) -> str:
    """Return what to write for an id that is not registered, as a sentence.

    Empty if a module was named, and the env is none of its.

    Example:
        >>> from oprl_gym.runs.env_packages import where_from
        >>> where_from("minigrid:MiniGrid-Nowhere-v0")
        ''
    """
    if ":" in env_id:
        return ""
    for package, beginnings in PACKAGES.items():
        if env_id.startswith(beginnings):
            there = importlib.util.find_spec(package) is not None
            first = "" if there else f"pip install {package}, and "
            return f" It comes from a package: {first}write {package}:{env_id}"
    return (
        " An env of a package, or of a file here, is named with the module that "
        f"registers it: MODULE:{env_id}"
    )
