"""What an env does that nothing can be learned from, as `oprl-gym train` says it."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from oprl_gym.cli import main
from oprl_gym.runs.episode_log import Episode, EpisodeLog
from oprl_gym.training.env_watch import AnswerWatch
from oprl_gym.training.summary import tell_of_long_evaluation

NAME = "Odd-v0"


class Odd(gym.Wrapper[Any, Any, Any, Any]):
    """A maze of which a part of the 20th step, or of the first reset, is replaced."""

    def __init__(self, env: gym.Env[Any, Any], part: int | None, value: float) -> None:
        super().__init__(env)
        self.part, self.value, self.steps = part, value, 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        first, info = self.env.reset(seed=seed, options=options)
        return (self._spoilt(first) if self.part is None else first), info

    def step(self, action: Any) -> Any:
        self.steps += 1
        result = list(self.env.step(action))
        if self.steps == 20 and self.part is not None:
            result[self.part] = self._spoilt(result[self.part])
            result[3] = True  # which asks for the terminal observation, too
        return tuple(result)

    def _spoilt(self, kept: Any) -> Any:
        return (
            float(self.value) if np.isscalar(kept) else np.full_like(kept, self.value)
        )


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("oprl", [["--no-oprl"], []], ids=["plain", "oprl"])
@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        (1, 1e308, "env 0 gave the reward inf"),
        (1, 1e30, "more than the 1e+18 that agents"),
        (1, np.nan, "env 0 gave the reward nan"),
        (1, -np.inf, "env 0 gave the reward -inf"),
        (0, np.nan, "env 0 gave a NaN or infinite observation"),
        (None, np.inf, "env 0 gave a NaN or infinite observation"),
    ],
)
def test_numbers_that_are_none_end_a_run_in_one_line(
    tmp_path, capsys, oprl, part, value, words
):
    def make(**kwargs: Any) -> gym.Env[Any, Any]:
        return Odd(gym.make("OPRLMaze-v0", **kwargs), part, value)

    gym.register(NAME, make, disable_env_checker=True)
    words_of = ["train", "--env-id", NAME, "--algo", "a2c", "--n-envs", "1", *oprl]
    try:
        status = main([*words_of, "--run-dir", str(tmp_path / "run")])
    finally:
        gym.envs.registration.registry.pop(NAME)
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert "EnvError" in line
    assert words in line
    assert "training failed after" in line
    assert "oprl-gym train --resume" in line


def test_an_env_that_does_not_answer_is_named_once(capsys):
    watch = AnswerWatch("Slow-v0", patience=0.02)
    watch.start()
    until = time.monotonic() + 30
    printed = ""
    while not printed and time.monotonic() < until:
        time.sleep(0.01)
        printed = capsys.readouterr().err
    time.sleep(0.1)
    watch.close()
    assert "Slow-v0 has not answered for 0.02 s" in printed
    assert not capsys.readouterr().err


def test_an_env_that_nothing_is_asked_of_is_not_waited_for(capsys):
    watch = AnswerWatch("Slow-v0", patience=0.05)
    watch.start()
    watch.on_rollout_end()  # the agent learns now
    time.sleep(0.2)
    watch.close()
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("lengths", "steps", "words"),
    [
        ([100_000], 200_000, "200 episodes: about 20,000,000 steps"),
        ([], 200_000, "none has ended in 200,000 steps of training; give the env a"),
        ([500], 50_000, ""),
        ([], 100, ""),
    ],
)
def test_a_long_evaluation_is_told_of(capsys, lengths, steps, words):
    log = EpisodeLog.of([Episode(1, 0.0, length, None) for length in lengths])
    tell_of_long_evaluation(log, steps)
    printed = capsys.readouterr().err
    assert (words in printed) if words else not printed
