"""``oprl-gym train --resume``: a run that was broken off ends as it would have."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import load_file

from oprl_gym.cli import main
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import CHECKPOINT, REWARD_MAPS, RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.training import run as training
from oprl_gym.training.run import Interrupted, resume, train

TIMES = {"time/fps", "time/time_elapsed", "time/iterations"}
SMALL = TrainConfig(algo="a2c", total_timesteps=1_400, n_envs=4)


pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log and save so often that short runs will do."""
    monkeypatch.setattr("oprl_gym.training.pace.LOG_EVERY", 128)
    monkeypatch.setattr("oprl_gym.training.pace.SAVE_EVERY", 500)


def assert_alike(one: RunFolder, other: RunFolder) -> None:
    """Compare all that two equal runs leave behind, but for times."""
    logs = [asdict(folder.episodes()) for folder in (one, other)]
    # Scores given while stepping are summed up in other batches, and round otherwise.
    given = [log.pop("learned_returns") for log in logs]
    np.testing.assert_allclose(*given, rtol=1e-6)
    for name, column in logs[0].items():
        np.testing.assert_array_equal(column, logs[1][name])
    maps = [folder.file(REWARD_MAPS) for folder in (one, other)]
    assert maps[0].exists() == maps[1].exists()
    if maps[0].exists():
        looks = [load_file(path) for path in maps]
        assert looks[0].keys() == looks[1].keys()
        for name, values in looks[0].items():
            np.testing.assert_allclose(values, looks[1][name], rtol=1e-5, atol=1e-6)
    rows = [progress(folder) for folder in (one, other)]
    assert rows[0] == rows[1]
    assert replace(one.summary(), wall_time_s=0.0) == replace(
        other.summary(), wall_time_s=0.0
    )
    weights = [
        {name: value.numpy().tobytes() for name, value in policy.state_dict().items()}
        for policy in (load_policy(one).policy, load_policy(other).policy)
    ]
    assert weights[0] == weights[1]


def progress(folder: RunFolder) -> list[dict[str, float]]:
    with folder.file("progress.csv").open(newline="") as file:
        return [
            {name: float(row[name]) for name in row.keys() - TIMES if row[name]}
            for row in csv.DictReader(file)
        ]


def interrupt_at(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    def stop(bar: training.ProgressBar) -> bool:
        if bar.num_timesteps >= steps:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(training.ProgressBar, "_on_step", stop)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, algo="ppo", n_steps=64, batch_size=64),
        replace(SMALL, oprl=False),
        replace(SMALL, oprl=False, bonus="first-visit"),
        replace(SMALL, env_id="FrozenLake-v1"),
        replace(SMALL, algo="dqn", batch_size=8, algo_kwargs={"learning_starts": 100}),
        replace(
            SMALL,
            algo="td3",
            env_id="Pendulum-v1",
            env_wrapper=["gymnasium.wrappers:TimeLimit(50)"],
            vec_normalize=True,
            batch_size=8,
            policy_kwargs={"net_arch": [8]},
        ),
    ],
    ids=["a2c", "ppo", "plain", "bonus", "slippery", "dqn", "td3"],
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(config, tmp_path, monkeypatch):
    whole = train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1_220)
        with pytest.raises(Interrupted, match=r"--resume .*parts"):
            train(config, tmp_path / "parts")
    folder = RunFolder(tmp_path / "parts")
    assert folder.file(CHECKPOINT).is_file()
    assert_alike(resume(folder.path), whole)


def test_sigterm_ends_a_run_as_ctrl_c_does(tmp_path, monkeypatch, capsys):
    """Sent twice, as schedulers do: what is being saved then is saved all the same."""
    whole = train(SMALL, tmp_path / "whole")
    run = str(tmp_path / "run")
    before = signal.getsignal(signal.SIGTERM)

    def stop(bar: training.ProgressBar) -> bool:
        if bar.num_timesteps >= 1_220:
            os.kill(os.getpid(), signal.SIGTERM)
        return True

    save = training._Run._save

    def save_meanwhile(self: training._Run, folder: RunFolder) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        save(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(training.ProgressBar, "_on_step", stop)
        patch.setattr(training._Run, "_save", save_meanwhile)
        words = ["--algo", "a2c", "--total-timesteps", "1400", "--n-envs", "4"]
        assert main(["train", *words, "--run-dir", run]) == 143
    (line,) = capsys.readouterr().err.splitlines()
    assert "interrupted after 1,220 steps" in line
    assert f"oprl-gym train --resume {run}" in line
    assert signal.getsignal(signal.SIGTERM) is before
    folder = RunFolder(tmp_path / "run")
    assert folder.file("policy.zip").is_file()
    assert_alike(resume(folder.path), whole)


def test_a_run_broken_off_before_its_first_checkpoint_starts_anew(
    tmp_path, monkeypatch
):
    config = replace(SMALL, total_timesteps=600)
    whole = train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 300)
        with pytest.raises(Interrupted):
            train(config, tmp_path / "parts")
    assert not (tmp_path / "parts" / CHECKPOINT).exists()
    assert_alike(resume(tmp_path / "parts"), whole)


@pytest.mark.parametrize("steps", [1_400, 1_440], ids=["unfilled", "filled"])
def test_a_run_killed_as_it_draws_its_figures_is_finished(steps, tmp_path, monkeypatch):
    """All steps are taken by then; the last rows of progress.csv come only once."""
    config = replace(SMALL, total_timesteps=steps)
    whole = train(config, tmp_path / "whole")

    def kill(folder: RunFolder) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(training, "draw_run", kill)
        with pytest.raises(SystemExit):
            train(config, tmp_path / "parts")
    assert not (tmp_path / "parts" / "summary.json").exists()
    assert_alike(resume(tmp_path / "parts"), whole)


def test_a_run_killed_before_it_wrote_its_config_leaves_a_free_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json.partial").write_text("{")
    RunFolder(tmp_path / "run").check_free()


def test_a_finished_run_is_trained_further_only_on_demand(tmp_path):
    folder = train(replace(SMALL, total_timesteps=600), tmp_path / "run")
    before = folder.file("summary.json").read_bytes()
    with pytest.raises(RunError, match="has taken 600 steps already, of 600"):
        resume(folder.path)
    assert folder.file("summary.json").read_bytes() == before
    assert resume(folder.path, 800).summary().total_timesteps == 800
    assert folder.config().total_timesteps == 800


def test_a_run_broken_off_is_not_cut_short_by_going_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1_220)
        with pytest.raises(Interrupted):
            train(SMALL, tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(RunError, match=r"taken 1,200 steps already, of 1,400"):
        resume(tmp_path / "run", 800)
    assert (tmp_path / "run" / "config.json").read_bytes() == before
    assert resume(tmp_path / "run", 1_300).summary().total_timesteps == 1_300


def test_a_run_that_cannot_be_drawn_is_finished_all_the_same(tmp_path, monkeypatch):
    def refuse(folder: RunFolder) -> None:
        raise RunError("this env cannot be drawn")

    monkeypatch.setattr(training, "draw_run", refuse)
    with pytest.warns(UserWarning, match="could not be drawn: this env cannot"):
        folder = train(replace(SMALL, total_timesteps=100), tmp_path / "run")
    assert folder.summary().total_timesteps == 100


class Broken(gym.Wrapper):
    """Raises at its 200th step, unless it is mended."""

    mended = False
    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 200 and not Broken.mended:
            raise ZeroDivisionError("the simulator crashed")
        return self.env.step(action)


def test_an_env_that_fails_is_named_and_the_run_goes_on(tmp_path, capsys):
    gym.register("Broken-v0", lambda **words: Broken(gym.make("OPRLMaze-v0", **words)))
    run = str(tmp_path / "run")
    words = ["train", "--env-id", "Broken-v0", "--algo", "a2c", "--n-envs", "4"]
    try:
        assert main([*words, "--run-dir", run, "--total-timesteps", "1400"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "ZeroDivisionError: the simulator crashed" in line
        assert f"oprl-gym train --resume {run}" in line
        folder = RunFolder(tmp_path / "run")
        assert "in step\n" in folder.file("failure.txt").read_text()
        assert len(folder.episodes()) > 0
        Broken.mended = True
        assert main(["train", "--resume", run]) == 0
        assert folder.summary().total_timesteps == 1_400
        assert not folder.file("failure.txt").exists()
    finally:
        Broken.mended = False
        gym.envs.registration.registry.pop("Broken-v0")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "3"], "keeps the settings of the run"),
        (["--run-dir", "other"], "keeps the settings of the run"),
        (["--overwrite"], "keeps the settings of the run"),
        (["--seed", "0"], "keeps the settings of the run"),  # the default, but given
        ([], "there is no run folder"),
    ],
)
def test_what_does_not_go_with_resume(arguments, words, tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path / "none"), *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "steps"), [([], None), (["--total-timesteps", "30000"], 30_000)]
)
def test_steps_that_equal_the_default_are_given_all_the_same(
    arguments, steps, tmp_path, monkeypatch
):
    asked = []

    def note(run_dir: str, total_timesteps: int | None, track: None) -> None:
        asked.append((run_dir, total_timesteps))
        raise RunError("seen")

    monkeypatch.setattr(training, "resume", note)
    run = str(RunFolder.create(tmp_path / "run", SMALL).path)
    assert main(["train", "--resume", run, *arguments]) == 2
    assert asked == [(run, steps)]


def test_a_damaged_checkpoint_is_named_and_the_run_left_alone(tmp_path, capsys):
    folder = train(replace(SMALL, total_timesteps=600), tmp_path / "run")
    path = folder.file(CHECKPOINT)
    path.write_bytes(path.read_bytes()[:-1000])
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    words = ["train", "--resume", str(folder.path), "--total-timesteps", "2000"]
    assert main(words) == 2
    assert "is not a saved state" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before


SAVE_OFTEN = """
import sys
from oprl_gym.cli import main
from oprl_gym.training import pace

pace.LOG_EVERY, pace.SAVE_EVERY = 128, 500
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_is_resumed_by_another(tmp_path):
    config = replace(SMALL, total_timesteps=3_000)
    settings = ["--algo", "a2c", "--total-timesteps", "3000", "--n-envs", "4"]
    run = tmp_path / "run"
    command = [sys.executable, "-c", SAVE_OFTEN, "train", "--run-dir", str(run)]
    process = subprocess.Popen([*command, *settings])
    deadline = time.monotonic() + 120
    while not (run / CHECKPOINT).exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "summary.json").exists()
    assert load_file(run / CHECKPOINT)
    assert main(["train", "--resume", str(run)]) == 0
    assert_alike(RunFolder(run), train(config, tmp_path / "whole"))
