"""``oprl-gym`` with envs, wrappers and agents of one's own: each option, run."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest
import torch

from oprl_gym.cli import main
from oprl_gym.config import OPRLConfig
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import make_env
from oprl_gym.runs.env_packages import where_from
from oprl_gym.runs.env_wrappers import NamedWrapper
from oprl_gym.runs.evaluation import evaluate
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.policy import load_policy
from oprl_gym.training import train

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = ["--total-timesteps", "200", "--n-envs", "2"]
TINY += ["--learner.gradient-steps", "1", "--learner.min-preferences", "4"]
MODULE = """
import gymnasium as gym
gym.register("Own-v0", "oprl_gym.envs.maze:OPRLMazeEnv", max_episode_steps=10)

class Twice(gym.Wrapper):
    def __init__(self, env, times=2, note=""):
        super().__init__(env)
        self.times = times

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return observation, self.times * reward, *rest
"""
OWN = ["--env-id", "own_envs:Own-v0", "--env-kwargs", "size", "2"]
TWICE = ["--env-wrapper", "own_envs:Twice(times=3)"]


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in a folder with a module that Python does not look into."""
    (tmp_path / "own_envs.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    briefly = functools.partial(evaluate, episodes=2)
    monkeypatch.setattr("oprl_gym.training.summary.evaluate", briefly)
    yield
    forget()


def forget() -> None:
    """Be a process that has imported nothing yet."""
    sys.modules.pop("own_envs", None)
    gym.registry.pop("Own-v0", None)
    here = str(Path.cwd())
    sys.path[:] = [path for path in sys.path if path != here]


def trained(*arguments: str) -> RunFolder:
    assert main(["train", "--run-dir", "run", *TINY, *arguments]) == 0
    return RunFolder(Path("run"))


# --- modules, packages --------------------------------------------------------------


def test_a_module_of_the_current_folder_is_found_where_it_is_named(refused):
    run = trained("--algo", "a2c", *OWN, *TWICE)
    assert run.config().env_wrapper == ["own_envs:Twice(times=3)"]
    for command in (["evaluate", "run", "--episodes", "2"], ["plot", "run"]):
        forget()
        line = refused(*command)
        assert "the module own_envs, which would be executed" in line
        assert "--env-id own_envs:Own-v0" in line
        assert "own_envs" not in sys.modules
        line = refused(*command, *OWN[:2], "--env-wrapper", "own_envs:Other")
        assert "the wrappers of this run are own_envs:Twice(times=3)" in line
        forget()
        assert main([*command, *OWN[:2], *TWICE]) == 0
        forget()
        assert main([*command, "--trust"]) == 0


def test_a_file_here_hides_no_package(tmp_path: Path) -> None:
    (tmp_path / "minigrid").mkdir()
    (tmp_path / "minigrid" / "__init__.py").write_text("raise SystemExit")
    config = TrainConfig(env_id="minigrid:MiniGrid-Empty-5x5-v0")
    with pytest.raises(RunError, match="no policy of Stable-Baselines3"):
        train(config, "run")


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("MiniGrid-Nowhere-v0", "write minigrid:MiniGrid-Nowhere-v0"),
        ("ALE/Pong-v5", "pip install ale_py, and write ale_py:ALE/Pong-v5"),
        ("FetchReach-v4", "write gymnasium_robotics:FetchReach-v4"),
        ("Corridor-v0", "registers it: MODULE:Corridor-v0"),
    ],
)
def test_an_id_that_is_not_registered_says_where_it_may_be_from(env_id, words, refused):
    line = refused("train", "--env-id", env_id, "--run-dir", "run")
    assert words in line
    assert not Path("run").exists()


def test_an_id_with_its_module_gets_no_hint():
    assert where_from("minigrid:MiniGrid-Nowhere-v0") == ""


# --- wrappers -----------------------------------------------------------------------


def test_wrappers_stand_in_their_order_in_all_envs_of_a_run():
    config = TrainConfig(
        env_id="CartPole-v1",
        env_wrapper=[
            "gymnasium.wrappers:TimeLimit(3)",
            "oprl_gym.wrappers:DelayedReward",
        ],
    )
    env = make_env(config)
    assert type(env).__name__ == "DelayedReward"
    assert type(env.env).__name__ == "TimeLimit"  # type: ignore[attr-defined]
    env.reset(seed=0)
    paid = [env.step(0) for _ in range(3)]
    assert [reward for _, reward, *_ in paid] == [0, 0, 3]
    assert paid[-1][3]  # truncated


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("minigrid.wrappers.FlatObsWrapper", "must be such as minigrid.wrappers:Flat"),
        ("os:system(command='true')", "os has no gymnasium.Wrapper system"),
        ("gymnasium.wrappers:Nowhere", "has no gymnasium.Wrapper Nowhere"),
        ("gymnasium.wrappers:TimeLimit(open('x'))", "must be plain values"),
        ("gymnasium.wrappers:TimeLimit(**{'a': 1})", "name each argument"),
        ("gymnasium.wrappers:TimeLimit", "cannot wrap OPRLMaze-v0 in gymnasium"),
        ("nowhere:Nothing", "'nowhere'; install it, or start in the folder that"),
        ("a:" + "b" * 2_000, "must be such as"),
    ],
)
def test_a_wrapper_that_is_none_is_refused(text, words, refused):
    line = refused("train", "--run-dir", "run", "--env-wrapper", text)
    assert words in line
    assert not Path("run").exists()


def test_text_for_a_wrapper_may_name_a_file_and_needs_trust(refused):
    """RecordVideo would write where the folder says."""
    run = trained("--algo", "a2c", "--no-oprl")
    config = json.loads(run.file("config.json").read_text())
    text = "gymnasium.wrappers:RecordVideo(video_folder='elsewhere')"
    run.file("config.json").write_text(json.dumps({**config, "env_wrapper": [text]}))
    for command in ("evaluate", "plot", "label"):
        line = refused(command, "run")
        assert "gets text, which may name a file" in line
        assert f"--env-wrapper {shlex.quote(text)}" in line
    assert not Path("elsewhere").exists()


def test_what_is_read_of_a_wrapper():
    named = NamedWrapper.read("a.b:C(1, x=[2, 'y'])")
    assert (named.module, named.name, named.args) == ("a.b", "C", (1,))
    assert named.kwargs == {"x": [2, "y"]}
    assert named.holds_text()
    assert not NamedWrapper.read("a:C(1, x=(2, {3: 4.0}))").holds_text()


# --- agents -------------------------------------------------------------------------


AGENTS = {
    "dqn": ["--env-kwargs", "size", "2", "--algo-kwargs", "learning_starts", "20"],
    "sac": ["--env-id", "Pendulum-v1", "--algo-kwargs", "learning_starts", "150"],
    "td3": ["--env-id", "Pendulum-v1", "--algo-kwargs", "learning_starts", "150"],
}


@pytest.mark.parametrize("algo", AGENTS)
def test_off_policy_agents_train_are_read_and_go_on(algo, capsys):
    small = ["--policy-kwargs", "net_arch", "[8]", "--batch-size", "8"]
    run = trained("--algo", algo, *AGENTS[algo], *small, "--vec-normalize")
    assert f"{algo.upper()} + OPRL" in capsys.readouterr().out
    assert run.summary().total_timesteps == 200
    assert main(["evaluate", "run", "--episodes", "2", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["eval_return_mean"] == run.summary().eval_return_mean
    assert main(["train", "--resume", "run", "--total-timesteps", "240"]) == 0
    assert run.summary().total_timesteps == 240


def test_how_an_agent_is_made_is_kept_and_used():
    run = trained(
        *("--algo", "ppo", "--n-steps", "50", "--policy", "MlpPolicy"),
        *("--policy-kwargs", "net_arch", "[12, 7]", "activation_fn", "ReLU"),
        *("--algo-kwargs", "n_epochs", "2", "clip_range", "0.3"),
    )
    config = run.config()
    assert config.policy_kwargs == {"net_arch": [12, 7], "activation_fn": "ReLU"}
    assert config.algo_kwargs == {"n_epochs": 2, "clip_range": 0.3}
    policy = load_policy(run).policy
    layers = [type(layer).__name__ for layer in policy.mlp_extractor.policy_net]
    assert layers == ["Linear", "ReLU", "Linear", "ReLU"]
    assert policy.action_net.in_features == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--algo dqn --n-steps 4", "n_steps=4 has no effect on dqn"),
        ("--algo td3 --ent-coef 0.1", "ent_coef=0.1 has no effect on td3"),
        ("--algo td3", "cannot train td3 here"),
        ("--algo-kwargs gamma 0.9", "it is a setting of its own, --gamma"),
        ("--algo-kwargs tensorboard_log x", "is set by oprl-gym"),
        ("--algo-kwargs replay_buffer_class x", "is no plain value; rl_zoo3"),
        ("--algo-kwargs epochs 3", "ppo has no argument epochs"),
        ("--algo dqn --algo-kwargs train_freq 0", "must be a number of steps, got 0"),
        ("--policy CnnPolicy", "cannot train ppo here"),
        ("--policy-kwargs net_arch 9000", "more than 67,108,864 weights"),
        ("--policy-kwargs activation_fn Linear", "must be one of torch.nn's"),
        ("--policy-kwargs optimizer_class Adam", "is no plain value; rl_zoo3"),
        ("--policy-kwargs nets 3", "cannot train ppo here"),
        ("--policy-kwargs net_arch 1e999", "must hold finite numbers"),
    ],
)
def test_what_an_agent_does_not_take_is_refused(options, words, refused):
    assert words in refused("train", "--run-dir", "run", *shlex.split(options))
    assert not Path("run").exists()


# --- normalising, processes ---------------------------------------------------------


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Mixed-v0", "FrozenLake-v1"])
@pytest.mark.filterwarnings("ignore:.*Box observation space.*")
def test_the_agent_that_is_read_sees_normalised_observations(env_id):
    spaces = {"numbers": gym.spaces.Box(-9, 9, (2,)), "kind": gym.spaces.Discrete(3)}
    gym.register("Mixed-v0", lambda **_: Noise(gym.spaces.Dict(spaces)))
    try:
        run = trained("--env-id", env_id, "--vec-normalize", "--n-steps", "50")
        seen = load_policy(run)
        env = make_env(run.config())
        raw = replace(seen, normaliser=None)
        observation = env.observation_space.sample()
        with torch.no_grad():
            values = [
                player.policy.predict_values(player.policy.obs_to_tensor(o)[0])
                for player, o in (
                    (seen, seen.normaliser.normalize_obs(observation)),
                    (raw, observation),
                )
            ]
        assert torch.equal(*values) == (env_id == "FrozenLake-v1")
        assert main(["evaluate", "run", "--episodes", "2"]) == 0
    finally:
        gym.registry.pop("Mixed-v0")


class Noise(gym.Env):
    action_space = gym.spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        return (
            self.observation_space.sample(),
            float(action),
            self.steps == 9,
            False,
            {},
        )


def test_envs_in_processes_learn_the_same():
    """The module and the wrapper are imported there as well."""
    weights = []
    for options in ((), ("--subproc",)):
        run = trained("--overwrite", "--algo", "a2c", *OWN, *TWICE, *options)
        assert run.config().subproc == bool(options)
        weights.append(load_policy(run).policy.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_pictures_for_people_are_taken_in_this_process(refused):
    words = ["--env-id", "CartPole-v1", "--teacher", "human", "--subproc"]
    assert "leave it out with --teacher human" in refused("train", *words)


def test_statistics_that_are_no_numbers_are_refused(refused):
    from oprl_gym.files.state_file import read_state, write_state
    from oprl_gym.runs.folder import POLICY

    run = trained("--env-id", "CartPole-v1", "--vec-normalize", "--n-steps", "50")
    state = read_state(run.file(POLICY))
    state["normaliser"][""]["var"] = -state["normaliser"][""]["var"]
    write_state(run.file(POLICY), state)
    assert "a negative variance" in refused("evaluate", "run")


def test_the_settings_of_a_sweep_take_them_too():
    from oprl_gym.sweep.named_settings import build_config

    values = {"algo": "dqn", "env_wrapper": ["a:B"], "policy_kwargs": {"net_arch": [8]}}
    config = build_config(values)
    assert config.env_wrapper == ["a:B"]
    assert replace(config, learner=OPRLConfig()) == TrainConfig(**values)
