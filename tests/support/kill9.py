"""Kills a training process at random moments, many times, and reports what was lost.

    python tests/support/kill9.py FOLDER KILLS SEED

Each child goes on from the checkpoint of the one before, and notes every checkpoint
once it is finished; two thirds of the kills wait until one is being written. Prints
one line of JSON. Not a test by itself: test_faults.py runs it in a process of its own,
as it forks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

import oprl_gym
from oprl_gym.callbacks import CheckpointSaver, OPRLCallback
from oprl_gym.files.state_file import read_state
from oprl_gym.wrappers import EpisodeTape, VecProcessReward

TOTAL = 4_000
CONFIG = oprl_gym.OPRLConfig(
    hidden_size=16,
    min_preferences=8,
    update_interval=64,
    pairs_per_update=8,  # answers that are kept, and so could be lost
    gradient_steps=2,
)


def learn(folder: Path) -> dict[str, Any]:
    """Learn to the end, from the checkpoint if there is one; returns the outcome."""
    import gymnasium as gym

    make = lambda: EpisodeTape(gym.make("OPRLMaze-v0"))  # noqa: E731
    model = A2C(
        "MlpPolicy",
        VecProcessReward(make_vec_env(make, 4, seed=0)),
        seed=0,
        device="cpu",
    )
    callback = OPRLCallback(CONFIG, save_path=folder / "run", save_every=100)
    save = CheckpointSaver._save

    def save_and_note(saver: CheckpointSaver) -> None:
        (folder / "saving").touch()
        save(saver)
        (folder / "saving").unlink()
        preferences = callback.report.preferences if callback.report else 0
        with (folder / "noted").open("a") as file:
            file.write(f"{model.num_timesteps} {preferences}\n")

    CheckpointSaver._save = save_and_note  # type: ignore[method-assign]
    done = callback.resume(model)
    model.learn(TOTAL - done, callback=callback, reset_num_timesteps=done == 0)
    weights = [value.numpy().tobytes() for value in model.policy.state_dict().values()]
    return {"weights": hash_of(weights), "steps": model.num_timesteps}


def hash_of(parts: list[bytes]) -> str:
    import hashlib

    return hashlib.sha256(b"".join(parts)).hexdigest()


def child(folder: Path) -> int:
    """Fork a process that learns to the end and leaves its outcome in a file."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        outcome = learn(folder)
        (folder / "outcome").write_text(json.dumps(outcome))
        status = 0
    finally:
        os._exit(status)


def kill(pid: int, folder: Path, rng: random.Random) -> bool:
    """Kill a child at a random moment; returns False if it had ended well by then."""
    deadline = time.monotonic() + rng.uniform(0.0, 0.6)
    # Once this is there: a save has begun, or its file is half-written.
    sign = rng.choice([None, "saving", "run.partial"])
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"a child failed with status {status}")
            return False
        late = time.monotonic() > deadline
        if late and (sign is None or (folder / sign).exists()):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return True
        time.sleep(0.0002)


def check(folder: Path, counts: dict[str, int]) -> None:
    """Compare the checkpoint with what was noted of finished ones."""
    counts["while saving"] += (folder / "saving").exists()
    counts["half-written files"] += (folder / "run.partial").exists()
    (folder / "saving").unlink(missing_ok=True)
    noted = (folder / "noted").read_text() if (folder / "noted").exists() else ""
    lines = noted.splitlines()
    if not lines:
        return
    steps, preferences = map(int, lines[-1].split())
    state = read_state(folder / "run")
    learner = state["parts"]["oprl"]["learner"]
    kept = len(learner["memory"]["preferences"]["labels"])
    counts["lost checkpoints"] += state["agent"]["counters"]["num_timesteps"] < steps
    counts["lost preferences"] += kept < preferences


def main(root: Path, kills: int, seed: int) -> None:
    """Kill children until it was often enough; print the counts."""
    torch.set_num_threads(1)
    rng = random.Random(seed)
    counts = dict.fromkeys(
        (
            "kills",
            "while saving",
            "half-written files",
            "lost checkpoints",
            "lost preferences",
            "runs",
            "runs that ended otherwise",
        ),
        0,
    )
    whole = root / "whole"
    whole.mkdir()
    expected = learn(whole)
    while counts["kills"] < kills or not counts["runs"]:
        folder = root / f"run-{counts['runs']}"
        folder.mkdir()
        while True:
            pid = child(folder)
            enough = counts["kills"] >= kills
            if enough:
                os.waitpid(pid, 0)
            elif kill(pid, folder, rng):
                counts["kills"] += 1
                check(folder, counts)
                continue
            break
        counts["runs"] += 1
        outcome = json.loads((folder / "outcome").read_text())
        counts["runs that ended otherwise"] += outcome != expected
    print(json.dumps(counts))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
