"""What a sweep's YAML means, and what is said of one that means nothing."""

from __future__ import annotations

import numpy as np
import pytest

from oprl_gym.cli import main
from oprl_gym.sweep import read_sweep
from oprl_gym.sweep.space import draw
from oprl_gym.sweep.spec import sweep_from


def test_every_arm_goes_with_every_point_of_the_grid():
    sweep = sweep_from(
        {
            "seeds": [7, 3],
            "base": {"algo": "a2c", "learner": {"hidden_size": 16}},
            "arms": {"half": {"scale": 0.05}, "whole": None},
            "grid": {"gamma": [0.9, 0.99], "learner.update_interval": [128]},
        }
    )
    assert sweep.seeds == (7, 3)
    assert [arm.name for arm in sweep.arms] == [
        "half, gamma=0.9, update_interval=128",
        "half, gamma=0.99, update_interval=128",
        "whole, gamma=0.9, update_interval=128",
        "whole, gamma=0.99, update_interval=128",
    ]
    first = sweep.arms[0].config
    assert (first.algo, first.scale, first.gamma) == ("a2c", 0.05, 0.9)
    assert (first.learner.hidden_size, first.learner.update_interval) == (16, 128)
    assert sweep.arms[0].slug == "half-gamma=0.9-update_interval=128"


def test_seeds_alone_are_a_sweep_of_one_arm():
    sweep = sweep_from({"seeds": 2})
    assert [arm.name for arm in sweep.arms] == ["ppo"]
    assert sweep.seeds == (0, 1)


def test_more_samples_begin_with_the_same_ones():
    def rates(samples: int, seed: int) -> list[float]:
        space = {"learning_rate": {"loguniform": [1e-4, 1e-2]}}
        random = {"samples": samples, "seed": seed, "space": space}
        arms = sweep_from({"seeds": 1, "random": random}).arms
        return [arm.values["learning_rate"] for arm in arms]

    assert rates(5, 0)[:3] == rates(3, 0)
    assert rates(3, 0) != rates(3, 1)
    assert all(1e-4 <= rate <= 1e-2 for rate in rates(50, 0))


def test_draws_are_as_asked_for(rng: np.random.Generator):
    space = {"a": {"uniform": [2, 4]}, "b": {"randint": [0, 3]}, "c": {"choice": "xy"}}
    space["c"] = {"choice": ["x", "y"]}
    drawn = [draw(space, rng) for _ in range(200)]
    assert {values["b"] for values in drawn} == {0, 1, 2}
    assert {values["c"] for values in drawn} == {"x", "y"}
    assert 2.9 < np.mean([values["a"] for values in drawn]) < 3.1
    # Half of log-uniform draws from 1 to 100 lie below 10; of uniform ones a tenth.
    logs = [draw({"a": {"loguniform": [1, 100]}}, rng)["a"] for _ in range(200)]
    assert 0.35 < np.mean(np.array(logs) < 10) < 0.65


def test_numbers_are_read_as_they_are_meant(tmp_path):
    """YAML 1.1 takes 1e-4 for a word."""
    path = tmp_path / "sweep.yaml"
    path.write_text("seeds: 1\ngrid:\n  learning_rate: [1e-4, 3E-4, 1.0e-3]\n")
    rates = [arm.config.learning_rate for arm in read_sweep(path).arms]
    assert rates == [1e-4, 3e-4, 1e-3]


def test_names_are_text_as_it_is_written(tmp_path):
    """As YAML reads them, yes is true, and 0x1 is 1: one of the two would be lost."""
    path = tmp_path / "sweep.yaml"
    arms = "{yes: {}, true: {scale: 1}, 1: {scale: 2}, 0x1: &x {scale: 3}, 2: {<<: *x}}"
    path.write_text(f"seeds: 1\nbase: {{env_kwargs: {{7: 8}}}}\narms: {arms}\n")
    sweep = read_sweep(path)
    assert [arm.name for arm in sweep.arms] == ["yes", "true", "1", "0x1", "2"]
    assert [arm.config.scale for arm in sweep.arms[1:]] == [1, 2, 3, 3]
    assert sweep.arms[0].config.env_kwargs == {"7": 8}


def test_a_name_of_long_letters_makes_a_short_folder():
    """File systems count bytes, and some letters have four."""
    sweep = sweep_from({"seeds": 1, "arms": {"漢" * 90 + end: {} for end in "ab"}})
    slugs = {arm.slug for arm in sweep.arms}
    assert len(slugs) == 2
    assert max(len(slug.encode()) for slug in slugs) < 120


def test_a_long_name_makes_a_short_folder():
    slugs = [
        arm.slug
        for arm in sweep_from(
            {"seeds": 1, "arms": {"x" * 300 + end: {} for end in "ab"}}
        ).arms
    ]
    assert len(set(slugs)) == 2
    assert max(map(len, slugs)) < 120


def bomb() -> str:
    """Return 600 letters that hold 10**9 values, by aliases of aliases."""
    lines = ["    - &a0 [" + "x, " * 10 + "]"]
    lines += [f"    - &a{n} [" + f"*a{n - 1}, " * 10 + "]" for n in range(1, 9)]
    return "\n".join(["seeds: 1", "grid:", "  env_kwargs:", *lines])


HUNDRED = ", ".join(map(str, range(1, 101)))
WRONG = {
    bomb(): "holds more than 10,000 values where its aliases",
    "seeds: 1\nbase: &a {learner: *a}": "is nested too deep, or in itself",
    "seeds: " + "[" * 19_000: "is nested too deep",
    "{a: " * 4_500: "is nested too deep",
    "seeds: " + "[" * 100_000: "more than the 20,000 bytes of any sweep",
    "seeds: 1000000000": "seeds: 1000000000 makes more than 100,000 runs",
    f"seeds: 0x{'f' * 5_000}": "seeds: a very large int makes more than 100,000 runs",
    f"seeds: [0x{'f' * 50}]": "seeds must be different and in [0, 2**32)",
    "seeds: 1\ngrid:\n"
    + "".join(
        f"  {name}: [{HUNDRED}]\n"
        for name in ("n_envs", "n_steps", "total_timesteps", "ent_coef")
    ): "grid makes more than 100,000 runs",
    "seeds: 1\nrandom: {samples: 1000000000, space: {scale: {uniform: [0, 1]}}}": (
        "random.samples: 1000000000 makes more than"
    ),
    "seeds: 1\nrandom: {samples: 1, space: {scale: {uniform: [-1.7e308, 1.7e308]}}}": (
        "LOW < HIGH"
    ),
    f"seeds: 1\nrandom: {{samples: 1, space: {{n_envs: {{randint: [0, {2**99}]}}}}}}": (
        "n_envs.randint must be two integers"
    ),
    "seeds: 1\nbase: {scale: " + "1:" * 200 + "0:0.5}": "a value that cannot be read",
    "seeds: !!bool perhaps": "a value that cannot be read",
    "seeds: !!timestamp perhaps": "a value that cannot be read",
    "seeds: 1\nbase: {scale: !!float ''}": "a value that cannot be read",
    'seeds: "\\UFFFFFFFF"': "a value that cannot be read",
    f"%YAML 1.{'9' * 5_000}\n---\nseeds: 1": "a value that cannot be read",
    f"seeds: !{'a' * 19_000} 1": "could not determine a constructor for the tag",
    f"a: {'1' * 19_000}e": "unknown key a",
    "seeds: 1\nbase: {<<: 5}": "expected a mapping",
    "seeds: 1\nbase: &b {<<: *b}": "is nested too deep, or in itself",
    "seeds: 1\nbase: {learner.rule: x, learner: {rule: y}}": "rule is set twice",
    "seeds: 1\nbase: {preferences: ~no-such-user/x}": "no-such-user/x' is no path",
    "seeds: 1\nbase: {env_kwargs: {size: .nan}}": "must be a finite number or text",
    f"seeds: 1\nbase: {{env_kwargs: {{size: 0x{'f' * 5_000}}}}}": "a finite number",
    'seeds: 1\narms: {"\\e[2J": {}}': "use printable letters",
    'seeds: 1\narms: {"\\uD800": {}}': "use printable letters",
    f"seeds: 1\ngrid: {{n_envs: [0x{'f' * 5_000}]}}": "got a very large int",
    "seeds: 1\nrandom: {samples: 1, space: {n_envs: {randint: "
    f"[{2**70}, {2**70 + 1}]}}}}}}": "n_envs.randint must be two integers",
    "seeds: 1\ngrid: {scale: [2020-01-01]}": "scale must be a number",
    "seeds: 1\nbase: {learner: {hidden_size: 1000000000}}": "a reward model of more",
    "seeds: 1\nbase: {n_envs: 1000000}": "n_envs must be at most 10,000",
    "seeds: 1\nbase: {device: 3}": "device must be text, got 3",
    "seeds: 1\nbase: {algo: [ppo]}": "algo must be text",
    "": "is empty",
    "- 1": "holds no names and values",
    "seeds: [": "is no YAML",
    "seeds: 1\nseeds: 2": "seeds stands there twice",
    "base: {}": "seeds is missing",
    "seeds: 0": "seeds must be a number >= 1",
    "seeds: [1, 1]": "seeds must be different",
    "seeds: 1\ngird: {scale: [1]}": "unknown key gird; did you mean grid?",
    "seeds: 1\nbase: {env: X}": "unknown key base.env; did you mean env_id?",
    "seeds: 1\nbase: {enf_id: X}": "unknown key base.enf_id; did you mean env_id?",
    "seeds: 1\nbase: {update_interval: 9}": "did you mean learner.update_interval?",
    "seeds: 1\nbase: {learner: {gradient_step: 9}}": "did you mean learner.gradient_s",
    "seeds: 1\nbase: {seed: 3}": "base.seed: seeds go to the top",
    "seeds: 1\nbase: {teacher: human}": "nobody answers for a sweep",
    "seeds: 1\nbase: {oprl: nope}": "oprl must be true or false, got 'nope'",
    "seeds: 1\ngrid: {}": "grid is empty",
    "seeds: 1\ngrid:": "grid is empty",
    "seeds: 1\ngrid: {scale: []}": "grid.scale is empty",
    "seeds: 1\ngrid: {scale: 0.1}": "grid.scale must be a list",
    "seeds: 1\ngrid: {scale: [0.1, 0.1]}": "2 arms are called 'scale=0.1'",
    "seeds: 1\ngrid: {n_envs: [8, 0]}": "arm 'n_envs=0': n_envs must be an integer",
    "seeds: 1\nbase: {learner: {batch_size: 0}}": "OPRLConfig.batch_size must be",
    "seeds: 1\narms: {}": "arms is empty",
    "seeds: 1\narms: {a: 3}": "arms.a must hold settings",
    "seeds: 1\narms: {a: {scale: 1}}\ngrid: {scale: [1]}": "scale is set twice",
    "seeds: 1\nrandom: {samples: 2}": "random.space is empty",
    "seeds: 1\nrandom: {sample: 2}": "did you mean samples?",
    "seeds: 1\nrandom: {samples: 0, space: {scale: {uniform: [0, 1]}}}": "samples must",
    "seeds: 1\nrandom: {samples: 1, space: {scale: {normal: [0, 1]}}}": "got 'normal'",
    "seeds: 1\nrandom: {samples: 1, space: {scale: {uniform: [1, 0]}}}": "LOW < HIGH",
    "seeds: 1\nrandom: {samples: 1, space: {scale: {loguniform: [0, 1]}}}": "above 0",
}


@pytest.mark.parametrize(("text", "words"), WRONG.items(), ids=range(len(WRONG)))
def test_one_line_says_what_is_wrong(text, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(text)
    assert main(["sweep", "my.yaml"]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("oprl-gym: my.yaml: ")
    assert words in line
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]  # nothing begun


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.yaml"], "none.yaml: cannot be read: No such file or directory"),
        (["."], "cannot be read: Is a directory"),
        ([], "SWEEP.yaml"),
        (["my.yaml", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["my.yaml", "--engine", "dask"], "invalid choice 'dask'"),
        (["my.yaml", "--address", "auto"], "--address auto needs --engine ray"),
    ],
)
def test_wrong_arguments(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("seeds: 1")
    assert main(["sweep", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


def test_no_gpu_is_asked_of_ray_that_it_would_not_give(tmp_path, capsys):
    (tmp_path / "my.yaml").write_text("seeds: 1\ngrid: {device: [cpu, cuda]}")
    assert main(["sweep", str(tmp_path / "my.yaml"), "--engine", "ray"]) == 2
    assert "set device: cpu" in capsys.readouterr().err


def test_without_ray_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    (tmp_path / "my.yaml").write_text("seeds: 1")
    assert main(["sweep", str(tmp_path / "my.yaml"), "--engine", "ray"]) == 2
    assert "pip install 'oprl-gym[ray]'" in capsys.readouterr().err


def test_without_yaml_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    import sys

    for name in [name for name in sys.modules if name.startswith("oprl_gym.sweep")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["sweep", "my.yaml"]) == 2
    assert "pip install 'oprl-gym[sweep]'" in capsys.readouterr().err
