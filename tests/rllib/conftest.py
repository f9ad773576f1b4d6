"""Tests of the extra [rllib]: collected only where Ray is (`make test-ray`)."""

import importlib.util
import os
from pathlib import Path

import pytest

WITHOUT_RAY = importlib.util.find_spec("ray") is None
collect_ignore_glob = ["test_*.py"] if WITHOUT_RAY else []


RLLIB_WARNINGS = (
    # An env runner registers its env with Gymnasium, each one under the same name.
    "ignore:.*Overriding environment rllib-single-agent-env-v0:UserWarning",
    # Ray Data copies its own settings, when remote learners start.
    "ignore:`use_\\w+` is deprecated:DeprecationWarning",
)


def pytest_collection_modifyitems(items):
    """Let RLlib's own warnings be; all others stay errors."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in RLLIB_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


def with_these_tests():
    """Return a Ray runtime env whose processes can import what the tests import."""
    here = Path(__file__).parent
    return {"env_vars": {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}}


@pytest.fixture(scope="module")
def ray_here():
    """Start Ray on this machine; logical CPUs, so that few cores run many runners."""
    import ray

    ray.init(
        "local",  # whatever else runs here
        num_cpus=8,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=with_these_tests(),
    )
    yield
    ray.shutdown()
