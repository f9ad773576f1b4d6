"""``oprl-gym compare``: the rule of its verdict, what it leaves, what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support.sweeping import run_folders

from oprl_gym.cli import main
from oprl_gym.cli.workers import Workers
from oprl_gym.engines import Outcome
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.episode_log import Episode, EpisodeLog
from oprl_gym.runs.measures import luck, ratio
from oprl_gym.sweep.compare import comparing, words
from oprl_gym.sweep.compare.answer import answer
from oprl_gym.sweep.compare.arms import (
    BESIDE,
    FIRST_VISITS,
    OPRL,
    PLAIN,
    STEP_COST,
    entries,
)
from oprl_gym.sweep.compare.figure import draw_compare, spread
from oprl_gym.sweep.compare.looking import pays_late
from oprl_gym.sweep.compare.scores import ArmScores, Scores, lost_steps
from oprl_gym.sweep.compare.verdict import verdict

BUDGET = 1000


def steps(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


# The rule


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ((500, 510, 520), (900, 950, 990), "helps"),
        ((900, 950, 990), (500, 510, 520), "hurts"),
        ((500, 510, 520), (505, 515, 500), "does not help"),
        ((1000, 1000, 1000), (1000, 1000, 1000), "does not help"),
        # One of three never learned: luck comes to that in 4 of 20 cases.
        ((400, 410, 1000), (1000, 1000, 1000), "cannot tell yet"),
        # All three are sooner, but by less than a fifth.
        ((900, 910, 920), (990, 991, 992), "does not help"),
        ((100, 110), (900, 990), "cannot tell yet"),
        ((100,), (900,), "cannot tell yet"),
    ],
)
def test_the_verdict_by_hand(ours, theirs, told):
    assert verdict(steps(*ours), steps(*theirs)).answer == told


def test_luck_alone_orders_three_and_three_in_one_case_of_twenty():
    assert luck(steps(1, 2, 3), steps(4, 5, 6)) == pytest.approx(1 / 20)
    assert luck(steps(4, 5, 6), steps(1, 2, 3)) == 1.0
    assert luck(steps(1, 2, 5, 5), steps(5, 5, 5, 5)) == pytest.approx(
        # Both that differ are ours: 4 * 3 of 8 * 7 ways.
        12 / 56
    )


def test_the_interval_is_welchs():
    """Two and two: one degree... of freedom by hand where both spread alike is 2."""
    found = ratio(steps(1, np.e**2), steps(1, np.e**2))
    # Each mean logarithm has the variance 2 / 2; t(0.95, 2 degrees) is 2.92.
    assert np.log([found.value, found.low, found.high]) == pytest.approx(
        [0, -2.92 * np.sqrt(2), 2.92 * np.sqrt(2)], abs=1e-3
    )


def test_how_many_more_seeds_would_tell():
    assert verdict(steps(100), steps(900)).more_seeds == 2
    assert verdict(steps(400, 410, 1000), steps(1000, 1000, 1000)).more_seeds == 2
    assert verdict(steps(500, 510, 520), steps(900, 950, 990)).more_seeds == 0
    # A fifth to the point: no number of seeds says on which side.
    assert verdict(steps(710, 810, 920), steps(900, 1000, 1120)).more_seeds is None


@pytest.mark.parametrize(
    ("training", "lost"), [(0.0, 1000), (0.75, 250), (1.0, 10), (-0.5, 1000)]
)
def test_steps_lost(training, lost):
    """A curve that jumps from 0 to 1 after 250 steps of 1000 has a mean of 0.75."""
    assert lost_steps(training, BUDGET, 0.0, 1.0) == pytest.approx(lost)


# The answer


def arm(name: str, *lost: float, seconds: float = 10.0) -> ArmScores:
    log = EpisodeLog.of(
        Episode(10 * i, float(i > 50), 10, i > 50) for i in range(1, 101)
    )
    count = len(lost)
    share = 1 - np.array(lost) / BUDGET
    times = np.full(count, seconds)
    return ArmScores(name, (log,) * count, share, share, np.array(lost, float), times)


def of(*arms: ArmScores):
    return answer(Scores(True, BUDGET, arms))


SLOW, FAST, FASTER = (820, 870, 910), (500, 510, 520), (300, 310, 320)
NOTHING = (950, 1000, 990)


@pytest.mark.parametrize(
    ("cost", "visits", "oprl", "use", "as_good"),
    [
        (SLOW, SLOW, FAST, OPRL, None),
        (FAST, SLOW, FAST, STEP_COST, STEP_COST),
        (FAST, FASTER, FAST, FIRST_VISITS, FIRST_VISITS),  # the better of two
        (FAST, SLOW, FASTER, OPRL, None),
        (SLOW, FAST, SLOW, FIRST_VISITS, None),
        (SLOW, SLOW, SLOW, PLAIN, None),
        (SLOW, SLOW, (400, 410, 1000), None, None),
    ],
)
def test_what_to_use(cost, visits, oprl, use, as_good):
    found = of(
        arm(PLAIN.name, *SLOW),
        arm(STEP_COST.name, *cost),
        arm(FIRST_VISITS.name, *visits),
        arm(OPRL.name, *oprl, seconds=14.0),
    )
    assert found.use is use
    assert found.as_good is as_good
    assert found.times_as_long() == pytest.approx(1.4)
    said = " ".join(words.sentences(found))
    assert ("is simpler" in said) == (as_good is not None)
    assert "takes 1.4 times as long" in said
    assert (words.to_write(found) == []) == (use is None)


def test_a_rival_that_is_better_is_called_better():
    arms = [arm(PLAIN.name, *SLOW), arm(FIRST_VISITS.name, *FASTER)]
    found = of(*arms, arm(OPRL.name, *FAST))
    assert "first-visit bonus does better" in " ".join(words.sentences(found))


def test_seeds_tell_nothing_where_nothing_was_learned():
    found = of(arm(PLAIN.name, *NOTHING), arm(OPRL.name, *NOTHING))
    assert words.headline(found, "X").endswith("cannot tell yet")
    assert "more seeds tell nothing. Give more" in words.sentences(found)[0]


def test_without_a_finished_run_of_both_nothing_is_said():
    found = of(arm(OPRL.name, *FAST))
    assert "finished run of plain and of OPRL" in words.sentences(found)[0]
    assert "OPRL" in words.table(found)


def test_where_no_episode_ended_it_is_said(tmp_path, capsys):
    comparing._report((), tmp_path, TrainConfig(), late=False)
    said = capsys.readouterr().out
    assert "cannot tell yet" in said
    assert "in which an episode ended: give more --total-timesteps" in said
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert (told["answer"], told["arms"]) == ("cannot tell yet", [])


def test_scripts_read_the_same():
    found = of(arm(PLAIN.name, *SLOW), arm(OPRL.name, *FAST))
    told = json.loads(words.as_json(found, TrainConfig(), late=False))
    assert (told["answer"], told["use"], told["more_seeds"]) == ("helps", "OPRL", 0)
    assert told["arms"][1]["beside_plain"]["ratio"]["value"] == pytest.approx(
        0.59, abs=0.01
    )


# The figure


def test_the_figure_has_every_arm_in_its_colour(tmp_path):
    path = tmp_path / "compare.png"
    arms = [arm(one.name, *FAST) for one in entries(left_out=True)]
    draw_compare(Scores(True, BUDGET, tuple(arms)), "It helps", path)
    with Image.open(path) as picture:
        width = picture.size[0]
        names = np.asarray(picture.convert("RGB"))[:, int(0.83 * width) :]
    for color in [(92, 100, 112), (224, 123, 38), (22, 145, 106), (79, 70, 229)]:
        assert (np.abs(names.astype(int) - color).sum(axis=-1) < 20).sum() > 20


def test_names_that_would_lie_over_each_other_are_moved():
    placed = spread({"a": 0.9, "b": 0.5, "c": 0.52, "d": 0.1}, 0.1)
    assert placed == pytest.approx({"d": 0.1, "b": 0.46, "c": 0.56, "a": 0.9})
    heights = list(spread(dict.fromkeys("abcde", 0.5), 0.1).values())
    assert np.diff(heights) == pytest.approx(0.1)


# Looking at the env


@pytest.mark.parametrize(
    ("env_id", "late"),
    [
        ("CartPole-v1", False),
        ("OPRLMaze-v0", False),
        ("examples.my_env:LateCartPole-v0", True),
    ],
)
def test_whether_an_env_pays_late(env_id, late):
    assert pays_late(TrainConfig(env_id=env_id)) is late


def test_what_is_late_is_tried_in_both_ways():
    assert [one for one in entries(True) if one not in entries(False)] == [BESIDE]


# The command


class Here:
    """Does tasks in this process, which is faster for small ones."""

    def run(self, tasks, watcher):
        for task in tasks:
            watcher.started(task)
            task.call()
            watcher.ended(Outcome(task, 0.0, None))


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_from_begin_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Workers, "make", lambda *_: Here())
    out = tmp_path / "out"
    command = ["compare", "--env-id", "CartPole-v1", "--seeds", "1", "--out", str(out)]
    command += ["--algo", "a2c", "--total-timesteps", "300", "--n-envs", "2"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "4 runs: 0 finished, 0 half-run, 4 to begin" in printed
    assert "CartPole-v1: cannot tell yet whether OPRL helps." in printed
    assert "the same command with --seeds 3 goes on from here" in printed
    assert "return in training" in printed
    names = {"runs", "runs.csv", "summary.csv", "compare.png", "verdict.json"}
    assert {path.name for path in out.iterdir()} == names
    told = json.loads((out / "verdict.json").read_text())
    arms = ["plain", "cost per step", "first-visit bonus", "OPRL"]
    assert [one["name"] for one in told["arms"]] == arms
    assert (told["compared_by"], told["pays_late"]) == ("return", False)
    bonuses = {run.config().bonus for run in run_folders(tmp_path)}
    assert bonuses == {"none", "step-cost", "first-visit"}

    before = (out / "verdict.json").read_bytes()
    assert main(command) == 0
    assert "4 finished, 0 half-run, 0 to begin" in capsys.readouterr().out
    assert (out / "verdict.json").read_bytes() == before


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--seeds", "0"], "--seeds must be from 1"),
        (["--no-oprl"], "leave out --no-oprl"),
        (["--teacher", "human"], "leave out --teacher"),
        (["--env-id", "Nowhere-v0"], "cannot make Nowhere-v0"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--engine", "ray", "--device", "cuda"], "no GPU"),
    ],
)
def test_wrong_arguments_get_one_line(wrong, told, tmp_path, capsys):
    assert main(["compare", "--out", str(tmp_path / "out"), *wrong]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
