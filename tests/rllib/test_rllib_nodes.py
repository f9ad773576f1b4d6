"""Env runners are lost: with their node, and one at a moment when nobody asks."""

import os
import signal
import time

import pytest
import ray
from conftest import with_these_tests
from ray.cluster_utils import Cluster
from small import built, small_ppo
from support.fakes import QUICK

from oprl_gym.rllib import with_oprl
from oprl_gym.rllib.callback import OPRLRLlibCallback

pytestmark = pytest.mark.slow
SMALL = {"object_store_memory": 100 * 2**20, "include_dashboard": False}


@pytest.fixture
def cluster():
    """Start a head with room for no env runner, and two nodes with room for three."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    for _ in range(2):
        cluster.add_node(num_cpus=3, object_store_memory=SMALL["object_store_memory"])
    ray.init(cluster.address, log_to_driver=False, runtime_env=with_these_tests())
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def where_and_fed(env_runner):
    """Return where an env runner is, and whether it feeds the reward trainer."""
    (callback,) = [
        one for one in env_runner._callbacks if isinstance(one, OPRLRLlibCallback)
    ]
    where = (ray.get_runtime_context().get_node_id(), os.getpid())
    return where, callback._assembler is not None


def remote_runners(algorithm):
    return algorithm.env_runner_group.foreach_env_runner(
        where_and_fed, local_env_runner=False
    )


def test_a_run_goes_on_when_a_node_with_env_runners_is_lost(cluster):
    config = small_ppo(num_env_runners=3, steps=192).env_runners(
        rollout_fragment_length=32, sample_timeout_s=20
    )
    config.fault_tolerance(restart_failed_env_runners=True)
    with built(with_oprl(config, QUICK)) as algorithm:
        algorithm.train()
        before = remote_runners(algorithm)
        assert len(before) == 3
        lost = before[0][0][0]
        (node,) = [one for one in cluster.worker_nodes if one.node_id == lost]
        cluster.remove_node(node, allow_graceful=False)
        for _ in range(20):
            result = algorithm.train()
            after = remote_runners(algorithm)
            if len(after) == 3 and lost not in [where[0] for where, _ in after]:
                break
        assert len(after) == 3, "no env runner was made anew"
        assert all(fed for _, fed in after)
        steps = algorithm.get_state(components="oprl")["oprl"]["steps"]
        final = algorithm.train()
        assert algorithm.get_state(components="oprl")["oprl"]["steps"] > steps
    assert final["oprl"]["preferences"] > 0
    assert result["training_iteration"] > 1


def test_an_env_runner_that_was_restarted_unnoticed_feeds_the_trainer_again(cluster):
    """RLlib finds it alive, and calls no callback: its episodes would be missing."""
    config = small_ppo(num_env_runners=2, steps=128)
    with built(with_oprl(config, QUICK)) as algorithm:
        algorithm.train()
        (_, lost), _ = remote_runners(algorithm)[0]
        os.kill(lost, signal.SIGKILL)
        time.sleep(10)
        for _ in range(20):
            algorithm.train()
            after = remote_runners(algorithm)
            if len(after) == 2 and all(fed for _, fed in after):
                break
        assert lost not in [process for (_, process), _ in after]
        assert [fed for _, fed in after] == [True, True]
