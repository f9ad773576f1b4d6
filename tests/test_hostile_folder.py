"""A run folder of somebody else's: nothing in it is executed, or written past it."""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO

from oprl_gym.cli import main
from oprl_gym.config import OPRLConfig
from oprl_gym.files.state_file import read_state, write_state
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import make_env, may_name_module
from oprl_gym.runs.folder import CHECKPOINT, POLICY, REWARD_MAPS, RunError, RunFolder
from oprl_gym.runs.policy import load_policy, policy_class, save_policy
from oprl_gym.training import train

TINY = TrainConfig(
    algo="a2c",
    total_timesteps=400,
    n_envs=4,
    env_kwargs={"size": 3, "max_episode_steps": 10},
    learner=OPRLConfig(gradient_steps=2, min_preferences=4),
)
MODULE = """
import os
from pathlib import Path

import gymnasium as gym

Path({trace!r}).touch()
if "Stranger-v0" not in gym.registry:
    gym.register("Stranger-v0", "oprl_gym.envs.maze:OPRLMazeEnv", max_episode_steps=10)
"""
LOOKS = {
    "evaluate": ("evaluate", "RUN", "--episodes", "2"),
    "plot": ("plot", "RUN"),
    "inspect": ("inspect", "RUN"),
    "watch": ("watch", "RUN", "--gif", "OUT.gif"),
    "label": ("label", "RUN", "--pairs", "1"),
}
RESUME = ("train", "--resume", "RUN", "--total-timesteps", "440")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oprl_gym.training.run.draw_run", lambda _: None)
        return train(TINY, tmp_path_factory.mktemp("finished") / "run").path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(finished, tmp_path / "run")))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return the file that a payload makes if it is executed."""
    return tmp_path / "executed"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling ends where the page would be shown, and inspecting is soon done."""
    monkeypatch.setattr("oprl_gym.runs.inspection.EPISODES", 2)
    monkeypatch.setattr("oprl_gym.figures.inspection.save_figure", lambda *_: None)
    monkeypatch.setattr("oprl_gym.labelling.web.serve", lambda *_: None)


@pytest.fixture
def stranger(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Yield the id of an env in a module that leaves a trace when it is imported."""
    (tmp_path / "stranger.py").write_text(MODULE.format(trace=str(trace)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as with `python -m oprl_gym`
    yield "stranger:Stranger-v0"
    sys.modules.pop("stranger", None)
    gym.registry.pop("Stranger-v0", None)


class Payload:
    """Leaves a trace if it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def words(command: tuple[str, ...], run: RunFolder) -> list[str]:
    places = {"RUN": str(run.path), "OUT.gif": str(run.path.parent / "out.gif")}
    return [places.get(word, word) for word in command]


def edit(run: RunFolder, **values: Any) -> None:
    config = json.loads(run.file("config.json").read_text())
    run.file("config.json").write_text(json.dumps({**config, **values}))


# --- pickles ------------------------------------------------------------------------


def poisoned(archive: Path, payload: Payload) -> None:
    """Put a payload into every member of SB3's archive, wherever it is unpickled."""
    with zipfile.ZipFile(archive) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    data = json.loads(members["data"])
    pickled = base64.b64encode(pickle.dumps(payload)).decode()
    data["lr_schedule"] = {":type:": "<class 'function'>", ":serialized:": pickled}
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, content in members.items():
            if name == "data":
                content = json.dumps(data).encode()
            if name.endswith(".pth"):
                file = io.BytesIO()
                torch.save({"weights": payload}, file)
                content = file.getvalue()
            zipped.writestr(name, content)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("command", [*LOOKS.values(), RESUME], ids=[*LOOKS, "resume"])
def test_no_file_of_a_run_folder_is_unpickled(command, run, trace):
    payload = Payload(trace)
    poisoned(run.file("policy.zip"), payload)
    with pytest.raises(Exception):  # noqa: B017, PT011 (SB3 trips over it afterwards)
        A2C.load(run.file("policy.zip"))
    assert trace.exists()  # it does do harm
    trace.unlink()
    assert main(words(command, run)) == 0
    assert not trace.exists()


READ = ("config.json", "summary.json", "episodes.csv", "progress.csv", POLICY)
READ += (CHECKPOINT, "reward_model.safetensors", REWARD_MAPS, "preferences.sqlite")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", READ)
def test_a_pickle_in_the_place_of_a_file_is_not_executed(
    name, run, trace, capsys, monkeypatch
):
    """Also one that torch or NumPy would open."""
    payload = Payload(trace)
    array, tensors = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([payload], dtype=object), allow_pickle=True)
    torch.save(payload, tensors)
    monkeypatch.setattr("oprl_gym.figures.of_runs.save_figure", lambda *_: None)
    for content in (pickle.dumps(payload), array.getvalue(), tensors.getvalue()):
        run.file(name).write_bytes(content)
        for command in (*LOOKS.values(), RESUME):
            capsys.readouterr()
            status = main(words(command, run))
            said = capsys.readouterr().err.splitlines()
            assert (status, len(said)) in ((0, 0), (2, 1)), said
    assert not trace.exists()


# --- the agent ----------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
@pytest.mark.parametrize(
    ("env_id", "env_kwargs"),
    [
        ("OPRLMaze-v0", {"size": 4}),
        ("CartPole-v1", {}),
        ("Pendulum-v1", {}),
        ("Pictures-v0", {}),
        ("Mixed-v0", {}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Box observation space.*")
def test_the_agent_that_is_read_acts_as_the_one_that_was_trained(
    algo, env_id, env_kwargs, tmp_path
):
    gym.register("Pictures-v0", lambda **_: Seen(PICTURE))
    gym.register("Mixed-v0", lambda **_: Seen(gym.spaces.Dict(a=PICTURE, b=NUMBERS)))
    try:
        config = TrainConfig(env_id=env_id, env_kwargs=env_kwargs, algo=algo)
        folder = RunFolder.create(tmp_path / "run", config)
        kind: Any = {"ppo": PPO, "a2c": A2C}[algo]
        env = make_env(config)
        brief: Any = {"n_steps": 16} | (
            {"n_epochs": 1, "batch_size": 16} if algo == "ppo" else {}
        )
        model = kind(policy_class(config, env.observation_space), env, seed=3, **brief)
        model.learn(16)
        save_policy(folder.file(POLICY), model.policy)
        player = load_policy(folder)
        own, read = model.policy.state_dict(), player.policy.state_dict()
        assert own.keys() == read.keys()
        assert all(torch.equal(own[name], read[name]) for name in own)
        env.observation_space.seed(0)
        for _ in range(5):
            observation = env.observation_space.sample()
            for deterministic in (True, False):
                actions = []
                for agent in (model, player):
                    torch.manual_seed(7)
                    acted = agent.predict(observation, deterministic=deterministic)
                    actions.append(acted[0])
                np.testing.assert_array_equal(*actions)
    finally:
        gym.registry.pop("Pictures-v0")
        gym.registry.pop("Mixed-v0")


PICTURE = gym.spaces.Box(0, 255, (36, 40, 3), np.uint8)
NUMBERS = gym.spaces.Box(-1, 1, (2,), np.float32)


class Seen(gym.Env):
    """Shows anything of a space."""

    action_space = gym.spaces.Discrete(3)

    def __init__(self, space: gym.Space) -> None:
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        return self.observation_space.sample(), 1.0, self.t % 4 == 0, False, {}


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    state = read_state(path)
    change(state)
    write_state(path, state)


NAME = "action_net.weight"
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "of another env": (
        lambda s: s.update(observation_space="Box(4,)"),
        "its observation_space is 'Box(4,)', here it is Box(",
    ),
    "without weights": (lambda s: s.pop("weights"), "it lacks 'weights'"),
    "a weight too few": (lambda s: s["weights"].pop(NAME), "it holds ["),
    "a weight too many": (lambda s: s["weights"].update(more=np.ones(3)), "it holds ["),
    "a word for a weight": (
        lambda s: s["weights"].update({NAME: "big"}),
        "is no array, but should be (4, 64) of float32",
    ),
    "of another shape": (
        lambda s: s["weights"].update({NAME: np.ones((4, 65), np.float32)}),
        "is (4, 65) of float32, but should be (4, 64)",
    ),
    "of another kind": (
        lambda s: s["weights"].update({NAME: np.ones((4, 64), np.complex64)}),
        "is (4, 64) of complex64, but",
    ),
    "no number": (
        lambda s: s["weights"][NAME].fill(np.nan),
        "action_net.weight holds NaN",
    ),
    "too large": (
        lambda s: (
            s["weights"][NAME].fill(3e38) or s["weights"][NAME].__setitem__(0, -3e38)
        ),
        "the agent's weights give no numbers",
    ),
    "a list": (lambda s: s.update(weights=[1, 2]), "is not the agent of this run"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_agent_is_named(kind, run, refused):
    change, said = BROKEN[kind]
    changed(run.file(POLICY), change)
    assert said in refused(*words(LOOKS["evaluate"], run))


def test_a_folder_without_weights_says_why_the_archive_is_not_read(run, refused):
    run.file(POLICY).unlink()
    line = refused(*words(LOOKS["evaluate"], run))
    assert "policy.zip, which can hold code, is never opened" in line


# --- modules ------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("command", [*LOOKS.values(), RESUME], ids=[*LOOKS, "resume"])
def test_a_module_is_imported_only_if_it_is_named_or_trusted(
    command, run, stranger, trace, refused
):
    edit(run, env_id=stranger)
    line = refused(*words(command, run))
    assert "comes from the module stranger" in line
    assert f"--env-id {stranger}" in line
    assert "--trust" in line
    line = refused(*words(command, run), "--env-id", "another:Stranger-v0")
    assert "another:Stranger-v0 is not the env of this run" in line
    assert not trace.exists()
    for vouched in (["--env-id", stranger], ["--trust"]):
        run.preferences.unlink(missing_ok=True)
        assert main([*words(command, run), *vouched]) in (0, 2)
        assert trace.exists()
        trace.unlink()
        sys.modules.pop("stranger")


def test_a_run_of_ones_own_names_its_module_once(stranger, trace, tmp_path, capsys):
    """Training draws and evaluates the run, and is told nothing of trust."""
    options = ["--algo", "a2c", "--no-oprl", "--total-timesteps", "80"]
    options += ["--env-kwargs", "size", "3"]
    run = str(tmp_path / "run")
    assert main(["train", "--env-id", stranger, "--run-dir", run, *options]) == 0
    assert trace.exists()
    assert (tmp_path / "run" / "figures" / "reward_map.png").exists()


def test_how_to_go_on_names_the_module_as_well(stranger, tmp_path, monkeypatch, capsys):
    def stop(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("oprl_gym.training.run.ProgressBar._on_step", stop)
    arguments = ["train", "--env-id", stranger, "--run-dir", str(tmp_path / "run")]
    assert main([*arguments, "--env-kwargs", "size", "3"]) == 130
    line = capsys.readouterr().err
    assert f"--resume {tmp_path / 'run'} --env-id {stranger}" in line


def test_the_python_interface_imports_nothing_either(run, stranger, trace):
    edit(run, env_id=stranger)
    with pytest.raises(RunError, match="comes from the module stranger"):
        load_policy(run)
    assert not trace.exists()
    importlib.import_module("stranger")
    assert load_policy(run).policy is not None


def test_a_package_that_says_it_brings_envs_is_imported(
    run, stranger, trace, tmp_path, monkeypatch
):
    """It was installed on purpose; what lies in the current folder was not."""
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gymnasium.envs]\n__root__ = stranger.__init__:register\n"
    )
    config = TrainConfig(env_id=stranger, env_kwargs={"size": 3})
    with pytest.raises(RunError, match="comes from the module stranger"):
        make_env(config)
    assert not trace.exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(tmp_path)
    make_env(config).close()
    assert trace.exists()


@pytest.mark.parametrize("name", ["antigravity:CartPole-v1", "a:b:CartPole-v1", ":x"])
def test_other_ids_with_a_colon(name, run, refused):
    edit(run, env_id=name)
    refused(*words(LOOKS["evaluate"], run))
    assert "antigravity" not in sys.modules


def test_an_argument_that_names_a_module_needs_trust(run, refused):
    """An env that makes another one by its id would import it."""
    edit(run, env_kwargs={"env_id": "stranger:Stranger-v0"})
    line = refused(*words(LOOKS["evaluate"], run))
    assert "env_id='stranger:Stranger-v0' may name a module" in line


def test_trust_without_a_folder_has_no_effect(refused):
    assert "with --resume alone" in refused("train", "--trust")


# --- a checkpoint -------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", ["counters", "places"])
def test_a_checkpoint_sets_nothing_but_what_an_agent_has(kind, run):
    def plant(state: dict[str, Any]) -> None:
        state["agent"][kind]["predict"] = state["agent"][kind]["policy"] = "gone"

    changed(run.file(CHECKPOINT), plant)
    assert main(words(RESUME, run)) in (0, 2)  # passed over, or refused


# --- links --------------------------------------------------------------------------


LINKS = (
    *("figures/learning.png", "figures/learning.png.partial", "rollout.gif"),
    *("progress.csv", "episodes.csv", "episodes.csv.partial", "policy.zip"),
    *("policy.zip.partial", f"{POLICY}.partial", f"{CHECKPOINT}.partial"),
    *("summary.json.partial", "config.json.partial"),
    *(REWARD_MAPS, "figures/inspect.json"),
)


def link(path: Path, to: Path) -> bytes:
    """Put a link in the place of a file, to one that holds the same; returns that."""
    content = path.read_bytes() if path.exists() else b"years of work"
    to.write_bytes(content)
    path.unlink(missing_ok=True)
    path.symlink_to(to)
    return content


def test_no_link_leads_writing_out_of_the_folder(run, tmp_path):
    kept = {}
    for number, name in enumerate(LINKS):
        precious = tmp_path / f"thesis-{number}.tex"
        kept[precious] = link(run.file(name), precious)
    assert main(words(LOOKS["plot"], run)) == 0
    assert main(words(LOOKS["inspect"], run)) == 0
    assert main(words(RESUME, run)) == 0
    for precious, content in kept.items():
        assert precious.read_bytes() == content
    assert not any(run.file(name).is_symlink() for name in LINKS)


def test_a_lock_that_is_a_link_is_refused(run, tmp_path, refused):
    link(run.file("run.lock"), tmp_path / "thesis.tex")
    assert "cannot be written" in refused(*words(RESUME, run))
    assert (tmp_path / "thesis.tex").read_bytes() == b"years of work"


def test_figures_that_lead_elsewhere_are_not_drawn(run, tmp_path, refused):
    shutil.rmtree(run.figures)
    (tmp_path / "pictures").mkdir()
    run.figures.symlink_to(tmp_path / "pictures")
    assert "leads elsewhere" in refused(*words(LOOKS["plot"], run))
    assert not os.listdir(tmp_path / "pictures")


def test_nothing_is_inspected_into_a_folder_elsewhere(run, tmp_path, refused):
    shutil.rmtree(run.figures)
    (tmp_path / "pictures").mkdir()
    run.figures.symlink_to(tmp_path / "pictures")
    assert "leads elsewhere" in refused(*words(LOOKS["inspect"], run))
    assert not os.listdir(tmp_path / "pictures")


def test_labelling_makes_no_store_where_a_folder_says(run, tmp_path, refused):
    teaching = {"teacher": "human", "preferences": str(tmp_path / "new.sqlite")}
    edit(run, teaching=teaching)
    assert "new.sqlite, the store that" in refused(*words(LOOKS["label"], run))
    assert not (tmp_path / "new.sqlite").exists()


# --- what is there but is no file, or leads elsewhere ---------------------------------


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("checkpoint.safetensors", RESUME),
        ("reward_model.safetensors", LOOKS["plot"]),
        (REWARD_MAPS, LOOKS["plot"]),
        ("episodes.csv", LOOKS["plot"]),
        ("progress.csv", LOOKS["inspect"]),
        ("progress.csv", RESUME),
        ("policy.safetensors", LOOKS["evaluate"]),
    ],
)
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_waited_for(name, command, make, run, refused):
    run.file(name).unlink()
    make(run.file(name))
    config = run.file("config.json").read_text()
    assert name in refused(*words(command, run))
    assert run.file("config.json").read_text() == config


@pytest.mark.parametrize("command", [LOOKS["label"], RESUME], ids=["label", "resume"])
def test_no_empty_file_becomes_a_store(command, run, tmp_path, refused):
    innocent = tmp_path / "__init__.py"
    innocent.touch()
    edit(run, teaching={"teacher": "human", "preferences": str(innocent)})
    assert "the store that this run asks in" in refused(*words(command, run))
    assert innocent.stat().st_size == 0


def test_no_store_is_made_where_a_link_leads(run, tmp_path, refused):
    run.preferences.symlink_to(tmp_path / "elsewhere")
    assert "preferences.sqlite is a link" in refused(*words(LOOKS["label"], run))
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_deleted_where_a_link_leads(run, tmp_path, refused):
    mine = tmp_path / "mine" / "learning.png"
    mine.parent.mkdir()
    mine.touch()
    shutil.rmtree(run.figures, ignore_errors=True)
    run.figures.symlink_to(mine.parent)
    assert "figures is a link" in refused(
        "train", "--overwrite", "--run-dir", str(run.path), "--total-timesteps", "100"
    )
    assert mine.exists()


@pytest.mark.parametrize("env_id", ["evil\x1b[2J:E", "\ud800", "x" * 50_000])
def test_an_env_id_is_a_name(env_id, run, refused):
    edit(run, env_id=env_id)
    said = refused(*words(LOOKS["evaluate"], run))
    assert "env_id must be the name of an env" in said
    assert said.isprintable()
    assert len(said) < 500


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("stranger:X-v0", True),
        ("my-mod:X-v0", True),
        (" a.b:X", True),
        ("http://host/x", False),
        ("C:\\mazes", False),
        ("OneWall", False),
        (3, False),
    ],
)
def test_what_may_name_a_module(value, is_one):
    assert may_name_module(value) is is_one


@pytest.mark.parametrize("value", [{"id": "stranger:X"}, ["stranger:X"]])
def test_no_argument_of_an_env_hides_an_id(value, run, refused):
    edit(run, env_kwargs={"spec": value})
    assert "env_kwargs" in refused(*words(LOOKS["evaluate"], run))
