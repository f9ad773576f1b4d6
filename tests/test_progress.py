"""What is told of a run while it goes on: pictures, trackers, who waits for it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from oprl_gym.config import OPRLConfig
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.training import Interrupted, pictures, resume, train
from oprl_gym.training import run as training

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = TrainConfig(
    algo="a2c",
    total_timesteps=400,
    n_envs=4,
    env_kwargs={"size": 3, "max_episode_steps": 10},
    learner=OPRLConfig(gradient_steps=2, min_preferences=4, update_interval=100),
)
TRACKER = """
import json
calls = []

def init(**kwargs):
    calls.append(("init", json.loads(json.dumps(kwargs))))
    return Run()

class Run:
    def log(self, values, step):
        calls.append(("log", values, step))

    def finish(self):
        calls.append(("finish",))
"""


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pictures cost nothing."""
    monkeypatch.setattr(pictures, "SHARE", 1e9)
    monkeypatch.setattr(pictures, "FIRST_GUESS_S", 0.0)


def images(folder: RunFolder) -> dict[str, list[int]]:
    """Return the steps of the pictures in TensorBoard's file, by name."""
    events = EventAccumulator(str(folder.path), size_guidance={"images": 0})
    events.Reload()
    return {
        tag: [image.step for image in events.Images(tag)]
        for tag in events.Tags()["images"]
    }


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(
    "config",
    [TINY, replace(TINY, env_id="CartPole-v1", env_kwargs={}, algo="dqn")],
    ids=["maze", "cartpole"],
)
def test_pictures_of_a_run_change_nothing_that_it_learns(config, tmp_path, monkeypatch):
    seen = train(config, tmp_path / "seen")
    found = images(seen)
    assert set(found) == {"agent/clip", "agent/learned_reward"}
    assert len(found["agent/clip"]) >= 5
    assert found["agent/clip"] == sorted(set(found["agent/clip"]))
    monkeypatch.setattr(pictures, "SHARE", 0.0)
    monkeypatch.setattr(pictures, "FIRST_GUESS_S", 1.0)
    unseen = train(config, tmp_path / "unseen")
    assert images(unseen) == {}
    for one in (seen, unseen):
        assert one.file("episodes.csv").read_text()
    assert (
        seen.file("episodes.csv").read_text() == unseen.file("episodes.csv").read_text()
    )
    weights = [load_policy(folder).policy.state_dict() for folder in (seen, unseen)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_pictures_take_two_percent_of_the_time(tmp_path, monkeypatch):
    """By a clock on which a rollout takes a second, and a picture ten."""
    now, drawn = [0.0], []

    def draw(callback: pictures.Pictures) -> None:
        now[0] += 10.0
        drawn.append(now[0])

    monkeypatch.setattr(pictures.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pictures.Pictures, "_draw", draw)
    callback = pictures.Pictures(TINY, 2_000, None)
    callback._on_training_start()
    for steps in range(1, 2_001):
        now[0] += 1.0
        callback.num_timesteps = steps
        callback._on_rollout_end()
    assert drawn[0] == 110.0  # a twentieth of the run, which a second is 2 % of
    assert len(drawn) >= 3
    assert 10.0 * len(drawn) <= 0.02 * now[0]


@pytest.mark.usefixtures("free")
def test_a_picture_that_fails_ends_no_run(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no screen")

    monkeypatch.setattr(pictures, "greedy_rollout", fail)
    with pytest.warns(UserWarning, match="no more pictures in TensorBoard: no screen"):
        folder = train(TINY, tmp_path / "run")
    assert folder.is_finished()


def test_a_tracker_gets_the_rows_and_goes_on_with_a_run(tmp_path, monkeypatch):
    (tmp_path / "trackio.py").write_text(TRACKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("oprl_gym.training.pace.LOG_EVERY", 100)

    def stop(bar: training.ProgressBar) -> bool:
        if bar.num_timesteps >= 300:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patch:
        patch.setattr(training.ProgressBar, "_on_step", stop)
        with pytest.raises(Interrupted):
            train(TINY, tmp_path / "run", track="trackio")
    first = list(sys.modules["trackio"].calls)
    resume(tmp_path / "run", track="trackio")
    calls = sys.modules.pop("trackio").calls[len(first) :]
    for part in (first, calls):
        assert [part[0][0], part[-1][0]] == ["init", "finish"]
        assert part[0][1]["config"]["env_kwargs"] == TINY.env_kwargs
    assert first[0][1]["name"] == calls[0][1]["name"]
    assert calls[0][1]["resume"] == "allow"
    rows = [call for call in calls if call[0] == "log"]
    assert rows[-1][2] == 400
    assert "oprl/reward_loss" in rows[-1][1]
    assert all(isinstance(value, float) for value in rows[-1][1].values())
    config = json.loads(Path(tmp_path / "run" / "config.json").read_text())
    assert "track" not in config
