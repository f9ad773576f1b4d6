"""Files that are well-formed and wrong: one line says so, or they do no harm.

Of any number of mutations the first hundred or so are run each time, the others by
``make test-long``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.logger import configure
from support.fakes import QUICK
from support.mutations import mutated

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.cli import main
from oprl_gym.files.sealed import read_sealed, write_sealed
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.rewards import ProcessReward, load_process_reward, save_process_reward
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.rewards.process_reward import new_model
from oprl_gym.rewards.weights_file import FORMAT
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.wrappers import EpisodeTape, ProcessRewardWrapper

LINE = spaces.Box(-1, 1, (3,), dtype=np.float32)
ACTIONS = spaces.Discrete(2)
LONGEST = 1_000
"""Letters of a message; that of an unknown setting names all that are known."""


def times(few: int, many: int) -> pytest.MarkDecorator:
    cases = [(few, 0), pytest.param(many, 1, marks=pytest.mark.long)]
    return pytest.mark.parametrize(("count", "seed"), cases)


def complaint(kind: type[Exception], call: Callable[[], Any]) -> str | None:
    """Return the one line by which a call refuses what it was given, if it does."""
    try:
        call()
    except kind as error:
        said = str(error)
    else:
        return None
    assert said
    assert "\n" not in said
    assert len(said) < LONGEST
    return said


def agent() -> PPO:
    env = ProcessRewardWrapper(EpisodeTape(gym.make("OPRLMaze-v0")))
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=64,
        n_epochs=1,
        policy_kwargs={"net_arch": [8]},
        seed=1,
        device="cpu",
    )
    model.set_logger(configure(None, []))
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run"
    agent().learn(384, callback=OPRLCallback(QUICK, save_path=path))
    return path


@pytest.mark.filterwarnings("ignore:the episodes that were going on lead elsewhere")
@times(15, 300)
def test_a_wrong_checkpoint_is_refused_or_can_be_learned_on_from(
    count, seed, checkpoint, tmp_path
):
    state, rng, outcomes = read_state(checkpoint), random.Random(seed), Counter()
    path = tmp_path / "wrong"
    model, callback = agent(), OPRLCallback(QUICK, save_path=path)
    for _ in range(count):
        wrong, words = mutated(state, rng)
        write_state(path, wrong)
        said = complaint(ValueError, lambda: callback.resume(model))  # noqa: B023
        if said:
            assert "wrong is no" in said, words
            outcomes["refused"] += 1
            continue
        outcomes["taken"] += 1
        try:
            model.learn(128, callback=callback, reset_num_timesteps=False)
        except Exception as error:
            pytest.fail(f"{words}: {error!r}")
        model, callback = agent(), OPRLCallback(QUICK, save_path=path)
    print(dict(outcomes))  # for docs/reliability.md
    assert outcomes["refused"] > count // 2
    assert outcomes["taken"] >= 1


@times(100, 2_000)
def test_a_wrong_config_is_named_in_one_line(count, seed, tmp_path):
    folder = RunFolder.create(tmp_path / "run", TrainConfig(env_kwargs={"size": 3}))
    values = json.loads(folder.file("config.json").read_text())
    rng, outcomes = random.Random(seed), Counter()
    for _ in range(count):
        wrong, _ = mutated(values, rng)
        folder.file("config.json").write_text(json.dumps(wrong))
        said = complaint(RunError, lambda: folder.config().resolved())
        outcomes["refused" if said else "taken"] += 1
    print(dict(outcomes))  # for docs/reliability.md
    assert outcomes["refused"] > count // 2
    assert outcomes["taken"] >= 1


@times(150, 2_000)
def test_a_wrong_header_of_a_reward_model_is_named_in_one_line(count, seed, tmp_path):
    path = tmp_path / "reward"
    encoder = StepEncoder(LINE, ACTIONS, "next_obs", True)
    reward = ProcessReward(encoder, new_model(encoder, 8, 2))
    reward.fitted = True
    save_process_reward(path, reward)
    header, weights = read_sealed(path, FORMAT)
    rng, outcomes = random.Random(seed), Counter()
    seen = np.zeros((1, 3), dtype=np.float32), np.ones(1, dtype=np.bool_)
    for _ in range(count):
        wrong, _ = mutated({"header": header, "weights": weights}, rng)
        arrays = wrong.get("weights")
        if not _writable(arrays) or not isinstance(wrong.get("header"), dict):
            continue
        write_sealed(path, FORMAT, wrong["header"], arrays)
        said = complaint(
            ValueError, lambda: load_process_reward(path, LINE, ACTIONS).score(*seen)
        )
        outcomes["refused" if said else "taken"] += 1
    print(dict(outcomes))  # for docs/reliability.md
    assert outcomes["refused"] > count // 3
    assert outcomes["taken"] >= 1


def _writable(arrays: object) -> bool:
    return isinstance(arrays, dict) and all(
        isinstance(one, np.ndarray) for one in arrays.values()
    )


def test_json_nested_beyond_measure_is_one_line(tmp_path, capsys):
    folder = RunFolder.create(tmp_path / "run", TrainConfig())
    folder.file("config.json").write_text("[" * 100_000 + "]" * 100_000)
    assert main(["train", "--resume", str(folder.path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "config.json cannot be read" in line


def test_moments_of_other_weights_never_reach_the_optimiser(checkpoint, tmp_path):
    """Torch's fused step takes them for as many as the weights, and writes on."""
    state = read_state(checkpoint)
    moments = state["parts"]["oprl"]["learner"]["optimizer"]["state"][0]
    moments["exp_avg"] = moments["exp_avg"][:1]
    write_state(tmp_path / "wrong", state)
    with pytest.raises(ValueError, match="was fitting weights of shape"):
        OPRLCallback(QUICK, save_path=tmp_path / "wrong").resume(agent())
