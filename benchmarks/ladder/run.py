"""One run: one arm, on one rung, with one algorithm and one seed.

Normally called by the ladder. Alone:

    python -m benchmarks.ladder.run --arm oprl --rung TwoWalls --algo ppo --seed 100
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from benchmarks import provenance
from benchmarks.ladder.agents import make_agent
from benchmarks.ladder.envs import (
    env_kwargs,
    make_env,
    make_venv,
    maze_layout,
)
from benchmarks.ladder.recording import (
    Track,
    TrackCallback,
    return_curve,
    success_curve,
)
from benchmarks.ladder.results import RunId, write_json
from benchmarks.ladder.rung import Rung
from benchmarks.ladder.settings import (
    ALGOS,
    ARMS,
    GREEDY_EPISODES,
    GRID,
    RUNGS,
    SAMPLED_EPISODES,
    Arm,
    agent_of,
    settings_of,
)
from benchmarks.paths import RESULTS
from benchmarks.rivals.decomposition import DecomposingLearner
from benchmarks.rivals.rnd import NovelD, RandomNetworkDistillation
from benchmarks.rivals.shaping import (
    ConstantReward,
    CountBonus,
    OraclePotential,
    VelocityBonus,
)
from benchmarks.rivals.tutorial_agent import TutorialAgent, train_agent
from oprl_gym.callbacks import OPRLCallback
from oprl_gym.config import DEFAULT_GAMMA
from oprl_gym.envs.oracle import shortest_path
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.evaluation import evaluate
from oprl_gym.wrappers import VecProcessReward


def execute(run: RunId, commit: str) -> dict[str, Any]:
    """Train an agent and evaluate it on the plain env.

    Args:
        run: Which run.
        commit: What to note as the commit of the code.

    Returns what is written to its file. But for the seconds, the same run gives the
    same on the same machine.
    """
    torch.set_num_threads(1)
    rung = RUNGS[run.rung]
    wall, cpu = time.perf_counter(), time.process_time()
    track = Track(
        rung.budget[run.algo], rung.target, rung.stop_after, _return_threshold(rung)
    )
    model, env_steps = _train(run, track)
    seconds = {
        "wall": round(time.perf_counter() - wall, 2),
        "cpu": round(time.process_time() - cpu, 2),
    }
    return {
        "arm": run.arm,
        "rung": run.rung,
        "algo": run.algo,
        "seed": run.seed,
        "settings": settings_of(run.arm, run.rung, run.algo),
        "commit": commit,
        "versions": provenance.versions(),
        "training_seconds": seconds,
        "env_steps": env_steps,
        **_measures(track, rung),
        **_final(model, rung, run.seed),
    }


def _train(run: RunId, track: Track) -> tuple[Any, int]:
    """Return the trained agent and the env steps it took."""
    algo, arm, rung = agent_of(run.rung, run.algo), ARMS[run.arm], RUNGS[run.rung]
    if algo.name == "TutorialAgent":
        return train_agent(make_env(rung), arm, run.seed, track)
    if arm.kind == "dense":
        rung = replace(rung, delayed=False)
    venv = shaped(make_venv(rung, algo.n_envs, run.seed), arm, rung, run.seed)
    model = make_agent(algo, venv, run.seed)
    learner = _learner(arm, venv, run.seed)
    model.learn(track.budget, callback=[*learner, TrackCallback(track)])
    venv.close()
    return model, model.num_timesteps


def _learner(arm: Arm, venv: VecEnv, seed: int) -> list[OPRLCallback]:
    """Return what learns a reward, if the arm has one."""
    if arm.kind == "oprl":
        return [OPRLCallback(arm.config)]
    if isinstance(venv, VecProcessReward):
        learner = DecomposingLearner(arm, *venv.reward_spaces(), seed=seed)
        return [OPRLCallback(learner=learner)]
    return []


def shaped(venv: VecEnv, arm: Arm, rung: Rung, seed: int) -> VecEnv:
    """Return `venv` with what the arm adds to its reward."""
    if arm.kind in ("plain", "dense"):
        return venv
    if arm.kind == "oprl":
        return VecProcessReward(venv, arm.scale, arm.mode, DEFAULT_GAMMA)
    if arm.kind in ("ircr", "rrd"):
        return VecProcessReward(venv, arm.scale, env_reward_weight=0.0)
    if arm.kind == "constant":
        return ConstantReward(venv, arm.scale)
    # What bonuses are worth was settled where a goal is worth 10.
    scale = arm.scale * rung.best_return / 10.0
    if arm.kind == "count":
        return CountBonus(venv, scale)
    if arm.kind == "rnd":
        return RandomNetworkDistillation(venv, scale, seed)
    if arm.kind == "noveld":
        return NovelD(venv, scale, seed)
    if arm.kind == "velocity":
        return VelocityBonus(venv, arm.scale)
    if arm.kind == "step-cost":
        return ConstantReward(
            venv, arm.scale * rung.best_return / rung.max_episode_steps
        )
    layout = maze_layout(rung)
    if arm.kind == "oracle" and layout is not None:
        return OraclePotential(venv, arm.scale, layout, DEFAULT_GAMMA)
    raise ValueError(f"arm of kind {arm.kind!r} does not fit rung {rung.env_id}")


def _measures(track: Track, rung: Rung) -> dict[str, Any]:
    log = track.log()
    return {
        "episodes": len(log),
        "first_success_step": log.first_success_step(),
        "steps_to_90": log.steps_to(rung.target),
        "curve": success_curve(log, track.budget, GRID),
        "returns": return_curve(log, track.budget, GRID),
    }


def _final(
    model: BaseAlgorithm | TutorialAgent, rung: Rung, seed: int
) -> dict[str, Any]:
    """Let the agent play on the plain env, taking the likeliest action and drawing."""
    config = TrainConfig(env_id=rung.env_id, seed=seed, env_kwargs=env_kwargs(rung))
    agent: Any = model
    greedy = evaluate(agent, config, GREEDY_EPISODES)
    sampled = evaluate(agent, config, SAMPLED_EPISODES, deterministic=False)
    layout = maze_layout(rung)
    return {
        "greedy": {"success": greedy.success_rate, "length": greedy.length_mean},
        "sampled": {"success": sampled.success_rate, "length": sampled.length_mean},
        "shortest_path": None if layout is None else len(shortest_path(layout)) - 1,
    }


def _return_threshold(rung: Rung) -> float | None:
    if rung.threshold is not None:
        return rung.threshold
    spec = make_env(rung).spec
    return None if spec is None else spec.reward_threshold


def main() -> None:
    """Do one run and write its file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arm", required=True, choices=ARMS)
    parser.add_argument("--rung", required=True, choices=RUNGS)
    parser.add_argument("--algo", required=True, choices=ALGOS)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    run = RunId(options.seed, options.rung, options.algo, options.arm)
    path = run.path(options.results)
    write_json(path, execute(run, provenance.commit()))
    print(path)


if __name__ == "__main__":
    main()
