"""``oprl-gym sweep`` on one machine: what it leaves, and that nothing is done twice."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import filelock
import numpy as np
import pytest
from PIL import Image
from support.sweeping import (
    SWEEP,
    assert_went_on,
    end_sweep,
    finished,
    half_run,
    is_alive,
    open_gate,
    process_of,
    run_folders,
    started_sweep,
    wait_for,
)

from oprl_gym.cli import main
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunFolder
from oprl_gym.runs.measures import Estimate
from oprl_gym.sweep.figure import draw_sweep
from oprl_gym.sweep.outcomes import ArmResult, table
from oprl_gym.sweep.spec import Arm

TINY = """
seeds: {seeds}
base: {{algo: a2c, oprl: false, total_timesteps: {steps}, env_kwargs: {{size: 3}}}}
grid: {{gamma: [0.9, 0.99]}}
"""


def sweep(folder: Path, seeds: int = 2, steps: int = 400) -> int:
    (folder / "tiny.yaml").write_text(TINY.format(seeds=seeds, steps=steps))
    words = ["sweep", str(folder / "tiny.yaml"), "--out", str(folder / "out")]
    return main([*words, "--jobs", "2"])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_from_begin_to_end(tmp_path, capsys):
    assert sweep(tmp_path, seeds=1) == 0
    out = tmp_path / "out"
    printed = capsys.readouterr().out
    assert "2 runs: 0 finished, 0 half-run, 2 to begin" in printed
    assert "[2/2] " in printed
    assert "gamma=0.99, seed 0: 90 % never" in printed
    left = {path.name for path in out.iterdir()}
    assert left == {"runs", "runs.csv", "summary.csv", "summary.png"}
    for run in run_folders(tmp_path):
        assert run.summary().seed == int(run.path.name.removeprefix("seed-"))
    found = {(row["arm"], row["seed"]): row for row in rows(out / "runs.csv")}
    assert len(found) == 2
    for row in found.values():
        assert RunFolder(out / row["run_dir"]).config().gamma == float(row["gamma"])
    first, second = rows(out / "summary.csv")
    assert (first["arm"], second["arm"]) == ("gamma=0.9", "gamma=0.99")
    assert (first["seeds"], first["never_90"], first["budget"]) == ("1", "1", "400")
    assert float(first["steps_to_90_value"]) == 400
    assert ">= 400" in printed

    before = finished(tmp_path)
    assert sweep(tmp_path, seeds=1) == 0
    assert "2 runs: 2 finished, 0 half-run, 0 to begin" in capsys.readouterr().out
    assert sweep(tmp_path, seeds=2) == 0
    assert "4 runs: 2 finished, 0 half-run, 2 to begin" in capsys.readouterr().out
    after = finished(tmp_path)
    assert {path: after[path] for path in before} == before
    assert len(after) == 4

    assert sweep(tmp_path, steps=800) == 2
    assert "holds a run with other settings" in capsys.readouterr().err
    assert finished(tmp_path) == after


def test_a_run_that_fails_is_named_and_done_again_once_it_can_be(tmp_path, capsys):
    maze = tmp_path / "sweep.yaml"
    text = "seeds: 1\nbase: {algo: a2c, oprl: false, total_timesteps: 200}\narms:\n"
    bad = "  good: {}\n  bad: {env_kwargs: {layout: Nowhere}}\n"
    maze.write_text(text + bad)
    command = ["sweep", str(maze), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main(command) == 2
    captured = capsys.readouterr()
    assert "bad, seed 0: FAILED: " in captured.out
    assert "layout='Nowhere'" in captured.out
    assert "1 of 2 runs failed" in captured.err
    log = tmp_path / "out" / "failures" / "bad-seed-0.txt"
    assert str(log) in captured.err
    assert "Nowhere" in log.read_text()
    assert [row["arm"] for row in rows(tmp_path / "out" / "runs.csv")] == ["good"]
    maze.write_text(text + bad.replace("layout: Nowhere", "size: 3"))
    assert main(command) == 0
    assert not log.exists()


def test_two_sweeps_in_one_folder_are_one_too_many(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / "sweep.lock"):
        assert sweep(tmp_path) == 2
    assert "another sweep is at work" in capsys.readouterr().err
    assert not finished(tmp_path)


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    thesis = tmp_path / "out" / "runs" / "gamma=0.9" / "seed-0" / "thesis.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    assert sweep(tmp_path) == 2
    assert "no run folder" in capsys.readouterr().err
    assert thesis.read_text() == "years of work"
    assert not finished(tmp_path)


@pytest.mark.long
def test_a_killed_driver_takes_its_runs_with_it_and_the_next_goes_on(tmp_path):
    with started_sweep(tmp_path, "--jobs", "2") as driver:
        open_gate(tmp_path, "one")
        wait_for(lambda: half_run(tmp_path) and finished(tmp_path), driver)
        driver.send_signal(signal.SIGKILL)
    before, broken_off = finished(tmp_path), half_run(tmp_path)
    with started_sweep(tmp_path, "--jobs", "2") as again:
        printed = end_sweep(again, tmp_path)
    assert f"3 runs: {len(before)} finished, " in printed
    after = finished(tmp_path)
    assert {path: after[path] for path in before} == before
    assert len(after) == 3
    assert_went_on(broken_off)


@pytest.mark.slow
def test_a_run_whose_process_is_killed_goes_on_from_its_checkpoint(tmp_path):
    text = SWEEP.replace("seeds: 3", "seeds: 1")
    with started_sweep(tmp_path, "--jobs", "1", text=text) as driver:
        wait_for(lambda: half_run(tmp_path), driver)
        (run,) = half_run(tmp_path)
        pid = process_of(run)
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        printed = end_sweep(driver, tmp_path)
    assert "its process was lost; it goes on in another" in printed
    assert_went_on([run])
    assert len(finished(tmp_path)) == 1


# Tables and figures


def result(name: str, steps: float, failures: int = 0) -> ArmResult:
    arm = Arm(name, {}, TrainConfig(total_timesteps=60_000))
    estimate = Estimate(steps, 0.9 * steps, 1.1 * steps)
    success = Estimate(1.0, 0.9, 1.0)
    returns = Estimate(10.0, 9.0, 10.0)
    return ArmResult(arm, 20, failures, estimate, success, returns, None, 30.0)


def by_return(name: str, value: float) -> ArmResult:
    returns, learning = Estimate(value, np.nan, np.nan), Estimate(value / 2, 1.0, 2.0)
    arm = result(name, 0).arm
    return ArmResult(arm, 1, None, None, None, returns, learning, 30.0)


def test_the_table_says_what_failed():
    lines = table([result("a", 1e4), result("b", 6e4, 20)]).splitlines()
    cells = [line.split() for line in lines]
    assert cells[1][:5] == ["a", "20", "0", "10,000", "[9,000,"]
    assert cells[2][:5] == ["b", "20", "20", ">=", "60,000"]
    assert len({len(line) for line in lines}) == 1  # columns stand below each other


def test_where_there_is_no_success_arms_are_compared_by_return(tmp_path):
    arms = [by_return("c", 3.0), by_return("d", 4.0)]
    first, *rows = table(arms).splitlines()
    assert "success" not in first
    assert rows[0].split() == ["c", "1", "1.5", "[1,", "2]", "3", "30"]
    draw_sweep(arms, tmp_path / "summary.png")
    assert (tmp_path / "summary.png").stat().st_size > 10_000


def test_a_sweep_in_an_env_without_success(tmp_path, capsys):
    (tmp_path / "sweep.yaml").write_text(
        "seeds: 1\nbase: {algo: a2c, oprl: false, total_timesteps: 200, "
        "env_id: Pendulum-v1, n_envs: 1}\n"
    )
    words = ["sweep", str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]
    assert main([*words, "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "return in training" in printed
    assert "n/a" not in printed
    (row,) = rows(tmp_path / "out" / "summary.csv")
    assert row["steps_to_90_value"] == ""
    (run,) = (tmp_path / "out").rglob("episodes.csv")
    (episode,) = rows(run)  # Pendulum's last 200 steps each
    assert float(row["learning_value"]) == round(float(episode["env_return"]), 4)


@pytest.mark.parametrize("count", [1, 3, 60])
def test_a_figure_of_few_arms_and_of_many(count, tmp_path):
    path = tmp_path / "summary.png"
    arms = [result(f"arm {i}", 1e4 + i, failures=i) for i in range(count)]
    draw_sweep(arms, path)
    with Image.open(path) as picture:
        assert picture.size[1] < 150 * 20
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    indigo = np.abs(pixels.astype(int) - [79, 70, 229]).sum(axis=1) < 10
    assert indigo.sum() > 100


def test_a_figure_that_is_a_link_leads_writing_nowhere(tmp_path):
    precious, path = tmp_path / "thesis.tex", tmp_path / "summary.png"
    precious.write_text("years")
    path.symlink_to(precious)
    draw_sweep([result("arm", 1e4)], path)
    assert precious.read_text() == "years"
    assert path.is_file()
    assert not path.is_symlink()
