"""A long run uses no more memory than a short one."""

from __future__ import annotations

import sys

import pytest

from benchmarks.speed.memory import STEPS, main, measure


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_the_benchmark_runs(tmp_path, capsys):
    assert main(["--smoke", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "memory.png").stat().st_size > 0
    assert len((tmp_path / "memory.csv").read_text().splitlines()) > 3
    assert "at its end" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_two_million_steps_hold_their_memory():
    used = [mib for _, mib in measure(STEPS)]
    settled = max(used[: len(used) // 5])
    assert max(used) < 1.02 * settled + 5
