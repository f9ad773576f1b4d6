"""``oprl-gym`` as its users meet it: what it prints, and its exit status."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

import oprl_gym
from oprl_gym.cli import main
from oprl_gym.cli.evaluate import Evaluate
from oprl_gym.cli.one_line import in_one_line

QUICK = [
    *("--total-timesteps", "1000"),
    *("--learner.gradient-steps", "4", "--learner.min-preferences", "8"),
]
Check = Callable[..., str]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "--algo", "a2c", "--run-dir", str(path), *QUICK]) == 0
    return path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that expects exit status 2 and returns the one line."""

    def check(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith("oprl-gym: ")
        return line

    return check


def snapshot(path: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


# --- help ---------------------------------------------------------------------------


def test_help_names_the_commands() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "oprl_gym", "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0
    assert result.stderr == ""
    for command in ("train", "evaluate", "plot", "inspect", "watch", "play"):
        assert command in result.stdout


def test_help_imports_nothing_heavy() -> None:
    """Torch alone takes longer to import than a user waits for help."""
    code = (
        "import sys; from oprl_gym.cli import main; main(['train', '--help']);"
        "heavy = {'torch', 'stable_baselines3', 'matplotlib', 'pygame', 'PIL'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    for option in (
        "--env-id",
        "--total-timesteps",
        "--no-oprl",
        "--scale",
        "--run-dir",
    ):
        assert option in result.stdout
    assert "--learner.update-interval" in result.stdout
    assert "None" not in result.stdout


def test_no_arguments_give_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "evaluate" in capsys.readouterr().out


# --- train --------------------------------------------------------------------------


def test_train_through_a_real_process_is_quiet(tmp_path: Path) -> None:
    """Nothing but the result: no progress bar in a log file."""
    short = ["--env-kwargs", "max_episode_steps", "12"]  # a hundred are evaluated
    result = subprocess.run(
        [sys.executable, "-m", "oprl_gym", "train", "--run-dir", "run", *QUICK, *short],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith("OPRLMaze-v0, PPO + OPRL, seed 0: 1,024 steps in ")
    assert [line.split()[0] for line in lines[1:]] == [
        "training",
        "evaluation",
        "results",
    ]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["eval_episodes"] == Evaluate("run").episodes == 100


@pytest.mark.usefixtures("undrawn")
def test_a_terminal_gets_a_progress_bar(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["train", "--run-dir", str(tmp_path / "run"), *QUICK]) == 0
    said = capsys.readouterr().err
    bar = [part for part in said.split("\r") if "1024/1024" in part][-1]
    assert "success=" in bar
    assert "reward loss=0." in bar
    assert said.index("drawing its figures") < said.index("evaluating the agent")


@pytest.mark.usefixtures("undrawn")
def test_options_reach_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--algo a2c --no-oprl --seed 3 --n-envs 2 --n-steps 10 --gamma 0.9"
    env = "--env-kwargs layout random layout_seed 3 size 5"
    arguments = f"train {options} {env} --run-dir {tmp_path / 'run'}".split()
    assert main([*arguments, "--total-timesteps", "95"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    chosen = {k: config[k] for k in ("algo", "oprl", "seed", "n_envs", "n_steps")}
    assert chosen == {
        "algo": "a2c",
        "oprl": False,
        "seed": 3,
        "n_envs": 2,
        "n_steps": 10,
    }
    assert config["gamma"] == 0.9
    assert config["env_kwargs"] == {"layout": "random", "layout_seed": 3, "size": 5}
    assert ": 100 steps in" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_settings_of_the_method_reach_the_run(tmp_path: Path) -> None:
    options = (
        "--mode potential --env-reward-weight 0.5 --scale 0.2 --learning-rate 1e-3 "
        "--batch-size 16 --ent-coef 0.02 --teacher human --max-questions 2 "
        "--queries uniform --segment-length 5 --learner.reward-input obs"
    )
    arguments = ["train", "--run-dir", str(tmp_path / "run"), *options.split(), *QUICK]
    assert main([*arguments, "--n-steps", "16"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    given = {
        "mode": "potential",
        "env_reward_weight": 0.5,
        "scale": 0.2,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "ent_coef": 0.02,
    }
    assert {name: config[name] for name in given} == given
    teaching = config["teaching"]
    assert (teaching["queries"], teaching["segment_length"]) == ("uniform", 5)
    assert config["learner"]["reward_input"] == "obs"


@pytest.mark.usefixtures("undrawn")
def test_a_run_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/test_progress.py looks at what is sent."""
    begun = []

    def init(**options: Any) -> Mock:
        begun.append(options["name"])
        return Mock()

    monkeypatch.setitem(sys.modules, "wandb", Mock(init=init, __spec__=Mock()))
    path = tmp_path / "run"
    assert main(["train", "--run-dir", str(path), "--track", "wandb", *QUICK]) == 0
    assert len(begun) == 1
    assert begun[0].startswith("run-")


@pytest.mark.usefixtures("undrawn")
def test_cartpole_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--env-id", "CartPole-v1", "--run-dir", str(tmp_path / "run")]
    assert main([*arguments, "--n-steps", "32", "--total-timesteps", "256"]) == 0
    assert "CartPole-v1, PPO + OPRL" in capsys.readouterr().out


def test_an_env_that_cannot_be_drawn_is_said_to_have_no_gif(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oprl_gym.envs import OPRLMazeEnv

    monkeypatch.setitem(OPRLMazeEnv.metadata, "render_modes", ["ansi"])
    path = tmp_path / "run"
    quick = ["--total-timesteps", "40", "--algo", "a2c", "--no-oprl"]
    assert main(["train", "--run-dir", str(path), *quick]) == 0
    assert "no rollout.gif" in capsys.readouterr().out
    assert not (path / "rollout.gif").exists()
    assert (path / "figures" / "reward_map.png").is_file()


# --- what cannot be done ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--env-id", "Nowhere-v0"], "Nowhere"),
        (["train", "--env-id", "OPRLMaze-v9"], "v9"),
        (["train", "--algo", "dnq"], "invalid choice 'dnq'"),
        (["train", "--n-envs", "0"], "n_envs must be an integer >= 1, got 0"),
        (["train", "--n-envs", "many"], "many"),
        (["train", "--learner.batch-size", "0"], "OPRLConfig.batch_size must be"),
        (["train", "--colour", "red"], "--colour"),
        (["train", "--env-kwargs", "size", "nan"], "a finite number or text, got nan"),
        (["evaluate", "x" * 300], "File name too long"),
        (["evaluate", "nowhere", "--episodes", "9" * 30], "is at most 1,000,000"),
        (["train", "--resume", "x" * 300], "File name too long"),
        (["train", "--env-kwargs", "layout", "Nowhere"], "layout='Nowhere'"),
        (["train", "--env-id", "Blackjack-v1"], "cannot train ppo here"),
        (["train", "--no-oprl", "--device", "gpu"], "device 'gpu' cannot be used"),
        (["trian"], "there is no command trian; did you mean train?"),
        (["train", "--track", "trackio"], "pip install 'oprl-gym[trackio]'"),
        (["evaluate"], "DIR"),
        (["evaluate", "nowhere"], "there is no run folder nowhere"),
        (["evaluate", "nowhere", "--episodes", "0"], "--episodes 0 is too few"),
        (["plot"], "give one or more folders"),
        (["plot", "nowhere"], "there is no run folder nowhere"),
        (["watch", "nowhere"], "there is no run folder nowhere"),
        (["play", "--env-id", "Nowhere-v0"], "Nowhere"),
        (["play", "--layout", "Nowhere"], "layout='Nowhere'"),
        (["play", "--env-id", "CartPole-v1"], "no keys are known for CartPole-v1"),
    ],
)
def test_one_line_and_status_2(
    arguments: list[str],
    words: str,
    refused: Check,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(*arguments)
    assert not list(tmp_path.iterdir())  # nothing was begun


@pytest.mark.parametrize("option", ["--export-to", "--import-from"])
def test_a_file_without_a_name_is_no_reason_to_show_the_page(
    option: str, run_dir: Path, refused: Check
) -> None:
    """As of a shell's variable that is not set."""
    assert ".jsonl" in refused("label", run_dir, option, "")


@pytest.mark.parametrize("pairs", ["0", "-5", "9" * 400])
def test_no_pairs_and_too_many(pairs: str, run_dir: Path, refused: Check) -> None:
    assert "--pairs is from 1 to 100,000" in refused("label", run_dir, "--pairs", pairs)


def test_a_figure_in_the_place_of_a_folder(run_dir: Path, refused: Check) -> None:
    for out in (".", "/", run_dir):
        assert "is a folder; name a file" in refused("plot", run_dir, "--out", out)


def test_a_name_that_is_no_text_is_printed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux allows any bytes as a file's name."""
    with (tmp_path / "out").open("w", encoding="ascii") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["--version"]) == 0
        print("runs/\udcff/ü")
    assert (tmp_path / "out").read_text().endswith("runs/\\udcff/\\xfc\n")


def test_the_status_of_a_real_process(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "oprl_gym", "evaluate", "nowhere"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 2
    assert result.stderr == "oprl-gym: there is no run folder nowhere\n"


def test_an_existing_run_is_not_touched(run_dir: Path, refused: Check) -> None:
    before = snapshot(run_dir)
    assert "--overwrite" in refused("train", "--run-dir", run_dir, *QUICK)
    line = refused("train", "--run-dir", run_dir, "--overwrite", "--env-id", "No-v0")
    assert "No" in line
    assert snapshot(run_dir) == before


def test_a_folder_of_something_else_is_not_touched(
    tmp_path: Path, refused: Check
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    line = refused("train", "--run-dir", tmp_path, "--overwrite", *QUICK)
    assert "no run folder" in line
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("command", ["evaluate", "plot", "watch"])
def test_a_half_written_run(command: str, tmp_path: Path, refused: Check) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "half-written" in refused(command, tmp_path)


def test_a_config_with_an_unknown_key(tmp_path: Path, refused: Check) -> None:
    (tmp_path / "config.json").write_text('{"algorithm": "ppo"}')
    (tmp_path / "summary.json").write_text("{}")
    assert "unknown key algorithm" in refused("evaluate", tmp_path)


@pytest.mark.usefixtures("undrawn")
def test_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oprl_gym.training import run as training

    def stop(_: training.ProgressBar) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(training.ProgressBar, "_on_step", stop)
    assert main(["train", "--run-dir", str(tmp_path / "run"), *QUICK]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("oprl-gym: interrupted after 8 steps; the policy")


WRONG = {
    "trian": "there is no command trian; did you mean train?",
    "fly": "there is no command fly; there are train, evaluate, plot",
    "train --algo dnq": "invalid choice 'dnq' for argument '--algo'. Expected one of",
    "train --envid x": "Unrecognized options: --envid, x; did you mean --env-id?",
    "train --n-envs many": "Error parsing --n-envs: invalid literal for int()",
    "train --n-envs": "Missing value for argument '--n-envs'.",
    "train --n-envs 0": "n_envs must be an integer >= 1, got 0",
    "train --env-kwargs layout": "Error parsing --env-kwargs: Failed to parse",
    "evaluate": "Missing from oprl-gym evaluate: DIR The run folder. (required)",
    "evaluate nowhere": "there is no run folder nowhere",
    "inspect nowhere": "there is no run folder nowhere",
    "label nowhere": "there is no run folder nowhere",
    "watch nowhere --gif x.mp4": "there is no run folder nowhere",
    "sweep nowhere.yaml": "nowhere.yaml: cannot be read: No such file or directory",
    "compare --env-id Nowhere-v0": "cannot make Nowhere-v0: Environment `Nowhere`",
    "train --env-id MiniGrid-DoorKey-6x6-v0": "cannot make MiniGrid-DoorKey-6x6-v0",
    "train --env-id nofile:Late-v0": "cannot make nofile:Late-v0: No module named",
    "train --env-wrapper Nowhere": "env_wrapper must be such as minigrid.wrappers:",
    "train --algo dqn --n-steps 5": "n_steps=5 has no effect on dqn; leave it out",
    "train --track mlflow": "invalid choice 'mlflow' for argument '--track'.",
}
ALL_OF_THEM = """
import sys
from oprl_gym.cli import main
for line in sys.argv[1:]:
    assert main(line.split()) == 2
"""


def test_each_kind_of_error_is_one_plain_line_in_a_colour_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ALL_OF_THEM, *WRONG],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        said = _all_of(ours)
    assert process.returncode == 0, said
    lines = said.splitlines()
    assert len(lines) == len(WRONG), said
    for line, words in zip(lines, WRONG.values(), strict=True):
        assert line.startswith(f"oprl-gym: {words}")
        assert not set(line) & set("\x1b?╭│─") - set("?" if "?" in words else "")


def _all_of(terminal: int) -> str:
    """Return what is written to a terminal until its other end is closed."""
    said = b""
    with contextlib.suppress(OSError):
        while block := os.read(terminal, 4096):
            said += block
    os.close(terminal)
    return said.decode()


def test_a_box_becomes_a_sentence() -> None:
    box = (
        "╭─ Invalid ─────────╮\n│ invalid choice    │\n│ 'x'.              │\n"
        "│ ───────────────── │\n│ For full helptext │\n╰───────────────────╯\n"
    )
    assert in_one_line(box) == "invalid choice 'x'."
    plain = "Invalid\n-------\n invalid choice\n 'x'.\n ------\n For full helptext\n"
    assert in_one_line(plain) == "invalid choice 'x'."
    assert in_one_line("") == "these options cannot be read"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"oprl-gym {oprl_gym.__version__}\n"


# --- evaluate, plot, watch, play ----------------------------------------------------


def test_evaluate_reproduces_the_summary(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = json.loads((run_dir / "summary.json").read_text())
    episodes = ["--episodes", str(summary["eval_episodes"])]
    assert main(["evaluate", str(run_dir), "--json", *episodes]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results == {name: summary[name] for name in results}
    assert set(results) >= {"final_success_rate", "sampled_success_rate"}
    assert main(["evaluate", str(run_dir), "--episodes", "3"]) == 0
    assert "OPRLMaze-v0, 3 episodes" in capsys.readouterr().out


def test_plot_redraws_a_run(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [run_dir / "figures" / n for n in ("learning.png", "reward_map.png")]
    before = [picture.read_bytes() for picture in pictures]
    for picture in pictures:
        picture.unlink()
    (run_dir / "figures").rmdir()  # git, for one, keeps no empty folder
    assert main(["plot", str(run_dir)]) == 0
    for picture, old in zip(pictures, before, strict=True):
        with Image.open(picture) as new:
            assert new.size[0] >= 700
        assert picture.read_bytes() == old


def test_plot_compares_runs(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["plot", str(run_dir), str(run_dir), "--out", str(out)]) == 0
    with Image.open(out) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    indigo = np.abs(pixels.astype(int) - [79, 70, 229]).sum(axis=1) < 10
    assert indigo.sum() > 100  # the curve, of a short run


def test_a_comparison_that_cannot_be_written(
    run_dir: Path, tmp_path: Path, refused: Check
) -> None:
    out = tmp_path / "nowhere" / "out.png"
    assert "cannot be written" in refused("plot", run_dir, run_dir, "--out", out)


def test_watch_writes_a_gif(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gif"
    assert main(["watch", str(run_dir), "--gif", str(out)]) == 0
    assert out.read_bytes() == (run_dir / "rollout.gif").read_bytes()


def test_watch_writes_a_video(run_dir: Path, tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "out.mp4"
    assert main(["watch", str(run_dir), "--mp4", str(out)]) == 0
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(out))
    with Image.open(run_dir / "rollout.gif") as gif:
        assert frames >= gif.n_frames


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--gif", "x.mp4", "--gif x.mp4: the name has to end in .gif"),
        ("--mp4", "x.gif", "--mp4 x.gif: the name has to end in .mp4"),
        ("--gif", "nowhere/x.gif", "there is no folder nowhere"),
    ],
)
def test_where_an_animation_goes_is_checked_first(
    option: str,
    name: str,
    words: str,
    run_dir: Path,
    refused: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oprl_gym.cli.watch._frames", lambda _: pytest.fail("played"))
    assert words in refused("watch", run_dir, option, name)


def test_watch_shows_the_episode_in_a_window(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oprl_gym.cli import watch
    from oprl_gym.envs.window import Window

    frames = []
    monkeypatch.setattr(watch, "LAST_LOOK_S", 0.0)
    monkeypatch.setattr(Window, "show", lambda self, frame, fps: frames.append(frame))
    assert main(["watch", str(run_dir)]) == 0
    steps = int(capsys.readouterr().out.split()[0])
    assert len(frames) == steps + 1
    first = frames[0].astype(int)
    # The cells are coloured by the learned reward: without it they are not.
    monkeypatch.setattr(
        "oprl_gym.figures.of_runs.show_reward", lambda env, reward: None
    )
    frames.clear()
    assert main(["watch", str(run_dir)]) == 0
    coloured = np.abs(first - frames[0]).max(axis=2)
    assert np.mean(coloured > 0) > 0.2
    assert coloured.max() > 10


def test_watch_without_a_window(run_dir: Path, refused: Check) -> None:
    from oprl_gym.envs import OPRLMazeEnv

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPRLMazeEnv.metadata, "render_modes", ["rgb_array"])
        assert "has no window; try --gif" in refused("watch", run_dir)


def test_an_invisible_screen_is_none(
    refused: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SDL falls back on; keys would be waited for for ever."""
    import pygame

    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    assert "there is no screen" in refused("play")


def test_no_screen_is_one_line(refused: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    import pygame

    def fail(*_: object, **__: object) -> None:
        raise pygame.error("No available video device")

    monkeypatch.setattr(pygame.display, "set_mode", fail)
    assert "no window can be opened here" in refused("play")


def test_play_with_the_arrow_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pygame

    def press(key: int) -> list:
        events = [(pygame.KEYDOWN, key), (pygame.KEYUP, key)]
        return [[pygame.event.Event(kind, key=key)] for kind, key in events]

    # To the goal of a maze without walls, one cell each way, and out.
    script = [*press(pygame.K_RIGHT), *press(pygame.K_DOWN)]
    script.append([pygame.event.Event(pygame.QUIT)])
    monkeypatch.setattr(pygame.event, "get", lambda *_: script.pop(0))
    assert main(["play", "--env-kwargs", "size", "2"]) == 0
    assert capsys.readouterr().out == "2 steps, return 10\n"
