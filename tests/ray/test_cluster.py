"""Sweeps on Ray, for real as far as one machine allows: three nodes on loopback."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from support.sweeping import (
    SWEEP,
    assert_went_on,
    began_at,
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


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that takes no runs, and two nodes that take one each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def ray(cluster: Cluster) -> list[str]:
    return ["--engine", "ray", "--address", cluster.address]


def steps(folder: Path) -> dict[str, str]:
    with (folder / "out" / "runs.csv").open(newline="") as file:
        return {row["run_dir"]: row["steps_to_90"] for row in csv.DictReader(file)}


def test_a_node_is_killed_and_its_runs_go_on_elsewhere(cluster, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    with started_sweep(tmp_path, *ray(cluster)) as driver:
        wait_for(lambda: len(half_run(tmp_path)) == 2, driver)
        broken_off = half_run(tmp_path)
        before = {run.path: process_of(run) for run in broken_off}
        cluster.remove_node(nodes[0], allow_graceful=False)
        printed = end_sweep(driver, tmp_path)
    assert "its process was lost; it goes on in another" in printed
    assert len(finished(tmp_path)) == 3
    moved = [run for run in broken_off if process_of(run) != before[run.path]]
    assert_went_on(moved)
    # The other node's run was not disturbed.
    assert len(moved) == 1


def test_the_driver_is_killed_and_the_next_one_goes_on(cluster, tmp_path):
    cluster.add_node(num_cpus=2)
    with started_sweep(tmp_path, *ray(cluster)) as driver:
        open_gate(tmp_path, "one")
        wait_for(lambda: half_run(tmp_path) and finished(tmp_path), driver)
        driver.send_signal(signal.SIGKILL)
    before, broken_off = finished(tmp_path), half_run(tmp_path)
    with started_sweep(tmp_path, *ray(cluster)) as again:
        printed = end_sweep(again, tmp_path)
    assert f"3 runs: {len(before)} finished, " in printed
    after = finished(tmp_path)
    assert {path: after[path] for path in before} == before
    assert len(after) == 3
    assert_went_on(broken_off)


def test_a_worker_is_killed_and_results_are_those_of_the_local_engine(tmp_path):
    """Without an address, Ray is started for the sweep alone."""
    on_ray, local = tmp_path / "ray", tmp_path / "local"
    on_ray.mkdir()
    local.mkdir()
    text = SWEEP.replace("seeds: 3", "seeds: 1")
    with started_sweep(on_ray, "--engine", "ray", "--jobs", "1", text=text) as driver:
        wait_for(lambda: half_run(on_ray), driver)
        (run,) = half_run(on_ray)
        pid = process_of(run)
        assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        assert "its process was lost" in end_sweep(driver, on_ray)
    assert_went_on([run])
    with started_sweep(local, text=text) as driver:
        end_sweep(driver, local)
    assert steps(on_ray) == steps(local)
    for name in ("episodes.csv", "config.json"):
        path = Path("out", "runs", "low", "seed-0", name)
        assert (on_ray / path).read_text() == (local / path).read_text()


def test_two_drivers_in_one_folder_are_one_too_many(cluster, tmp_path):
    """The second takes no worker, and disturbs none of the first."""
    cluster.add_node(num_cpus=2)
    with started_sweep(tmp_path, *ray(cluster)) as driver:
        wait_for(lambda: half_run(tmp_path), driver)
        command = ["-m", "oprl_gym", "sweep", "sweep.yaml", "--out", "out"]
        second = subprocess.run(
            [sys.executable, *command, *ray(cluster)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 2, second.stderr
        assert "another sweep is at work" in second.stderr
        assert "its process was lost" not in end_sweep(driver, tmp_path)
    assert len(finished(tmp_path)) == 3
    assert all(len(began_at(run)) == 1 for run in run_folders(tmp_path))


def test_all_workers_are_killed_at_once_and_their_runs_go_on(cluster, tmp_path):
    cluster.add_node(num_cpus=2)
    with started_sweep(tmp_path, *ray(cluster)) as driver:
        wait_for(lambda: len(half_run(tmp_path)) == 2, driver)
        broken_off = half_run(tmp_path)
        for run in broken_off:
            os.kill(process_of(run), signal.SIGKILL)
        printed = end_sweep(driver, tmp_path)
    assert printed.count("its process was lost; it goes on in another") >= 2
    assert len(finished(tmp_path)) == 3
    assert_went_on(broken_off)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("nowhere", "--address must be auto or HOST:PORT, got 'nowhere'"),
        ("ray://127.0.0.1:1", "start the sweep on a node of the cluster"),
    ],
)
def test_an_address_where_nothing_is(address, words, tmp_path, capfd):
    from oprl_gym.cli import main

    (tmp_path / "sweep.yaml").write_text("seeds: 1")
    command = ["sweep", str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray", "--address", address]) == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("oprl-gym: ")
    assert words in line
    assert not finished(tmp_path)


def test_something_else_at_the_address_is_no_cluster(tmp_path, capfd, monkeypatch):
    """Ray itself would wait for minutes."""
    import socket

    from oprl_gym.cli import main
    from oprl_gym.engines import ray_tune

    monkeypatch.setattr(ray_tune, "CONNECT_TIMEOUT_S", 1.0)
    (tmp_path / "sweep.yaml").write_text("seeds: 1")
    command = ["sweep", str(tmp_path / "sweep.yaml"), "--out", str(tmp_path / "out")]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert main([*command, "--engine", "ray", "--address", address]) == 2
    assert f"no Ray cluster answers at {address}" in capfd.readouterr().err


def test_the_ladder_runs_on_ray(tmp_path):
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "benchmarks.ladder", "--arms", "plain"]
    options = ["--rungs", "smoke", "--algos", "a2c", "--seeds", "2", "--engine", "ray"]
    result = subprocess.run(
        [*command, *options, "--results", str(tmp_path / "results")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "[2/2] a2c smoke plain seed" in result.stdout
    assert len(list((tmp_path / "results" / "runs").rglob("*.json"))) == 2
    assert not (tmp_path / "results" / "failures").exists()
