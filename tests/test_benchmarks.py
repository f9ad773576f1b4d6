"""The ladder benchmark: its statistics, its rivals, and that it loses no run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.ladder import __main__ as ladder
from benchmarks.ladder import goals, settings
from benchmarks.ladder.analyse import PUBLIC_RESULTS, RESULTS
from benchmarks.ladder.envs import make_venv
from benchmarks.ladder.headline import (
    EVIDENCE,
    MAZES,
    PUBLIC,
    headline_table,
    write_headline,
)
from benchmarks.ladder.recording import Track, success_curve
from benchmarks.ladder.results import RunId, read_all, read_run, state_of
from benchmarks.ladder.settings import ALGOS, ARMS, RUNGS, SUITES, Rung, settings_of
from benchmarks.ladder.summary import summarise
from benchmarks.public import goals as public_goals
from benchmarks.rivals.rnd import RandomNetworkDistillation
from benchmarks.rivals.shaping import ConstantReward, CountBonus, OraclePotential
from benchmarks.rivals.tutorial_agent import discounted_returns
from oprl_gym.envs.layouts import parse_layout
from oprl_gym.envs.sb3 import OPRLMazeVecEnv
from oprl_gym.runs.episode_log import Episode, EpisodeLog
from oprl_gym.runs.measures import censored, estimate, improvement, interquartile_mean

CORRIDOR = parse_layout("S..G")
LEFT, RIGHT = 3, 1
TINY = Rung("OPRLMaze-v0", {"ppo": 256, "a2c": 200, "own": 200}, 12, {"size": 3})


def corridor(num_envs: int = 1, limit: int = 10) -> OPRLMazeVecEnv:
    return OPRLMazeVecEnv(num_envs, CORRIDOR, max_episode_steps=limit)


def rewards(venv, actions: list[int]) -> list[float]:
    """Reset, then return what each action is paid."""
    venv.reset()
    return [float(venv.step(np.array([action]))[1][0]) for action in actions]


# Statistics


def test_the_interquartile_mean_drops_a_quarter_at_each_end():
    assert interquartile_mean(np.array([1, 2, 3, 4, 5, 6, 7, 1000.0])) == 4.5


def test_of_five_seeds_one_is_dropped_at_each_end():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 0])) == 2.0


def test_a_run_that_never_got_there_counts_as_the_budget():
    assert censored([None, 5], 60).tolist() == [60.0, 5.0]


def test_probability_of_improvement_counts_every_pair_and_half_of_a_tie():
    ours, theirs = np.array([1.0, 3.0]), np.array([1.0, 2.0])
    # 1-1 tie, 1-2 won, 3-1 lost, 3-2 lost
    assert improvement(ours, theirs) == (0.5 + 1.0) / 4


def test_two_arms_that_both_fail_are_no_improvement():
    assert improvement(np.array([60.0, 60.0]), np.array([60.0])) == 0.5


def test_an_interval_surrounds_its_value_and_is_the_same_each_time():
    values = np.arange(20.0)
    first = estimate(interquartile_mean, values)
    assert first == estimate(interquartile_mean, values)
    assert first.value == 9.5
    assert 3 < first.low < 9.5 < first.high < 16


def test_one_seed_has_no_interval():
    assert np.isnan(estimate(interquartile_mean, np.array([3.0])).low)


def test_a_constant_sample_has_an_interval_of_no_width():
    result = estimate(interquartile_mean, np.full(5, 7.0))
    assert (result.low, result.high) == (7.0, 7.0)


# Curves and the end of a run


def episodes(*steps_and_success: tuple[int, bool]) -> EpisodeLog:
    return EpisodeLog.of([Episode(s, 0.0, 1, won) for s, won in steps_and_success])


def test_episodes_not_played_yet_count_as_failures_in_the_curve():
    log = episodes((10, True), (25, False), (40, True))
    assert success_curve(log, 40, 4) == [1, 1, 1, 2]


def test_the_curve_looks_at_the_latest_100_episodes_and_holds_its_last_value():
    log = episodes(*[(i + 1, i < 50) for i in range(120)])
    assert success_curve(log, 200, 4) == [50, 50, 30, 30]


def test_the_curve_of_a_run_without_episodes_is_zero():
    assert success_curve(EpisodeLog.of([]), 10, 2) == [0, 0]


def test_a_run_is_over_once_the_rate_has_held_for_long_enough():
    track = Track(budget=10_000, target=0.9, stop_after=3)
    info = {"episode": {"r": 10.0, "l": 5}, "is_success": True}
    over = []
    for number in range(104):
        track.note(number, info)
        over.append(track.over(number))
    assert over.index(True) == 102  # the 100th reaches it, three more follow


def test_a_run_is_over_when_the_budget_is_used_up():
    track = Track(budget=8, target=0.9, stop_after=None)
    assert [track.over(7), track.over(8)] == [False, True]


def test_a_return_counts_as_success_where_the_env_does_not_say():
    track = Track(100, 0.9, None, threshold=475.0)
    for total in (474.0, 475.0):
        track.note(1, {"episode": {"r": total, "l": 5}})
    assert track.log().success.tolist() == [0.0, 1.0]


# Rivals


def test_the_oracle_pays_the_difference_of_potential():
    venv = OraclePotential(corridor(), 2.0, CORRIDOR, gamma=0.5)
    # phi = -1, -2/3, -1/3, 0; a step left at the start stays there
    expected = [
        2 * (0.5 * -1 + 1),
        2 * (0.5 * -2 / 3 + 1),
        2 * (0.5 * -1 / 3 + 2 / 3),
        10 + 2 * (0.5 * 0 + 1 / 3),
        2 * (0.5 * -2 / 3 + 1),  # the next episode
    ]
    actions = [LEFT, RIGHT, RIGHT, RIGHT, RIGHT]
    assert rewards(venv, actions) == pytest.approx(expected)


def test_the_oracle_keeps_its_potential_where_an_episode_is_cut_off():
    venv = OraclePotential(corridor(limit=1), 2.0, CORRIDOR, gamma=0.5)
    assert rewards(venv, [RIGHT]) == pytest.approx([2 * (0.5 * -2 / 3 + 1)])


def test_the_count_bonus_pays_each_cell_once_an_episode():
    venv = CountBonus(corridor(limit=5), 0.1)
    actions = [LEFT, RIGHT, LEFT, RIGHT, RIGHT, RIGHT]
    # start again, new, start again, known, new (then cut off), new again
    expected = [0, 0.1, 0, 0, 0.1, 0.1]
    assert rewards(venv, actions) == pytest.approx(expected)


def test_the_count_bonus_tells_envs_apart():
    venv = CountBonus(corridor(num_envs=2), 1.0)
    venv.reset()
    venv.step(np.array([RIGHT, LEFT]))
    assert venv.step(np.array([LEFT, RIGHT]))[1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("scale", [-0.1, 0.0, 0.1])
def test_the_constant_reward_is_added_on_every_step(scale):
    expected = [scale, scale, 10 + scale]
    assert rewards(ConstantReward(corridor(), scale), [RIGHT] * 3) == pytest.approx(
        expected
    )


def test_rnd_pays_less_and_less_for_what_it_has_seen():
    venv = RandomNetworkDistillation(corridor(num_envs=8, limit=100), 1.0, seed=0)
    venv.reset()
    paid = [venv.step(np.full(8, LEFT))[1].mean() for _ in range(600)]
    assert np.mean(paid[-30:]) < 0.5 * np.mean(paid[:30])
    assert venv.step(np.full(8, RIGHT))[1].mean() > 2 * np.mean(paid[-30:])


def test_rnd_refuses_observations_that_are_no_vectors():
    venv = DummyVecEnv([lambda: gym.make("FrozenLake8x8-v1")])
    with pytest.raises(ValueError, match="flatten"):
        RandomNetworkDistillation(venv, 0.1, seed=0)


def test_later_rewards_are_discounted():
    assert discounted_returns(np.array([1.0, 0.0, 4.0]), 0.5).tolist() == [2, 2, 4]


# Envs and settings


def test_doorkey_with_one_hot_observations_is_a_sound_env():
    env = gym.make("benchmarks.doorkey:OneHotDoorKey-5x5-v0")
    check_env(env, warn=True)
    observation, info = env.reset(seed=0)
    assert observation.shape == (7 * 7 * 20,)
    assert observation.sum() == 7 * 7 * 3  # object, colour and state of each cell
    assert info["is_success"] is False


def test_mazes_move_as_a_batch_with_the_time_limit_of_the_rung():
    venv = make_venv(RUNGS["size12"], 2, seed=0)
    assert venv.observation_space.shape == (144,)
    venv.reset()
    dones = [venv.step(np.array([0, 0]))[2].any() for _ in range(150)]
    assert dones == [False] * 149 + [True]


def test_suites_name_only_what_there_is():
    for suite in SUITES.values():
        assert set(suite.arms) <= set(ARMS)
        assert set(suite.rungs) <= set(RUNGS)
        assert set(suite.algos) <= set(ALGOS)


def test_no_run_is_asked_for_that_makes_no_sense():
    runs = ladder.chosen_runs("smoke") + ladder.chosen_runs("core")
    assert not [r for r in runs if r.rung == "doorkey" and r.arm == "oracle"]
    assert {r.algo for r in runs if r.arm == "tutorial-agent"} == {"own"}
    assert {r.arm for r in runs if r.algo == "own"} == {"tutorial-agent"}


def test_a_part_of_the_ladder_can_be_chosen():
    runs = ladder.chosen_runs("core", ["oprl"], ["TwoWalls"], ["a2c"], range(3, 5))
    assert runs == [RunId(s, "TwoWalls", "a2c", "oprl") for s in (3, 4)]


@pytest.mark.parametrize(
    ("text", "expected"), [("20", range(20)), ("100:106", range(100, 106))]
)
def test_seeds_are_a_number_or_a_range(text, expected):
    assert ladder._seeds(text) == expected


@pytest.mark.parametrize("wrong", ["--seeds=5:5", "--arms=orakel", "--jobs=0"])
def test_a_wrong_option_is_refused_before_anything_starts(wrong, capsys):
    with pytest.raises(SystemExit):
        ladder.main([wrong])
    assert wrong.split("=")[1] in capsys.readouterr().err


# Resuming, and failures


@pytest.fixture
def tiny(monkeypatch) -> None:
    """Make the rungs tiny and run them in this process."""
    monkeypatch.setitem(settings.RUNGS, "smoke", TINY)
    monkeypatch.setattr(ladder, "execute_all", in_process)


def in_process(runs, engine, results, commit, watcher):
    from benchmarks.ladder.worker import tasks
    from oprl_gym.engines import Outcome

    for task in tasks(runs, results, commit):
        task.call()
        watcher.ended(Outcome(task, 0.0, None))


def ladder_of(results: Path, *arguments: str) -> int:
    fixed = ["--rungs", "smoke", "--algos", "a2c", "--results", str(results)]
    return ladder.main([*fixed, *arguments])


def test_a_finished_run_is_skipped_and_a_torn_one_done_again(tiny, tmp_path, capsys):
    assert ladder_of(tmp_path, "--arms", "plain,count", "--seeds", "2") == 0
    assert "4 runs, 4 to do" in capsys.readouterr().out
    torn = RunId(0, "smoke", "a2c", "count").path(tmp_path)
    whole = torn.read_text()
    torn.write_text(whole[:-40])
    kept = RunId(0, "smoke", "a2c", "plain").path(tmp_path)
    before = kept.stat().st_mtime_ns
    assert ladder_of(tmp_path, "--arms", "plain,count", "--seeds", "2") == 0
    assert "4 runs, 1 to do" in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before
    assert without_times(torn) == without_times_of(json.loads(whole))


def test_a_run_made_with_other_settings_is_done_again(tiny, tmp_path, monkeypatch):
    assert ladder_of(tmp_path, "--arms", "count", "--seeds", "1") == 0
    run = RunId(0, "smoke", "a2c", "count")
    assert state_of(run, tmp_path) == "finished"
    monkeypatch.setitem(settings.ARMS, "count", replace(ARMS["count"], scale=0.2))
    assert state_of(run, tmp_path) == "stale"


def without_times_of(values: dict) -> dict:
    return {k: v for k, v in values.items() if k != "training_seconds"}


def without_times(path: Path) -> dict:
    values = read_run(path)
    assert values is not None
    return without_times_of(values)


def test_every_env_step_counts_and_none_is_taken_beyond_the_budget(tiny, tmp_path):
    arms = "plain,oprl,tutorial-agent"
    ladder_of(tmp_path, "--arms", arms, "--seeds", "1", "--algos", "ppo,a2c,own")
    paths = sorted((tmp_path / "runs").rglob("*.json"))
    steps = {read_run(path)["algo"]: read_run(path)["env_steps"] for path in paths}
    assert steps == TINY.budget


def test_a_ladder_that_is_killed_takes_its_runs_with_it(tmp_path):
    command = [
        sys.executable,
        "-m",
        "benchmarks.ladder",
        "--arms",
        "plain",
        "--rungs",
        "Serpentine",
    ]
    options = ["--algos", "ppo", "--seeds", "100:101", "--results", str(tmp_path)]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    failures = tmp_path / "failures"
    for _ in range(600):
        if failures.exists():  # the run is at work
            break
        time.sleep(0.1)
    assert failures.exists()
    process.terminate()
    assert process.wait(timeout=60) == 143
    assert not failures.exists()
    assert not list(tmp_path.glob("runs/**/*.json"))


def test_a_run_that_fails_is_reported_and_the_others_go_on(tmp_path, capfd):
    # `rnd` cannot work with observations that are numbers, and says so.
    arguments = ["--arms", "rnd,plain", "--rungs", "FrozenLake8x8", "--algos", "a2c"]
    quick = replace(RUNGS["FrozenLake8x8"], budget={"a2c": 40})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings.RUNGS, "FrozenLake8x8", quick)
        patch.setattr("oprl_gym.engines.local._context", spawn_free)
        patch.setattr("oprl_gym.engines.local.NICE", 0)
        status = ladder.main([*arguments, "--seeds", "1", "--results", str(tmp_path)])
    captured = capfd.readouterr()
    assert status == 1
    assert "a2c FrozenLake8x8 rnd seed 0: FAILED" in captured.out
    assert "a2c FrozenLake8x8 plain seed 0: 50% never" in captured.out
    assert "RND needs flat observations" in captured.err
    failed = RunId(0, "FrozenLake8x8", "a2c", "rnd")
    assert "flatten" in failed.failure_path(tmp_path).read_text()
    assert read_run(failed.path(tmp_path)) is None


def spawn_free(*_):
    import multiprocessing

    return multiprocessing.get_context("fork")


# Tables


def fake_run(arm: str, seed: int, steps: int | None, **changes) -> dict:
    return {
        "arm": arm,
        "rung": "TwoWalls",
        "algo": "ppo",
        "seed": seed,
        "settings": settings_of(arm, "TwoWalls", "ppo"),
        "commit": "abc",
        "versions": {"python": "3"},
        "training_seconds": {"wall": 1.0, "cpu": 1.0},
        "env_steps": 60_000,
        "episodes": 1,
        "first_success_step": steps,
        "steps_to_90": steps,
        "curve": [0] * 50 + [100] * 50,
        "greedy": {"success": 1.0, "length": 20.0},
        "sampled": {"success": 1.0, "length": 21.0},
        "shortest_path": 20,
        **changes,
    }


def test_a_group_of_runs_comes_to_one_row():
    plain = [fake_run("plain", s, None) for s in range(4)]
    ours = [fake_run("oprl", s, 1000 * s) for s in range(1, 4)]
    longer = {"success": 1.0, "length": 22.0}
    ours.append(fake_run("oprl", 0, None, greedy=longer))
    group = summarise(plain + ours)["ppo", "TwoWalls", "oprl"]
    assert (group.seeds, group.failures, group.greedy_shortest) == (4, 1, 3)
    assert group.steps.value == 2500  # of 1000, 2000, 3000 and 60,000
    assert group.area.value == 0.5
    assert group.improvement is not None
    assert group.improvement.value == (3 + 0.5) / 4


def test_the_headline_is_that_of_the_reported_runs():
    """The pages show what `analyse.py` would write today."""
    mazes, public = read_all(RESULTS), read_all(PUBLIC_RESULTS)
    for table in (MAZES, *PUBLIC):
        shown = headline_table(mazes if table is MAZES else public, table)
        for page in table.pages:
            assert shown in page.read_text(encoding="utf-8"), (table.name, page)


def test_the_suites_that_a_page_names_can_be_run():
    named = re.findall(r"--suite (\S+)", EVIDENCE.read_text(encoding="utf-8"))
    assert named == ["search", "late", "off-policy", "easy", "unseen", "core"]
    assert set(named) <= set(SUITES)


def test_the_headline_says_what_failed():
    runs = [
        fake_run(arm, seed, steps)
        for arm in ("plain", "oprl")
        for seed, steps in enumerate([20_000, 20_000, 20_000, None])
    ]
    *_, row, _, _, seeds = headline_table(runs).splitlines()
    assert seeds == "Seeds: OPRL 4, plain 4."
    assert row.startswith("| TwoWalls | 20,000\xa0(1) | 20,000\xa0(1) |  |")


def test_a_table_says_what_is_earned_in_the_end():
    runs = [
        {**fake_run("oprl", seed, None), "returns": [-200.0, end]}
        for seed, end in enumerate([-12.0, -13.0, -14.0])
    ]
    table = replace(MAZES, ends={"return": ("ppo", "oprl"), "plain": ("ppo", "plain")})
    head, _, row, *_ = headline_table(runs, table).splitlines()
    assert head.endswith("| return | plain |")
    assert row.endswith("| -13 |  |")


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Something else\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        write_headline([], replace(MAZES, pages=(page,)))
    assert page.read_text() == "# Something else\n"


def test_goals_tell_a_miss_from_what_was_not_run():
    runs = [fake_run("oprl", 0, None), fake_run("oracle", 0, 100)]
    claims = goals.check(summarise(runs))
    reliable, elsewhere = claims[0], claims[1]
    assert reliable.state == "**fail** so far (1 seeds)"
    assert "fails: ppo TwoWalls 1/1; 8 not yet run" in reliable.figures
    assert elsewhere.state == "not yet run"


def test_where_neither_gets_there_nothing_is_decided():
    def runs(ours: int | None) -> list[dict]:
        rooms = {
            "rung": "FourRooms",
            "settings": settings_of("oprl", "FourRooms", "ppo"),
        }
        return [
            fake_run("oprl", 0, ours, **rooms),
            fake_run("plain", 0, None, **rooms),
        ]

    def claim(ours: int | None) -> goals.Claim:
        claims = public_goals.check(summarise(runs(ours)))
        return next(one for one in claims if one.goal == "FourRooms")

    assert claim(None).state == "undecided"
    assert claim(None).figures == "undecided: ppo FourRooms neither gets there"
    assert claim(1_000).state == "pass so far (1 seeds)"


def smoke_ladder(folder: Path, failed: int) -> None:
    """Run it; so many of the oracle's runs do not get there."""
    some = ["--jobs", "2", "--seeds", "1", "--algos", "a2c,own"]
    assert ladder.main(["--smoke", *some, "--results", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names >= {"README.md", "summary.csv", "runs.csv", "headline.png"}
    assert "curves-a2c.png" in names
    assert "failures" not in names
    page = (folder / "README.md").read_text()
    assert "--smoke --jobs 2 --seeds 1 --algos a2c,own" in page
    assert f"| a2c | oracle | 1 | {failed} |" in page


def test_a_tiny_ladder_ends_in_tables_and_figures(tiny, tmp_path):
    smoke_ladder(tmp_path, failed=1)


@pytest.mark.long
def test_the_smoke_ladder_ends_in_tables_and_figures(tmp_path):
    smoke_ladder(tmp_path, failed=0)
