"""Memory of a long run: PPO with OPRL on 64 mazes that move as one batch.

    python -m benchmarks.speed.memory   # 2,000,000 env steps, some minutes
    python -m benchmarks.speed.memory --smoke   # 20,000

Writes `results/memory.csv` (env steps, MiB in use) and `results/memory.png`.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

from benchmarks.speed.options import make_parser
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.figures.plotting import INDIGO, new_figure
from oprl_gym.wrappers import VecProcessReward

STEPS, SMOKE_STEPS = 2_000_000, 20_000
ENVS = 64
POINTS = 100


class MemoryWitness(BaseCallback):
    """Notes the memory in use, at 100 points of a run.

    Args:
        total: Env steps of the run.
    """

    def __init__(self, total: int) -> None:
        super().__init__()
        self.rows: list[tuple[int, float]] = []  # env steps, MiB
        self._every = total // POINTS

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self._every * (len(self.rows) + 1):
            self.rows.append((self.num_timesteps, resident_mib()))

    def _on_step(self) -> bool:
        return True


def resident_mib() -> float:
    """Return the memory of this process that is in use now, in MiB (Linux only)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not say how much memory is in use")


def measure(total: int) -> list[tuple[int, float]]:
    """Train and return (env steps, MiB) along the way, checkpoints included."""
    torch.set_num_threads(1)
    venv = VecProcessReward(VecMonitor(OPRLMazeVecEnv(num_envs=ENVS)))
    model = PPO("MlpPolicy", venv, n_steps=128, n_epochs=2, seed=0, device="cpu")
    witness = MemoryWitness(total)
    with tempfile.TemporaryDirectory() as folder:
        oprl = OPRLCallback(save_path=Path(folder) / "run", save_every=total // 20)
        model.learn(total, callback=[oprl, witness])
    return witness.rows


def write(rows: Sequence[tuple[int, float]], results: Path) -> None:
    """Write the table and the figure."""
    with (results / "memory.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("env_steps", "mib"))
        writer.writerows((steps, f"{mib:.1f}") for steps, mib in rows)
    draw(rows, results / "memory.png")


def draw(rows: Sequence[tuple[int, float]], path: Path) -> None:
    """Draw memory over env steps."""
    figure, axes = new_figure(size=(6, 3))
    ax = axes[0, 0]
    ax.plot([steps / 1e6 for steps, _ in rows], [mib for _, mib in rows], color=INDIGO)
    ax.set_ylim(0, 1.25 * max(mib for _, mib in rows))
    ax.set_xlim(0)
    ax.set_xlabel(f"million env steps (PPO with OPRL on {ENVS} mazes)")
    ax.set_ylabel("memory in use (MiB)")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and say what came out."""
    options = make_parser(__doc__, "a short run").parse_args(arguments)
    rows = measure(SMOKE_STEPS if options.smoke else STEPS)
    write(rows, options.results)
    early = rows[len(rows) // 5][1]
    print(f"{early:.0f} MiB after a fifth of the run, {rows[-1][1]:.0f} at its end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
