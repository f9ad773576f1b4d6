"""Training by people: now, or with answers given before."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from support.label_server import LAYOUT, open_store, random_walk, run_with_pairs

from oprl_gym.cli import main
from oprl_gym.config import OPRLConfig
from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.labelling.clips import FrameClip, MazeClip, from_bytes
from oprl_gym.labelling.recording import ask_about_run, newest_clip
from oprl_gym.preferences import PreferenceStore, ProgressTeacher, Queries, answer_all
from oprl_gym.runs.config import TrainConfig, config_from_dict
from oprl_gym.runs.env import env_facts
from oprl_gym.runs.evaluation import load_reward
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.teaching_config import HUMAN_LEARNER, TeachingConfig
from oprl_gym.training import run as training
from oprl_gym.training.agent import make_algorithm
from oprl_gym.training.envs import make_training_env
from oprl_gym.training.run import resume, train
from oprl_gym.training.teaching import album_for, check_answers, teaching
from oprl_gym.visits import first_visits


def learn(config, path):
    """Train without the figures and evaluations of a whole run; returns the learner."""
    config = config.resolved()
    album = album_for(config, env_facts(config))
    venv = make_training_env(config, album)
    check_answers(config, venv, path)
    model = make_algorithm(config, venv)
    with teaching(config, venv, RunFolder.create(path, config), album) as oprl:
        model.learn(config.total_timesteps, callback=oprl)
    venv.close()
    return oprl.learner


QUICK_HUMAN = OPRLConfig(**HUMAN_LEARNER | {"min_preferences": 1, "gradient_steps": 2})
HUMAN = TrainConfig(
    total_timesteps=4_000,
    teaching=TeachingConfig(teacher="human", max_questions=6),
)


class AnsweringStore(PreferenceStore):
    """A store in which somebody answers as soon as the trainer looks for answers."""

    def log(self, after=0):
        for question in self.questions():
            if self.next_open("ann") == question:
                showing = self.show(question.id, "ann", flipped=False)
                self.answer(showing.id, 1.0)
        return super().log(after)


# --- while training goes on ---------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_a_person_is_asked_and_training_goes_on_without_answers(tmp_path, capsys):
    folder = train(HUMAN, tmp_path / "run")
    hint = f"oprl-gym: now run in another shell: oprl-gym label {folder.path}\n"
    assert capsys.readouterr().err == hint
    with open_store(folder) as store:
        assert len(store.questions()) == 4  # no more than four at a time
        assert store.clip(store.questions()[0].first) is not None
    reward = load_reward(folder)
    assert reward is not None
    assert not reward.fitted  # nobody answered


def test_answers_are_picked_up_between_rollouts(tmp_path, monkeypatch):
    monkeypatch.setattr("oprl_gym.training.teaching.PreferenceStore", AnsweringStore)
    config = replace(HUMAN, learner=QUICK_HUMAN)
    learner = learn(config, tmp_path / "run")
    with open_store(RunFolder(tmp_path / "run")) as store:
        versions = [question.model_version for question in store.questions()]
    # Two after every 1024 steps; the first are answered before the second fit.
    assert versions == [0, 0, 0, 0, 1, 1]
    assert learner.process_reward.fitted
    assert len(learner.memory.preferences) == 6


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_was_broken_off_goes_on_with_the_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("oprl_gym.training.teaching.PreferenceStore", AnsweringStore)
    monkeypatch.setattr("oprl_gym.training.pace.SAVE_EVERY", 1)
    config = replace(HUMAN, learner=QUICK_HUMAN)

    def stop(bar: training.ProgressBar) -> bool:
        if bar.num_timesteps > 0.6 * config.total_timesteps:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patch:
        patch.setattr(training.ProgressBar, "_on_step", stop)
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            train(config, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    with open_store(folder) as store:
        before = len(store.answers())
    assert before > 0
    assert resume(folder.path).summary().total_timesteps >= config.total_timesteps
    with open_store(folder) as store:
        assert len(store.answers()) > before
        digests = [question.id for question in store.questions()]
    assert len(set(digests)) == len(digests)


def test_a_person_may_look_at_pictures_of_any_env(tmp_path):
    teaching = TeachingConfig("human", max_questions=2, segment_length=5)
    config = TrainConfig(
        env_id="CartPole-v1",
        n_envs=2,
        total_timesteps=256,
        teaching=teaching,
        learner=OPRLConfig(update_interval=128),
    )
    learn(config, tmp_path / "run")
    with open_store(RunFolder(tmp_path / "run")) as store:
        clips = [from_bytes(store.clip(digest)) for digest in store.segments()]
    assert all(isinstance(clip, FrameClip) for clip in clips)
    assert {clip.steps for clip in clips} == {5}
    assert {len(clip.images) for clip in clips} == {6}


def test_an_env_without_pictures_cannot_be_judged_by_a_person(tmp_path):
    config = replace(HUMAN, env_id="oprl_blind")
    import gymnasium as gym
    from support.fakes import CountingEnv

    gym.register("oprl_blind", CountingEnv)
    try:
        with pytest.raises(RunError, match="cannot be shown to a person"):
            train(config, tmp_path / "run")
    finally:
        del gym.registry["oprl_blind"]
    assert not (tmp_path / "run").exists()


def test_a_new_run_in_the_same_folder_keeps_the_answers(tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=3)
    with open_store(folder) as store:
        answer_all(store, ProgressTeacher(distance_to_goal(LAYOUT)), "ann")
        before = store.answers()
    RunFolder.create(folder.path, TrainConfig(), overwrite=True)
    with open_store(folder) as store:
        assert store.answers() == before != []


# --- with answers given before ------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Return the store of a run in which sixty pairs were compared."""
    folder = run_with_pairs(tmp_path_factory.mktemp("labelled") / "run", pairs=60)
    with open_store(folder) as store:
        answer_all(store, ProgressTeacher(distance_to_goal(LAYOUT)), "ann")
    return folder.preferences


def offline(path, **changes):
    teaching = TeachingConfig(preferences=str(path))
    config = TrainConfig(
        env_id="OPRLMaze-TwoWallsLong-v0", total_timesteps=1_024, teaching=teaching
    )
    return replace(config, **changes)


def test_a_run_learns_from_the_answers_of_another(tmp_path, labelled):
    learner = OPRLConfig(gradient_steps=30)
    config = offline(labelled, env_reward_weight=0.0, learner=learner)
    reward = learn(config, tmp_path / "run").process_reward
    rng = np.random.default_rng(1)
    fresh = [random_walk(rng) for _ in range(60)]
    teacher = ProgressTeacher(distance_to_goal(LAYOUT))
    right = []
    for first, second in zip(fresh[::2], fresh[1::2], strict=True):
        label = teacher.judge(first, second)
        sums = [reward.score_episode(one).sum() for one in (first, second)]
        if label is not None:
            right.append((sums[0] > sums[1]) == (label == 1.0))
    assert len(right) > 20
    assert np.mean(right) > 0.75
    assert not RunFolder(tmp_path / "run").preferences.exists()


def test_nobody_is_asked_when_answers_are_read(tmp_path, labelled):
    with PreferenceStore(labelled) as store:
        before = store.questions()
        learner = OPRLConfig(gradient_steps=1)
        learn(offline(labelled, learner=learner), tmp_path / "run")
        assert store.questions() == before


def test_answers_about_another_env_are_refused(tmp_path, labelled):
    config = offline(labelled, env_id="OPRLMaze-16x16-v0")
    with pytest.raises(RunError, match=r"shape \(64,\), but this env's have \(256,\)"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_store_that_is_none_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no store at all " * 100)
    with pytest.raises(RunError, match=r"notes\.txt is no preference store"):
        train(offline(path), tmp_path / "run")
    missing = tmp_path / "missing.sqlite"
    with pytest.raises(RunError, match=r"there is no .*missing\.sqlite"):
        train(offline(missing), tmp_path / "run")
    assert not missing.exists()


# --- settings -----------------------------------------------------------------------


def test_with_a_person_the_learner_has_other_defaults_unless_told_otherwise():
    learner = HUMAN.resolved().learner
    for name, value in HUMAN_LEARNER.items():
        assert getattr(learner, name) == value
    usual = OPRLConfig()
    assert replace(HUMAN, learner=usual).resolved().learner == usual
    assert TrainConfig().resolved().learner == usual
    told = {"teaching": asdict(HUMAN.teaching), "learner": {"update_interval": 256}}
    own = config_from_dict(told).learner
    assert own == OPRLConfig(**HUMAN_LEARNER | {"update_interval": 256})


@pytest.mark.parametrize(
    ("arguments", "interval"),
    [
        ([], 256),
        (["--teacher", "human"], 1024),
        (["--teacher", "human", "--learner.update-interval", "256"], 256),
    ],
)
def test_the_command_line_takes_what_equals_a_default_as_given(
    arguments, interval, monkeypatch
):
    seen = []

    def note(config: TrainConfig, *_: object) -> None:
        seen.append(config.learner.update_interval)
        raise RunError("seen")

    monkeypatch.setattr(training, "train", note)
    assert main(["train", *arguments]) == 2
    assert seen == [interval]


def test_the_config_file_brings_the_settings_back(tmp_path):
    assert config_from_dict(asdict(HUMAN)) == HUMAN
    with pytest.raises(ValueError, match=r"unknown key teaching\.nothing"):
        config_from_dict({"teaching": {"nothing": 1}})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"teacher": "robot"}, "teacher must be one of rule, human"),
        ({"teacher": "human", "wait_for_labels": -1}, "wait_for_labels must be an"),
        ({"teacher": "human", "max_questions": -1}, "max_questions must be an"),
        ({"wait_for_labels": 3}, "no effect without teacher='human'"),
        ({"queries": "best"}, "choice must be one of"),
        ({"segment_length": 0}, "segment_length must be an integer of at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        TeachingConfig(**changes)


def test_answers_need_a_process_reward_to_go_into():
    with pytest.raises(ValueError, match="a run without oprl learns from no answers"):
        TrainConfig(oprl=False, teaching=TeachingConfig("human"))


def test_one_model_alone_disagrees_with_nobody():
    teaching = TeachingConfig("human", queries="disagreement")
    with pytest.raises(ValueError, match="there is one; take ensemble_size=3"):
        TrainConfig(teaching=teaching)
    several = TrainConfig(teaching=teaching, learner=OPRLConfig(ensemble_size=3))
    assert several.teaching.queries == "disagreement"


# --- oprl-gym label -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_finished_run_can_be_labelled(tmp_path):
    config = TrainConfig(total_timesteps=512, learner=OPRLConfig(gradient_steps=1))
    folder = train(config, tmp_path / "run")
    rng = np.random.default_rng(0)
    with open_store(folder) as store:
        assert ask_about_run(folder, store, 5, Queries("entropy"), rng) == 5
        for question in store.questions():
            first = store.trajectory(question.first)
            seen = first_visits(first.observations)
            assert first.first_visits.tolist() == seen.tolist()
            assert len(from_bytes(store.clip(question.first)).cells) == len(first) + 1
        lengths = {len(store.trajectory(digest)) for digest in store.segments()}
        assert max(lengths) == 60
    clip = newest_clip(folder)
    assert isinstance(clip, MazeClip)
    assert clip.steps == 60
    assert newest_clip(folder) == clip  # by the run's own seed
    reward = load_reward(folder)
    assert reward is not None
    scores = reward.score(first.observations[1:], seen[1:])
    # Scored together, not step by step: the last bit of a float32 may differ.
    assert first.process_rewards == pytest.approx(scores, abs=1e-6)


def test_answers_go_in_and_out_by_command(tmp_path, capsys, labelled):
    folder = run_with_pairs(tmp_path / "run", pairs=2)
    with open_store(folder) as store:
        answer_all(store, ProgressTeacher(distance_to_goal(LAYOUT)), "ann")
        n = len(store.answers())
    out = tmp_path / "all.jsonl"
    assert main(["label", str(folder.path), "--export-to", str(out)]) == 0
    assert capsys.readouterr().out == f"{n} answers written\n"
    other = run_with_pairs(tmp_path / "other", pairs=0)
    assert main(["label", str(other.path), "--import-from", str(out)]) == 0
    assert capsys.readouterr().out == f"{n} answers added\n"
    with open_store(other) as store:
        assert len(store.answers()) == n


def test_the_store_that_a_run_asks_through_is_labelled(tmp_path, capsys, labelled):
    teaching = TeachingConfig("human", preferences=str(labelled))
    folder = RunFolder.create(tmp_path / "run", TrainConfig(teaching=teaching))
    out = tmp_path / "all.csv"
    assert main(["label", str(folder.path), "--export-to", str(out)]) == 0
    with PreferenceStore(labelled) as store:
        n = len(store.answers())
    assert capsys.readouterr().out == f"{n} answers written\n"
    assert not folder.preferences.exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--export-to", "all.txt"], "ends in neither .jsonl nor .csv"),
        (["--import-from", "missing.csv"], "cannot be read"),
        (["--annotator", ""], "an annotator's name has 1 to 100"),
        (["--repeats", "2", "--annotator", "ann"], "the share of repeats is in [0, 1]"),
        (["--port", "99999", "--annotator", "ann"], "port 99999 cannot be used"),
    ],
)
def test_bad_options_are_named(tmp_path, monkeypatch, capsys, options, reason):
    monkeypatch.chdir(tmp_path)
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    assert main(["label", str(folder.path), *options]) == 2
    assert reason in capsys.readouterr().err


def test_the_page_says_what_it_needs(tmp_path, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.delitem(sys.modules, "oprl_gym.labelling.web", raising=False)
    monkeypatch.delitem(sys.modules, "oprl_gym.labelling.guard", raising=False)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    assert main(["label", str(folder.path), "--annotator", "ann"]) == 2
    assert "pip install 'oprl-gym[label]'" in capsys.readouterr().err


def test_ctrl_c_ends_the_server_in_one_line(tmp_path):
    import signal
    import subprocess
    import sys

    folder = run_with_pairs(tmp_path / "run", pairs=1)
    server = subprocess.Popen(
        [sys.executable, "-m", "oprl_gym", "label", str(folder.path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a shell starts it; one that runs tests may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert server.stdout is not None
    address = server.stdout.readline()
    assert address.startswith("http://127.0.0.1:")
    import urllib.request

    assert urllib.request.urlopen(address.strip()).status == 200
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=20)
    assert (out, err) == ("", "oprl-gym: interrupted\n")
    assert server.returncode == 130


def test_what_is_no_run_is_named(tmp_path, capsys):
    assert main(["label", str(tmp_path / "nothing")]) == 2
    assert "there is no run folder" in capsys.readouterr().err
    assert main(["label", str(tmp_path)]) == 2
    assert "it has no config.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert RunFolder(tmp_path).is_finished() is False
