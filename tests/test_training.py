"""One training run, from config to folder."""

import csv
import itertools
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from PIL import Image
from stable_baselines3 import A2C, PPO
from support.fakes import CountingEnv
from torch import nn

from oprl_gym.cli.train import NEVER_FITTED, report
from oprl_gym.config import OPRLConfig
from oprl_gym.runs.config import TrainConfig, config_from_dict
from oprl_gym.runs.episode_log import EpisodeLog
from oprl_gym.runs.evaluation import load_reward
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.training import run as training
from oprl_gym.training.run import Interrupted, train

SMALL = TrainConfig(total_timesteps=2_000, learner=OPRLConfig(gradient_steps=4))
FILES = {
    "config.json",
    "summary.json",
    "episodes.csv",
    "progress.csv",
    "policy.safetensors",
    "policy.zip",
    "checkpoint.safetensors",
    "rollout.gif",
    "figures/learning.png",
    "figures/reward_map.png",
}
OF_A_REWARD = {
    "reward_model.safetensors",
    "reward_maps.safetensors",
    "figures/reward.gif",
}


def files(folder: RunFolder) -> set[str]:
    """Return what is in a run folder, TensorBoard's file under a fixed name."""
    paths = (path for path in folder.path.rglob("*") if path.is_file())
    names = (path.relative_to(folder.path).as_posix() for path in paths)
    return {"events" if name.startswith("events.out") else name for name in names}


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    return all(bool((mine[name] == theirs[name]).all()) for name in mine)


@pytest.fixture(scope="module")
def ppo_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(SMALL, tmp_path_factory.mktemp("ppo") / "run")


@pytest.fixture(scope="module")
def a2c_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    config = replace(SMALL, algo="a2c", oprl=False, total_timesteps=1_000)
    return train(config, tmp_path_factory.mktemp("a2c") / "run")


def test_the_folder_holds_what_it_should(ppo_run: RunFolder) -> None:
    assert files(ppo_run) == FILES | OF_A_REWARD | {"events"}


def test_a_plain_run_has_no_reward_model(a2c_run: RunFolder) -> None:
    assert files(a2c_run) == FILES | {"events"}
    assert load_reward(a2c_run) is None


def test_steps_are_rounded_up_to_whole_rollouts_and_counted(
    ppo_run: RunFolder, a2c_run: RunFolder
) -> None:
    assert ppo_run.summary().total_timesteps == 2_048  # 2 rollouts of 8 x 128
    assert a2c_run.summary().total_timesteps == 1_000  # 25 rollouts of 8 x 5


def test_the_summary_agrees_with_the_episodes(ppo_run: RunFolder) -> None:
    summary, log = ppo_run.summary(), ppo_run.episodes()
    assert summary.episodes == len(log) > 0
    assert summary.first_success_step == log.first_success_step()
    assert summary.steps_to_90 == log.steps_to(0.9, 100)
    assert (np.diff(log.env_steps) >= 0).all()
    assert log.env_steps[-1] <= summary.total_timesteps
    assert set(log.env_returns) <= {0.0, 10.0}  # the env's own, no learned reward
    assert ((log.env_returns == 10.0) == (log.success == 1.0)).all()
    assert log.lengths.max() <= 60


def test_the_config_file_records_what_was_used(ppo_run: RunFolder) -> None:
    written = json.loads(ppo_run.file("config.json").read_text())
    assert (written["n_steps"], written["batch_size"]) == (128, 256)
    assert written["learner"]["gradient_steps"] == 4
    assert ppo_run.config() == SMALL.resolved()


def test_progress_is_logged_every_1024_steps(
    ppo_run: RunFolder, a2c_run: RunFolder
) -> None:
    steps, losses = ppo_run.progress("oprl/reward_loss")
    assert steps.tolist() == [1_024, 2_048]
    assert ((losses > 0) & np.isfinite(losses)).all()
    assert a2c_run.progress("train/policy_loss")[0].tolist() == [1_000]
    assert len(a2c_run.progress("oprl/reward_loss")[0]) == 0


@pytest.mark.usefixtures("undrawn")
def test_a_run_shorter_than_the_log_interval_is_logged_once(tmp_path: Path) -> None:
    """Its progress.csv would be empty, and with it two of the four panels."""
    config = replace(SMALL, algo="a2c", oprl=False, total_timesteps=200)
    folder = train(config, tmp_path / "run")
    assert folder.progress("train/policy_loss")[0].tolist() == [200]


def test_the_policy_is_an_sb3_file_for_the_algorithm(
    ppo_run: RunFolder, a2c_run: RunFolder
) -> None:
    model = PPO.load(ppo_run.file("policy.zip"), device="cpu")
    assert (model.n_steps, model.batch_size, model.ent_coef) == (128, 256, 0.01)
    assert A2C.load(a2c_run.file("policy.zip"), device="cpu").n_steps == 5


def test_the_saved_reward_is_the_fitted_one(ppo_run: RunFolder) -> None:
    reward = load_reward(ppo_run)
    assert reward is not None
    assert reward.fitted
    scores = reward.score(np.eye(64, dtype=np.float32), np.ones(64, bool))
    assert np.ptp(scores) > 0.01


def test_the_gif_shows_every_step_of_the_greedy_episode(tmp_path: Path) -> None:
    """Pillow merges equal frames, so count the time: 8 steps a second."""
    layout = "SG\n.."
    config = TrainConfig(total_timesteps=1_024, env_kwargs={"layout": layout})
    folder = train(config, tmp_path / "run")
    assert folder.summary().final_success_rate == 1.0
    with Image.open(folder.file("rollout.gif")) as gif:
        assert gif.n_frames == 2  # start and goal, one step apart
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info["duration"])
    assert durations == [120, 1500]  # GIF counts in hundredths of a second


@pytest.mark.usefixtures("undrawn")
def test_same_seed_same_run_other_seed_another(tmp_path: Path) -> None:
    config = replace(SMALL, algo="a2c", total_timesteps=1_000)
    first = train(config, tmp_path / "first")
    second = train(config, tmp_path / "second")
    other = train(replace(config, seed=1), tmp_path / "other")
    for name in ("episodes.csv", "reward_model.safetensors"):
        assert first.file(name).read_bytes() == second.file(name).read_bytes()
        assert first.file(name).read_bytes() != other.file(name).read_bytes()
    assert same_weights(*(load_policy(f).policy for f in (first, second)))
    assert _timeless(first) == _timeless(second)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("odd", ["a clock that runs backwards", "two threads"])
def test_the_same_run_comes_of(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, algo="a2c", total_timesteps=1_000)
    usual = train(config, tmp_path / "usual")
    if odd == "two threads":
        torch.set_num_threads(2)
    else:
        hours = itertools.count()
        monkeypatch.setattr(time, "time", lambda: 1e9 - 3600.0 * next(hours))
        monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    try:
        unusual = train(config, tmp_path / "unusual")
    finally:
        torch.set_num_threads(1)
    for name in ("episodes.csv", "reward_model.safetensors"):
        assert usual.file(name).read_bytes() == unusual.file(name).read_bytes()


def _timeless(folder: RunFolder) -> dict:
    return {**vars(folder.summary()), "wall_time_s": None}


@pytest.mark.usefixtures("undrawn")
def test_an_env_without_is_success_is_measured_by_its_threshold(
    tmp_path: Path,
) -> None:
    config = TrainConfig(
        env_id="CartPole-v1", algo="a2c", total_timesteps=400, learner=SMALL.learner
    )
    summary = train(config, tmp_path / "run").summary()
    assert summary.success_means == "return >= 475"
    assert summary.final_success_rate == 0.0
    assert summary.eval_return_mean == summary.eval_length_mean > 5


class Silent(gym.Env):
    """Ends after 4 steps, knows no success and cannot be drawn."""

    observation_space = gym.spaces.Discrete(4)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        super().reset(seed=seed)
        self.t = 0
        return 0, {}

    def step(self, action):  # type: ignore[no-untyped-def]
        self.t += 1
        return self.t % 4, 1.0, self.t == 4, False, {}


def test_an_env_that_says_nothing_of_success_gets_none(tmp_path: Path) -> None:
    gym.register("Silent-v0", lambda **_: Silent())
    try:
        config = TrainConfig(
            env_id="Silent-v0", algo="a2c", total_timesteps=200, oprl=False
        )
        folder = train(config, tmp_path / "run")
    finally:
        gym.registry.pop("Silent-v0")
    summary = folder.summary()
    assert summary.success_means is None
    assert summary.final_success_rate is None
    assert summary.first_success_step is None
    assert summary.eval_return_mean == 4.0
    assert not folder.episodes().reports_success
    assert files(folder) == (FILES | {"events"}) - {"rollout.gif"}


class Goal(Silent):
    """Pays a last action of 1, and nothing else."""

    def step(self, action):  # type: ignore[no-untyped-def]
        observation, _, over, cut_off, info = super().step(action)
        return observation, float(over and action == 1), over, cut_off, info


class Score(Silent):
    """Pays each episode, with its end."""

    def step(self, action):  # type: ignore[no-untyped-def]
        observation, _, over, cut_off, info = super().step(action)
        return observation, 2.0 * over, over, cut_off, info


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("env", "means"), [(Goal, "last reward > 0"), (Score, None)], ids=["goal", "score"]
)
def test_an_env_that_says_nothing_may_have_a_goal(
    env: type[Silent], means: str | None, tmp_path: Path
) -> None:
    gym.register("Untold-v0", lambda **_: env())
    try:
        config = TrainConfig(
            env_id="Untold-v0", algo="a2c", total_timesteps=200, oprl=False
        )
        folder = train(config, tmp_path / "run")
    finally:
        gym.registry.pop("Untold-v0")
    summary, log = folder.summary(), folder.episodes()
    assert summary.success_means == means
    assert (summary.first_success_step is None) == (means is None)
    assert (summary.sampled_success_rate is None) == (means is None)
    if means is not None:
        assert log.success.tolist() == log.env_returns.tolist()


@pytest.mark.usefixtures("undrawn")
def test_a_run_in_an_env_whose_episodes_last_one_step(tmp_path: Path) -> None:
    gym.register("Brief-v0", lambda **_: CountingEnv(length=1))
    try:
        config = replace(SMALL, env_id="Brief-v0", algo="a2c", total_timesteps=1_000)
        folder = train(config, tmp_path / "run")
    finally:
        gym.registry.pop("Brief-v0")
    lengths = folder.episodes().lengths
    assert len(lengths) >= 1_000
    assert set(lengths.tolist()) == {1}


def test_ctrl_c_leaves_a_usable_half_written_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(bar: training.ProgressBar) -> bool:
        if bar.num_timesteps >= 1_200:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(training.ProgressBar, "_on_step", stop)
    with pytest.raises(Interrupted, match="after 1,200 steps"):
        train(SMALL, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert len(folder.episodes()) > 0
    saved = PPO.load(folder.file("policy.zip"), device="cpu")
    assert saved.num_timesteps == 1_200
    assert same_weights(load_policy(folder).policy, saved.policy)
    assert load_reward(folder) is not None
    with pytest.raises(RunError, match="half-written"):
        RunFolder.open(folder.path)


def test_a_run_that_cannot_start_leaves_the_old_one(a2c_run: RunFolder) -> None:
    before = {p: p.read_bytes() for p in a2c_run.path.rglob("*") if p.is_file()}
    for config in (
        TrainConfig(env_id="Nowhere-v0"),
        TrainConfig(env_kwargs={"layout": "nowhere"}),
        TrainConfig(env_id="Blackjack-v1"),  # Tuple: SB3 has no policy for it
    ):
        with pytest.raises(RunError):
            train(config, a2c_run.path, overwrite=True)
    assert before == {p: p.read_bytes() for p in before}


def test_an_env_that_no_policy_reads_is_named(tmp_path: Path) -> None:
    config = TrainConfig(env_id="minigrid:MiniGrid-Empty-5x5-v0")
    with pytest.raises(RunError, match="no policy of Stable-Baselines3 reads its"):
        train(config, tmp_path / "run")
    config = TrainConfig(env_id="MiniGrid-Nowhere-v0")
    with pytest.raises(RunError, match="package: write minigrid:MiniGrid-Nowhere-v0"):
        train(config, tmp_path / "run")


@pytest.mark.usefixtures("undrawn")
def test_a_run_too_short_to_learn_a_reward_says_so(tmp_path: Path) -> None:
    config = replace(SMALL, algo="a2c", total_timesteps=80)
    short = train(config, tmp_path / "short")
    assert NEVER_FITTED in report(short)
    assert NEVER_FITTED not in report(
        train(replace(config, oprl=False), tmp_path / "plain")
    )


def test_overwriting_replaces_the_run(tmp_path: Path) -> None:
    config = replace(SMALL, algo="a2c", total_timesteps=200)
    train(config, tmp_path / "run")
    folder = train(replace(config, oprl=False), tmp_path / "run", overwrite=True)
    assert files(folder) == FILES | {"events"}  # the old reward model is gone
    assert sum("tfevents" in path.name for path in folder.path.iterdir()) == 1


@pytest.mark.usefixtures("undrawn")
def test_unnamed_runs_are_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(SMALL, algo="a2c", total_timesteps=80)
    names = [train(config).path.as_posix() for _ in range(3)]
    name = "runs/OPRLMaze-v0-a2c-seed0"
    assert names == [name, f"{name}-2", f"{name}-3"]


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_the_defaults_solve_the_maze(algo: str, tmp_path: Path) -> None:
    summary = train(config_from_dict({"algo": algo}), tmp_path / "run").summary()
    assert summary.final_success_rate == 1.0
    assert summary.eval_length_mean <= 20
    assert summary.steps_to_90 is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"algo": "reinforce"}, "algo must be one of ppo, a2c, dqn, sac, td3; got"),
        ({"n_envs": 0}, "n_envs must be an integer >= 1, got 0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"gamma": 1.5}, "gamma must be a finite number in"),
        ({"scale": float("nan")}, "scale must be a finite number"),
        ({"env_reward_weight": float("inf")}, "env_reward_weight must be a finite"),
        ({"charge_ends": False}, "unknown key charge_ends"),
        ({"learner": {"ties": "half"}}, "unknown key learner.ties"),
        ({"algo": "a2c", "batch_size": 64}, "batch_size=64 has no effect on a2c"),
        ({"n_envs": 1, "n_steps": 1}, "too little for ppo"),
        ({"env_kwargs": {"slippery": "false"}}, "slippery='false' is text: write True"),
        ({"env": "OPRLMaze-v0"}, "unknown key env; the known ones are env_id"),
        ({"learner": {"pace": 3}}, "unknown key learner.pace"),
        ({"learner": 3}, "learner. is no object"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_from_dict(values)


def test_rows_of_the_episode_file(ppo_run: RunFolder) -> None:
    with ppo_run.file("episodes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ["env_steps", "env_return", "length", "success", "learned_return"]
    assert list(rows[0]) == columns
    assert rows[0] == {
        "env_steps": str(ppo_run.episodes().env_steps[0]),
        "env_return": str(ppo_run.episodes().env_returns[0]),
        "length": str(ppo_run.episodes().lengths[0]),
        "success": str(int(ppo_run.episodes().success[0])),
        "learned_return": "0.0",  # nothing has been fitted yet
    }
    assert float(rows[-1]["learned_return"]) != 0.0
    assert isinstance(ppo_run.episodes(), EpisodeLog)
    assert os.path.getsize(ppo_run.file("rollout.gif")) < 300_000


def test_a_run_is_drawn_without_the_packages_of_any_extra(tmp_path, monkeypatch):
    """What `make train` installs has neither SciPy nor PyYAML."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("scipy", "yaml") or name.endswith(
            "runs.measures"
        ):
            monkeypatch.delitem(sys.modules, name)
    for name in ("scipy", "yaml"):
        monkeypatch.setitem(sys.modules, name, None)
    config = TrainConfig(algo="a2c", total_timesteps=1_200, n_envs=4)
    folder = train(config, tmp_path / "run")
    assert (folder.figures / "learning.png").stat().st_size > 0
