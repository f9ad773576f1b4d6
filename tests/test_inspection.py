"""`oprl-gym inspect`: is the learned reward right?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from oprl_gym.cli import main
from oprl_gym.config import OPRLConfig
from oprl_gym.envs import OPRLMazeEnv, make_layout
from oprl_gym.figures.inspection import plot_inspection, plot_three_episodes
from oprl_gym.rewards import ProcessReward, ProcessRewardModel
from oprl_gym.rewards.encoding import StepEncoder
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.evaluation import play
from oprl_gym.runs.findings import findings
from oprl_gym.runs.folder import POLICY, RunFolder
from oprl_gym.runs.inspection import Inspection, PlayedEpisode, played_episodes
from oprl_gym.runs.ranks import rank_correlation
from oprl_gym.runs.teaching_config import TeachingConfig
from oprl_gym.training.run import _Run, train

TINY = TrainConfig(
    algo="a2c",
    total_timesteps=800,
    n_envs=4,
    env_kwargs={"size": 3, "max_episode_steps": 10},
    learner=OPRLConfig(gradient_steps=2, min_preferences=4),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run in a maze, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oprl_gym.training.run.draw_run", lambda _: None)
        return train(TINY, tmp_path_factory.mktemp("finished") / "run").path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(finished, tmp_path / "run")))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def check(folder: RunFolder) -> str:
        capsys.readouterr()
        assert main(["inspect", str(folder.path)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        return line

    return check


# --- what is said -------------------------------------------------------------------


def episode(env_return: float, learned: float, steps: int = 4) -> PlayedEpisode:
    env_rewards, scores = np.zeros(steps), np.full(steps, learned / steps)
    env_rewards[-1] = env_return
    return PlayedEpisode(env_rewards, scores, 0.5, (), ())


RIGHT = Inspection(
    config=TrainConfig(),
    answers=500,
    accuracy=(np.arange(1.0, 11.0), np.full(10, 0.9)),
    training=(np.arange(200), np.arange(200.0), np.arange(200.0)),
    fitted=True,
    reach=1.0,
    played=[episode(10.0 * number, number) for number in (0, 1, 2)],
)
OPPOSITE = [episode(10.0 * number, -number) for number in (0, 1, 2)]
PEOPLE = TrainConfig(teaching=TeachingConfig(teacher="human"))


def accuracy(*values: float) -> dict[str, Any]:
    return {"accuracy": (np.arange(1.0, len(values) + 1), np.array(values))}


@pytest.mark.parametrize(
    ("change", "name", "verdict", "words"),
    [
        ({}, "accuracy", "right", "90% of the latest new answers foretold"),
        (accuracy(*[0.5] * 9), "accuracy", "wrong", "observations do not show"),
        (accuracy(0.6, 0.65), "accuracy", "unclear", "train longer"),
        (accuracy(0.9, *[0.5] * 9), "accuracy", "unclear", "foretold more before"),
        (accuracy(), "accuracy", "unclear", "from the start"),
        (
            {"config": PEOPLE, **accuracy(*[0.5] * 9)},
            "accuracy",
            "wrong",
            "give more, about longer clips",
        ),
        ({}, "returns", "right", "rank correlation 1.00"),
        ({"played": OPPOSITE}, "returns", "wrong", "rank correlation -1.00"),
        ({"played": OPPOSITE}, "returns", "wrong", "--learner.return-worth"),
        (
            {"played": OPPOSITE, "config": PEOPLE},
            "returns",
            "unclear",
            "people need not want",
        ),
        (
            {
                "played": OPPOSITE,
                "training": (np.arange(200), np.ones(200), np.ones(200)),
            },
            "returns",
            "spent",
            "all paid alike",
        ),
        (
            {"played": [episode(0.0, number) for number in range(3)]},
            "returns",
            "unclear",
            "until one is paid more",
        ),
        (
            {"played": [episode(number, 1.0) for number in range(3)]},
            "returns",
            "unclear",
            "every episode scores the same",
        ),
        ({}, "steps", "right", "0% of the steps are at an end"),
        ({"reach": 0.5}, "steps", "wrong", "saturated"),
        ({"reach": 1e3}, "steps", "unclear", "flat"),
        (
            {"fitted": False, "answers": 3, "played": []},
            "fit",
            "wrong",
            "never fitted: there are 3 answers, and it waits for 32",
        ),
        (
            {"fitted": False, "played": [], "config": PEOPLE},
            "fit",
            "wrong",
            "oprl-gym label DIR",
        ),
    ],
)
def test_what_is_said_and_what_to_do(
    change: dict[str, Any], name: str, verdict: str, words: str
) -> None:
    found = {one.name: one for one in findings(replace(RIGHT, **change))}
    assert found[name].verdict == verdict
    assert words in f"{found[name].says}. {found[name].remedy}"


def test_rank_correlations_by_hand() -> None:
    some = rank_correlation(np.array([1.0, 2, 3]), np.array([1.0, 9, 5]))
    assert some == pytest.approx(0.5)
    ties = rank_correlation(np.array([1.0, 1, 2]), np.array([1.0, 2, 3]))
    assert ties == pytest.approx(0.75**0.5)  # ranks 1.5, 1.5, 3 and 1, 2, 3
    assert rank_correlation(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) is None
    assert rank_correlation(np.array([1.0]), np.array([1.0])) is None


def test_equal_returns_are_ordered_by_the_learned_ones() -> None:
    played = [episode(0, 5), episode(10, 1), episode(0, -5), episode(10, 3)]
    three = replace(RIGHT, played=played).best_middling_worst()
    assert [one.learned_return for one in three] == [3, 1, -5]


# --- what is played -----------------------------------------------------------------


class Still:
    """A policy that takes the first action that there is."""

    def __init__(self, space: gym.Space[Any]) -> None:
        self.action = np.zeros_like(space.sample())

    def predict(self, observation: Any, **_: Any) -> Any:
        return self.action, None


class Mixed(gym.Env[Any, Any]):
    """A picture and two numbers, in a Dict; ends after three steps."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012
    observation_space = gym.spaces.Dict(
        {
            "picture": gym.spaces.Box(0, 255, (36, 36, 3), np.uint8),
            "numbers": gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
        }
    )
    action_space = gym.spaces.MultiDiscrete([2, 3])

    def reset(self, **words: Any) -> Any:
        super().reset(seed=words.get("seed"))
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps == 3, False, {}


class Picture(gym.ObservationWrapper[Any, Any, Any]):
    """The picture of :class:`Mixed` alone."""

    observation_space = Mixed.observation_space["picture"]

    def observation(self, observation: Any) -> Any:
        return observation["picture"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.make("OPRLMaze-v0", render_mode="rgb_array"),
        lambda: gym.make("CartPole-v1"),
        lambda: gym.make("Pendulum-v1", max_episode_steps=5),
        Mixed,
        lambda: Picture(Mixed()),
    ],
    ids=["maze", "CartPole", "continuous", "dict", "picture"],
)
def test_any_env_is_played_from_the_agent_to_chance(
    make: Callable[[], gym.Env[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oprl_gym.runs.inspection.EPISODES", 3)
    env = make()
    encoder = StepEncoder(env.observation_space, env.action_space, "next_obs", True)
    model = ProcessRewardModel(encoder.input_dim, 8, image=encoder.image)
    reward = ProcessReward(encoder, model)
    reward.fitted = True
    played = list(played_episodes(Still(env.action_space), reward, env, 0))
    again = list(played_episodes(Still(env.action_space), reward, env, 0))
    assert [one.luck for one in played] == pytest.approx([0, 0.618, 0.236], abs=1e-3)
    for one, other in zip(played, again, strict=True):
        assert len(one.scores) == len(one.env_rewards) >= 1
        assert np.isfinite(one.scores).all()
        assert len(one.scores) == len(other.scores)
    inspection = replace(RIGHT, played=played)
    findings(inspection)
    plot_inspection(inspection)
    figure = plot_three_episodes(inspection)
    assert len(figure.axes) == (9 if played[0].frames else 6)


def test_long_episodes_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oprl_gym.runs.inspection.MOST_STEPS", 10)
    env = OPRLMazeEnv(layout="S..G", max_episode_steps=10)
    encoder = StepEncoder(env.observation_space, env.action_space, "next_obs", True)
    reward = ProcessReward(encoder, ProcessRewardModel(encoder.input_dim, 8))
    assert len(list(played_episodes(Still(env.action_space), reward, env, 0))) == 8


def test_pictures_of_a_long_episode_are_few_evenly_spread_and_have_its_end() -> None:
    env = OPRLMazeEnv(
        layout="S..G\n####", max_episode_steps=59, render_mode="rgb_array"
    )
    rollout = play(env, lambda _: 3, most_frames=6)
    assert rollout.frame_steps == [0, 8, 16, 24, 32, 40, 48, 56, 59]
    assert len(rollout.frames) == 9


# --- the command --------------------------------------------------------------------


def test_inspect_says_draws_and_writes(
    run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oprl_gym.runs.inspection.EPISODES", 6)
    run.file("summary.json").unlink()  # broken off by Ctrl-C
    assert main(["inspect", str(run.path)]) == 0
    captured = capsys.readouterr()
    names = [line.split()[0] for line in captured.out.splitlines() if line[0] != " "]
    assert names == ["accuracy", "returns", "steps", "figures"]
    assert captured.err == ""
    assert all(len(line) <= 88 for line in captured.out.splitlines()[:-1])
    for name in ("inspect.png", "inspect-episodes.png"):
        with Image.open(run.figures / name) as picture:
            assert picture.size[0] >= 900
    numbers = json.loads((run.figures / "inspect.json").read_text())
    assert numbers["env_id"] == "OPRLMaze-v0"
    assert len(numbers["played"]) == numbers["findings"]["returns"]["episodes"] == 6
    monkeypatch.setattr("oprl_gym.figures.inspection.save_figure", lambda *_: None)
    assert main(["inspect", str(run.path)]) == 0
    assert json.loads((run.figures / "inspect.json").read_text()) == numbers


@pytest.mark.usefixtures("undrawn")
def test_there_is_nothing_to_inspect_without_a_learned_reward(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    plain = train(replace(TINY, oprl=False, total_timesteps=20), tmp_path / "plain")
    assert "trained with --no-oprl" in refused(plain)


@pytest.mark.usefixtures("undrawn")
def test_a_reward_that_was_never_fitted_is_said_and_not_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = train(replace(TINY, total_timesteps=20), tmp_path / "short")
    capsys.readouterr()
    assert main(["inspect", str(short.path)]) == 0
    assert "never fitted: there are 0 answers" in capsys.readouterr().out
    assert [path.name for path in short.figures.iterdir()] == ["inspect.json"]


def test_a_run_that_was_killed_is_to_be_resumed_first(
    run: RunFolder, refused: Callable[..., str]
) -> None:
    run.file(POLICY).unlink()
    assert "oprl-gym train --resume" in refused(run)


@pytest.mark.parametrize("value", ["nan", "inf", "-1e300"])
def test_numbers_that_are_none_are_passed_over(
    value: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oprl_gym.runs.inspection.EPISODES", 2)
    monkeypatch.setattr("oprl_gym.figures.inspection.save_figure", lambda *_: None)
    columns = "time/total_timesteps,oprl/accuracy,oprl/preferences"
    run.file("progress.csv").write_text(f"{columns}\n8,{value},{value}\n")
    assert main(["inspect", str(run.path)]) == 0


# --- maps of a maze's reward, while it is learned -----------------------------------


@pytest.mark.usefixtures("undrawn")
def test_looking_at_the_reward_changes_nothing_that_is_learned(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Run, "_watch_reward", lambda self, oprl: None)
    blind = train(TINY, tmp_path / "blind")
    for name in (POLICY, "reward_model.safetensors", "episodes.csv"):
        assert blind.file(name).read_bytes() == (finished / name).read_bytes()
    assert not blind.file("reward_maps.safetensors").exists()


def test_looks_are_thinned_out_and_go_on_from_a_checkpoint() -> None:
    from oprl_gym.training.reward_maps import MOST, RewardMapRecorder

    class Untrained:
        learner = None

    layout = make_layout("S.\n.G")
    recorder = RewardMapRecorder(layout, Untrained(), every=10)  # type: ignore[arg-type]
    for number in range(1, 3 * MOST):
        recorder.add(10 * number, np.full((2, 2), float(number)))
    maps = recorder.maps()
    assert MOST / 2 <= len(maps.env_steps) <= MOST
    assert (maps.rewards[:, 0, 0] * 10 == maps.env_steps).all()
    assert len(set(np.diff(maps.env_steps))) == 1  # evenly spread
    other = RewardMapRecorder(layout, Untrained(), every=10)  # type: ignore[arg-type]
    other.load_state(recorder.state())
    np.testing.assert_equal(other.state(), recorder.state())
    elsewhere = RewardMapRecorder(make_layout(), Untrained(), 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="of another maze"):
        elsewhere.load_state(recorder.state())
