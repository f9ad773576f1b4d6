"""A checkpoint of RLlib holds what OPRL has learned."""

import numpy as np
import pytest
from ray.rllib.algorithms.algorithm import Algorithm
from small import built, small_ppo
from support.fakes import QUICK

from oprl_gym import OPRLConfig
from oprl_gym.files.state_file import read_state
from oprl_gym.rllib import with_oprl
from oprl_gym.rllib.connector import ProcessRewardConnector

pytestmark = pytest.mark.usefixtures("ray_here")


def oprl_state(algorithm):
    return algorithm.get_state(components="oprl")["oprl"]


@pytest.fixture(scope="module")
def saved(ray_here, tmp_path_factory):
    """Return the folder of a checkpoint, and the state of OPRL at its time."""
    with built(with_oprl(small_ppo(steps=128), QUICK)) as algorithm:
        for _ in range(3):
            algorithm.train()
        folder = algorithm.save_to_path(str(tmp_path_factory.mktemp("checkpoint")))
        return folder, oprl_state(algorithm)


def test_an_algorithm_made_from_it_goes_on_from_there(saved):
    folder, state = saved
    algorithm = Algorithm.from_checkpoint(folder)
    try:
        np.testing.assert_equal(oprl_state(algorithm), state)
        algorithm.train()
        assert oprl_state(algorithm)["steps"] >= state["steps"] + 128
        (piece,) = algorithm.learner_group._learner._learner_connector[
            ProcessRewardConnector
        ]
        assert piece._scorer.process_reward.fitted
    finally:
        algorithm.stop()


def test_an_algorithm_made_alike_can_take_it_over(saved):
    folder, state = saved
    with built(with_oprl(small_ppo(steps=128), QUICK)) as algorithm:
        algorithm.restore_from_path(folder)
        np.testing.assert_equal(oprl_state(algorithm), state)


def test_a_state_in_memory(saved):
    _, state = saved
    with built(with_oprl(small_ppo(steps=128), QUICK)) as algorithm:
        algorithm.set_state({"oprl": state})
        np.testing.assert_equal(algorithm.get_state()["oprl"], state)
        assert "oprl" not in algorithm.get_state(not_components=["oprl"])


def test_it_is_one_file_that_executes_nothing(saved):
    folder, state = saved
    np.testing.assert_equal(read_state(f"{folder}/oprl/oprl.safetensors"), state)


def test_settings_must_be_the_same(saved):
    folder, _ = saved
    other = with_oprl(small_ppo(steps=128), OPRLConfig(hidden_size=32))
    with (
        built(other) as algorithm,
        pytest.raises(ValueError, match="the state is of a learner with"),
    ):
        algorithm.restore_from_path(folder)
