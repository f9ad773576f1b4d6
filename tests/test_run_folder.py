"""The run folder on disk, and the figures read off an episode log."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from oprl_gym.config import OPRLConfig
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.episode_log import COLUMNS, Episode, EpisodeLog
from oprl_gym.runs.folder import RunError, RunFolder, Summary
from oprl_gym.runs.success import episode_success, pays_beside_goal

SUMMARY = Summary(
    env_id="OPRLMaze-v0",
    algo="ppo",
    seed=0,
    oprl=True,
    total_timesteps=1_024,
    episodes=2,
    first_success_step=None,
    steps_to_90=None,
    final_success_rate=0.5,
    sampled_success_rate=None,
    success_means="is_success",
    eval_episodes=100,
    eval_return_mean=5.0,
    eval_length_mean=30.0,
    wall_time_s=1.5,
    versions={"python": "3.11"},
)


def log_of(success: Sequence[bool | None], steps_each: int = 10) -> EpisodeLog:
    """Return a log of one env's episodes of ``steps_each`` steps."""
    return EpisodeLog.of(
        Episode((i + 1) * steps_each, 10.0 * bool(won), steps_each, won)
        for i, won in enumerate(success)
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run", TrainConfig())
    folder.write_summary(SUMMARY)
    return folder


# --- what an episode log says -------------------------------------------------------


def test_the_first_success() -> None:
    assert log_of([False, False, True, True]).first_success_step() == 30
    assert log_of([False, False]).first_success_step() is None
    assert log_of([]).first_success_step() is None


def test_steps_to_90_needs_90_of_the_last_100() -> None:
    failures, wins = [False] * 50, [True] * 100
    # After 50 failures and k wins the last 100 hold min(k, 100) wins once k >= 50:
    # the 90th win is the 140th episode.
    assert log_of(failures + wins).steps_to(0.9, 100) == 1_400
    assert log_of(failures + wins[:89]).steps_to(0.9, 100) is None


def test_steps_to_90_needs_a_full_window() -> None:
    """99 successes are no trailing 100, however good they look."""
    assert log_of([True] * 99).steps_to(0.9, 100) is None
    assert log_of([True] * 100).steps_to(0.9, 100) == 1_000


def test_steps_to_90_counts_exactly_90_as_enough() -> None:
    assert log_of([True] * 90 + [False] * 10).steps_to(0.9, 100) == 1_000
    assert log_of([True] * 89 + [False] * 11).steps_to(0.9, 100) is None


def test_steps_to_90_stays_where_it_was_first_reached() -> None:
    log = log_of([True] * 100 + [False] * 100)
    assert log.steps_to(0.9, 100) == 1_000


def test_unknown_success_is_no_success() -> None:
    log = log_of([None] * 200)
    assert not log.reports_success
    assert log.steps_to() is None
    assert log.first_success_step() is None
    assert np.isnan(log.success).all()


def test_a_log_survives_its_file(tmp_path: Path) -> None:
    plain, scored = Episode(8, 0.1 + 0.2, 8, None), Episode(16, -1.0, 8, True, 0.7)
    log = EpisodeLog.of([plain, scored])
    log.write(tmp_path / "episodes.csv")
    read = EpisodeLog.read(tmp_path / "episodes.csv")
    assert read.env_steps.tolist() == [8, 16]
    assert read.env_returns.tolist() == [0.1 + 0.2, -1.0]
    assert read.success.tolist() == [
        0.0,
        1.0,
    ]  # an env that says so of some failed else
    assert math.isnan(read.learned_returns[0])
    assert [values.tolist() for values in read.scored()] == [[16], [-1.0], [0.7]]


@pytest.mark.parametrize(
    ("info", "env_return", "threshold", "has_goal", "expected"),
    [
        ({"is_success": True}, 0.0, None, False, True),
        ({"is_success": np.float32(0.0)}, 99.0, 10.0, True, False),  # its word counts
        ({}, 475.0, 475.0, False, True),
        ({}, 474.9, 475.0, True, False),
        ({}, 0.0, 0.0, False, True),
        ({}, 99.0, None, False, None),
        ({}, 0.5, None, True, True),
        ({}, 0.0, None, True, False),
    ],
)
def test_what_counts_as_success(
    info: dict,
    env_return: float,
    threshold: float | None,
    has_goal: bool,
    expected: bool | None,
) -> None:
    assert episode_success(info, env_return, threshold, has_goal) is expected


@pytest.mark.parametrize(
    ("reward", "done", "cut_off", "expected"),
    [
        (0.0, False, False, False),
        (1.0, True, False, False),  # the goal
        (1.0, False, False, True),
        (-0.1, True, False, True),
        (1.0, True, True, True),  # for lasting so long
    ],
)
def test_a_goal_is_paid_with_an_end_of_the_envs_own(
    reward: float, done: bool, cut_off: bool, expected: bool
) -> None:
    info = {"TimeLimit.truncated": True} if cut_off else {}
    assert pays_beside_goal(reward, done, info) is expected


# --- the folder ---------------------------------------------------------------------


def test_a_run_is_read_as_it_was_written(run: RunFolder) -> None:
    opened = RunFolder.open(run.path)
    assert opened.config() == TrainConfig()
    assert opened.summary() == SUMMARY


def test_the_config_survives_settings_of_every_kind(tmp_path: Path) -> None:
    config = TrainConfig(
        algo="a2c", env_kwargs={"layout": "random", "layout_seed": 3}, mode="potential"
    )
    assert RunFolder.create(tmp_path / "run", config).config() == config


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        RunFolder.open(tmp_path / "nowhere")


def test_a_half_written_folder(run: RunFolder) -> None:
    run.file("summary.json").unlink()
    with pytest.raises(RunError, match="half-written"):
        RunFolder.open(run.path)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no config\.json"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"env_id": "OPRLMaze-v0", "colour": 3}', "unknown key colour"),
        ('{"n_envs": "eight"}', "n_envs must be an integer"),
        ("{", "cannot be read"),
        ("[]", "holds no object"),
    ],
)
def test_a_config_written_by_hand(run: RunFolder, text: str, message: str) -> None:
    run.file("config.json").write_text(text)
    with pytest.raises(RunError, match=message):
        run.config()


def test_a_damaged_summary(run: RunFolder) -> None:
    values = json.loads(run.file("summary.json").read_text())
    del values["algo"]
    run.file("summary.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match="algo"):
        run.summary()


def test_damaged_episodes(run: RunFolder) -> None:
    columns = "env_steps,env_return,length,success,learned_return"
    run.file("episodes.csv").write_text(f"{columns}\n8,x\n")
    with pytest.raises(RunError, match="cannot be read"):
        run.episodes()
    run.file("episodes.csv").write_text("a,b\n")
    with pytest.raises(RunError, match="columns"):
        run.episodes()


def test_an_existing_run_is_kept_without_overwrite(run: RunFolder) -> None:
    with pytest.raises(RunError, match="--overwrite"):
        RunFolder.create(run.path, TrainConfig(seed=1))
    assert run.config().seed == 0
    assert run.summary() == SUMMARY


def test_overwriting_removes_the_run_and_nothing_else(run: RunFolder) -> None:
    run.file("notes.txt").write_text("mine")
    (run.figures / "learning.png").write_bytes(b"old")
    (run.figures / "paper.pdf").write_bytes(b"mine")
    RunFolder.create(run.path, TrainConfig(seed=1), overwrite=True)
    names = {p.name for p in run.path.rglob("*") if p.is_file()}
    assert names == {"config.json", "notes.txt", "paper.pdf"}
    assert run.config().seed == 1


def test_overwriting_spares_a_folder_that_is_no_run(tmp_path: Path) -> None:
    """Many programs write a config.json."""
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "policy.zip").write_bytes(b"theirs")
    with pytest.raises(RunError, match="left alone"):
        RunFolder.create(tmp_path, TrainConfig(), overwrite=True)
    assert (tmp_path / "policy.zip").read_bytes() == b"theirs"


def test_an_empty_folder_may_be_used_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    RunFolder.create(tmp_path / "empty", TrainConfig())
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        RunFolder.create(tmp_path / "file", TrainConfig(), overwrite=True)
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "below", TrainConfig())


def test_the_name_of_an_unnamed_run(tmp_path: Path) -> None:
    config = TrainConfig(env_id="ALE/Pong-v5", algo="a2c", oprl=False, seed=7)
    folder = RunFolder.create_numbered(tmp_path, config)
    assert folder.path.name == "ALE-Pong-v5-a2c-plain-seed7"


def test_a_summary_is_written_whole_or_not_at_all(run: RunFolder) -> None:
    broken = Summary(**{**vars(SUMMARY), "eval_return_mean": math.nan})
    with pytest.raises(ValueError, match="JSON"):
        run.write_summary(broken)
    assert run.summary() == SUMMARY


def test_settings_that_are_numpys_are_kept_as_pythons(tmp_path: Path) -> None:
    """As they come out of a loop over an array."""
    size, rate = np.int64(4), np.float32(0.5)
    settings = {"seed": size, "gamma": rate, "env_kwargs": {"size": size}}
    config = TrainConfig(learner=OPRLConfig(hidden_size=np.int32(8)), **settings)  # type: ignore[arg-type]
    folder = RunFolder.create(tmp_path / "run", config)
    assert folder.config() == config
    assert folder.config().env_kwargs == {"size": 4}
    assert (config.seed, config.gamma, config.learner.hidden_size) == (4, 0.5, 8)


def test_a_mark_that_windows_puts_before_a_text_is_passed_over(run: RunFolder) -> None:
    config, path = run.config(), run.file("config.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert run.config() == config


@pytest.mark.parametrize("steps", ["-5", str(2**62), "inf", "nan"])
def test_steps_that_nobody_takes_are_named(run: RunFolder, steps: str) -> None:
    """No axis of a figure would end there."""
    run.file("progress.csv").write_text(f"time/total_timesteps,x\n{steps},1\n")
    with pytest.raises(RunError, match=r"progress\.csv cannot be read: .* is no count"):
        run.progress("x")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("-5,1.0,1,,", "-5 is no count of env steps"),
        (f"{2**62},1.0,1,,", f"{2**62} is no count of env steps"),
        ("inf,1.0,1,,", "invalid literal"),
        ("9,1.0,0,,", "an episode has at least one step"),
        ("9,1.0,-1,,", "-1 is no count of env steps"),
        (f"9,1.0,{2**62},,", f"{2**62} is no count of env steps"),
        ("9,nan,1,,", "nan is no return of an episode"),
        ("9,1e308,1,,", "1e+308 is no return"),
        ("9,1.0,1,,-inf", "-inf is no return"),
        ("1" * 5_000 + ",1.0,1,,", "integer string conversion"),
    ],
)
def test_episodes_that_nobody_plays_are_named(run: RunFolder, row: str, words: str):
    """No mean can be taken of them, and no axis of a figure would hold them."""
    run.file("episodes.csv").write_text(f"{','.join(COLUMNS)}\n{row}\n")
    with pytest.raises(RunError, match=r"episodes\.csv cannot be read: ") as refusal:
        run.episodes()
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_timesteps", 0),
        ("total_timesteps", -(2**70)),
        ("steps_to_90", 10**400),
        ("sampled_success_rate", 1e30),
        ("final_success_rate", float("nan")),
        ("eval_return_mean", float("inf")),
        ("wall_time_s", 1e308),
    ],
)
def test_a_summary_of_no_run_is_named(run: RunFolder, name: str, value: float):
    values = {**asdict(SUMMARY), name: value}
    run.file("summary.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match=rf"summary\.json: {name} is ") as refusal:
        run.summary()
    assert len(str(refusal.value)) < 500


def test_no_pipe_in_the_place_of_a_config_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(RunError, match="no run folder, so it is left alone"):
        RunFolder.create(tmp_path, TrainConfig())
