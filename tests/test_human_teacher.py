"""A teacher who answers through a store, and files that answers travel in."""

import csv
import json

import numpy as np
import pytest
from gymnasium import spaces
from support.fakes import trajectory

from oprl_gym import OPRLConfig, OPRLLearner
from oprl_gym.preferences import (
    HumanTeacher,
    LateAnswers,
    PreferenceStore,
    ReturnTeacher,
    answer_all,
)
from oprl_gym.preferences.store.exchange import export_answers, import_answers

WIN, LOSS, OTHER = trajectory([0, 1], [10.0]), trajectory([0, 2]), trajectory([0, 3])


@pytest.fixture
def store(tmp_path):
    with PreferenceStore(tmp_path / "store.sqlite") as store:
        yield store


def answer(store, label, annotator="ann", repeat=False):
    """Answer the next open question, or the first one again."""
    question = store.questions()[0] if repeat else store.next_open(annotator)
    showing = store.show(question.id, annotator, flipped=False, repeat=repeat)
    return store.answer(showing.id, label)


# --- the teacher --------------------------------------------------------------------


def test_judging_asks_and_collecting_returns_the_answer(store):
    teacher = HumanTeacher(store, picture=lambda segment: b"clip")
    assert teacher.judge(WIN, LOSS) is None
    assert teacher.collect(0).given == []
    answer(store, 1.0)
    (preference,) = teacher.collect(1).given
    assert preference.label == 1.0
    assert (preference.first.observations == WIN.observations).all()
    assert (preference.second.env_rewards == LOSS.env_rewards).all()
    assert teacher.collect(1).given == []
    assert store.clip(store.questions()[0].first) == b"clip"


def test_a_teacher_that_goes_on_from_a_state_collects_all_once_more(store):
    """Also one that collected them before, in the same process."""
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    answer(store, 1.0)
    before = teacher.collect(0).given
    teacher.load_state(teacher.state(), [])
    late = teacher.collect(1)
    assert [one.label for one in late.given] == [one.label for one in before] == [1.0]
    assert late.again == 1


def test_those_who_answer_are_told_how_much_is_to_come(store):
    limited = HumanTeacher(store, max_questions=3)
    limited.collect(0)
    assert store.to_come() == 3
    limited.judge(WIN, LOSS)
    limited.judge(WIN, OTHER)
    assert store.to_come() == 1
    HumanTeacher(store, max_questions=0).collect(0)  # which asks nothing
    assert store.to_come() == 1
    HumanTeacher(store).collect(0)
    assert store.to_come() is None


@pytest.mark.parametrize(("label", "odds"), [(0.75, 3.0), (1.0, 9.0), (0.99, 99.0)])
def test_a_margin_is_learned_as_the_odds_it_stands_for(store, label, odds):
    """A bare answer as odds of 9 to 1, by the learner's label_smoothing."""
    better = trajectory(range(11), n_states=21)
    worse = trajectory([0, *range(11, 21)], n_states=21)
    settings = OPRLConfig(
        hidden_size=16,
        learning_rate=1e-2,
        min_preferences=1,
        gradient_steps=100,
        pairs_per_update=1,
    )
    spaces_ = spaces.Box(0, 1, (21,)), spaces.Discrete(2)
    learner = OPRLLearner(*spaces_, settings, HumanTeacher(store), seed=0)
    store.ask(better, worse)
    answer(store, label)
    learner.update([])
    sums = [learner.process_reward.score_episode(one).sum() for one in (better, worse)]
    assert np.exp(sums[0] - sums[1]) == pytest.approx(odds, rel=0.2)


def test_the_model_version_is_noted_with_the_question(store):
    teacher = HumanTeacher(store)
    teacher.collect(model_version=4)
    teacher.judge(WIN, LOSS)
    assert [question.model_version for question in store.questions()] == [4]


def test_who_goes_on_from_a_state_is_told_which_answers_it_knew(store):
    """All come once more, as they are in the store; but they are not news."""
    teacher = HumanTeacher(store)
    for state in (4, 5, 6):
        teacher.judge(WIN, trajectory([0, state], n_states=20))
    answer(store, 0.0)
    answer(store, 1.0)
    assert teacher.collect(1).again == 0
    state = teacher.state()
    store.undo("ann")
    answer(store, 0.5)
    other = HumanTeacher(store)
    other.load_state(state, [])
    late = other.collect(1)
    assert [one.label for one in late.given] == [0.0, 0.5]
    assert late.again == 1
    assert other.collect(1) == LateAnswers([], [], 0)
    third = HumanTeacher(store)
    third.load_state(other.state(), [])
    assert third.collect(1).again == 2


def test_what_cannot_be_shown_is_not_asked(store):
    teacher = HumanTeacher(store, picture=lambda segment: None)
    teacher.judge(WIN, LOSS)
    assert store.questions() == []
    assert teacher.asked == 0


def test_it_asks_no_more_than_it_may(store):
    teacher = HumanTeacher(store, max_open=2, max_questions=3)
    for state in range(4, 9):
        teacher.judge(WIN, trajectory([0, state], n_states=20))
    assert store.open_questions() == 2
    answer(store, 1.0)
    answer(store, 1.0)
    for state in range(10, 15):
        teacher.judge(WIN, trajectory([0, state], n_states=20))
    assert len(store.questions()) == teacher.asked == 3


def test_it_is_done_once_all_that_may_be_asked_is_answered(store):
    limited, unlimited = HumanTeacher(store, max_questions=1), HumanTeacher(store)
    for teacher in (limited, unlimited):
        teacher.collect(0)
        assert not teacher.done
    limited.judge(WIN, LOSS)
    limited.collect(0)
    assert not limited.done  # somebody may still answer
    answer(store, 1.0)
    for teacher in (limited, unlimited):
        teacher.collect(1)
    assert (limited.done, unlimited.done) == (True, False)


def test_nobody_is_asked_the_same_twice_nor_about_twins(store):
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    teacher.judge(LOSS, WIN)
    teacher.judge(WIN, trajectory([0, 1], [10.0]))
    HumanTeacher(store).judge(WIN, LOSS)  # nor by the run that follows
    assert len(store.questions()) == teacher.asked == 1


def test_undone_answers_are_withdrawn(store):
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    answer(store, 1.0)
    (given,) = teacher.collect(0).given
    store.undo("ann")
    answer(store, 0.0)
    late = teacher.collect(0)
    assert [id(one) for one in late.withdrawn] == [id(given)]
    assert [one.label for one in late.given] == [0.0]


def test_what_is_undone_before_it_is_read_never_shows(store):
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    answer(store, 1.0)
    store.undo("ann")
    late = teacher.collect(0)
    assert (late.given, late.withdrawn) == ([], [])


def test_cannot_tell_and_repeats_teach_nothing(store):
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    teacher.judge(WIN, OTHER)
    answer(store, 1.0)
    answer(store, None)
    answer(store, 0.0, repeat=True)
    assert [one.label for one in teacher.collect(0).given] == [1.0]


def test_a_segment_asked_about_twice_is_one_object(store):
    """What the learner derives from a trajectory it keeps by object."""
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    teacher.judge(WIN, OTHER)
    answer(store, 1.0)
    answer(store, 1.0)
    one, two = teacher.collect(0).given
    assert one.first is two.first


def test_it_waits_for_the_first_answers_as_far_as_it_has_asked(store):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        answer(store, 1.0)  # the person in the other shell

    teacher = HumanTeacher(store, wait_for=2, sleep=nap)
    assert teacher.collect(0).given == []  # nothing was asked
    for first, second in ((WIN, LOSS), (WIN, OTHER), (LOSS, OTHER)):
        teacher.judge(first, second)
    assert len(teacher.collect(0).given) == 2
    assert len(naps) == 2
    teacher.judge(WIN, trajectory([0, 0]))
    assert teacher.collect(0).given == []  # the third is not waited for
    assert len(naps) == 2


def test_answers_to_an_earlier_run_are_not_waited_for(store):
    HumanTeacher(store).judge(WIN, LOSS)
    answer(store, 1.0)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        answer(store, 1.0)

    teacher = HumanTeacher(store, wait_for=1, sleep=nap)
    teacher.judge(WIN, OTHER)
    assert len(teacher.collect(0).given) == 2  # but they are learned from
    assert len(naps) == 1


def test_answers_of_other_sources_count_by_their_weight(store):
    teacher = HumanTeacher(store)
    teacher.judge(WIN, LOSS)
    teacher.judge(LOSS, OTHER)
    assert answer_all(store, ReturnTeacher(), "return", weight=0.25) == 1
    answer(store, 0.0)
    given = teacher.collect(0).given
    assert [(one.label, one.weight) for one in given] == [(1.0, 0.25), (0.0, 1.0)]
    assert answer_all(store, ReturnTeacher(), "return") == 0  # not a second time
    assert [row.source for row in store.answers()] == ["synthetic", "human"]


@pytest.mark.parametrize(
    ("name", "value"), [("max_open", 0), ("max_questions", -1), ("wait_for", -1)]
)
def test_bad_numbers_are_named(store, name, value):
    with pytest.raises(ValueError, match=f"{name} must be . or more, got {value}"):
        HumanTeacher(store, **{name: value})


def test_a_learner_learns_from_a_person_and_forgets_what_was_undone(store, rng):
    config = OPRLConfig(hidden_size=16, min_preferences=1, pairs_per_update=2)
    learner = OPRLLearner(
        spaces.Box(0, 1, (4,), np.float32),
        spaces.Discrete(2),
        config,
        HumanTeacher(store),
        seed=0,
    )
    report = learner.update([WIN, LOSS])
    assert (report.new_preferences, report.gradient_steps) == (0, 0)
    assert len(store.questions()) == 1
    answer(store, 1.0)
    report = learner.update([])
    assert (report.preferences, report.gradient_steps) == (1, config.gradient_steps)
    assert learner.process_reward.fitted
    store.undo("ann")
    assert learner.update([]).preferences == 0


def test_a_person_cannot_judge_all_at_once(store):
    """So that a learner with the default settings asks about pairs."""
    assert HumanTeacher(store).labels([WIN, LOSS]) is None
    config = OPRLConfig(hidden_size=8)
    assert config.pairs_per_update == "all"
    box = spaces.Box(0, 1, (4,), np.float32)
    teacher = HumanTeacher(store)
    OPRLLearner(box, spaces.Discrete(2), config, teacher, seed=0).update([WIN, LOSS])
    assert len(store.questions()) == 1


def test_a_learner_that_goes_on_has_each_answer_once(store):
    """They come out of the store again, those undone meanwhile excepted."""

    def new() -> OPRLLearner:
        config = OPRLConfig(hidden_size=8, min_preferences=1)
        teacher = HumanTeacher(store, max_questions=3)
        box = spaces.Box(0, 1, (4,), np.float32)
        return OPRLLearner(box, spaces.Discrete(2), config, teacher, seed=0)

    learner = new()
    learner.update([WIN, LOSS, OTHER])
    for label in (1.0, 0.0, 1.0):
        answer(store, label)
    assert learner.update([]).preferences == 3
    store.undo("ann")
    again = new()
    again.load_state(learner.state())
    assert again.update([]).preferences == 2
    assert again.teacher.asked == 3  # all that may be asked
    assert again.model_version == learner.model_version  # nothing new to fit to


# --- export and import --------------------------------------------------------------


def filled(store):
    teacher = HumanTeacher(store, picture=lambda segment: b"clip", max_open=9)
    teacher.collect(2)
    for first, second in ((WIN, LOSS), (WIN, OTHER), (LOSS, OTHER)):
        teacher.judge(first, second)
    answer(store, 1.0)
    answer(store, None, 'Çem, "quoted"\nand <b>bold</b>')
    answer(store, 0.5)
    store.undo("ann")
    answer(store, 0.0, repeat=True)
    answer_all(store, ReturnTeacher(), "return", 0.1)
    return export_rows(store)


def export_rows(store):
    """Return what is told of every answer, without the store's own numbers."""
    from oprl_gym.preferences.store.records import Record

    return [Record.of(row) for row in store.answers()]


@pytest.mark.parametrize("name", ["all.jsonl", "all.csv"])
def test_answers_travel_to_another_store(store, tmp_path, name):
    rows = filled(store)
    assert export_answers(store, tmp_path / name) == len(rows) == 5
    with PreferenceStore(tmp_path / "other.sqlite") as other:
        for side in (WIN, LOSS, OTHER):  # a table tells nothing of segments
            other.add_segment(side)
        assert import_answers(other, tmp_path / name) == 5
        assert export_rows(other) == rows
        assert import_answers(other, tmp_path / name) == 0  # not a second time
        assert len(other.answers()) == 5


def test_json_lines_bring_segments_and_clips_with_them(store, tmp_path):
    filled(store)
    export_answers(store, tmp_path / "all.jsonl")
    with PreferenceStore(tmp_path / "other.sqlite") as other:
        import_answers(other, tmp_path / "all.jsonl")
        assert other.segments() == store.segments()
        for digest in store.segments():
            assert other.packed(digest) == store.packed(digest)
            assert other.clip(digest) == b"clip"
        assert len(HumanTeacher(other).collect(0).given) == 3


def test_a_table_about_unknown_segments_is_refused(store, tmp_path):
    filled(store)
    export_answers(store, tmp_path / "all.csv")
    with PreferenceStore(tmp_path / "other.sqlite") as other:
        with pytest.raises(ValueError, match=r"all\.csv, line 2: there is no segment"):
            import_answers(other, tmp_path / "all.csv")
        assert other.answers() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": 2}, "a label is a probability"),
        ({"label": "1"}, "its label is '1'"),
        ({"weight": 0}, "a weight is a positive number"),
        ({"source": "oracle"}, "source must be one of"),
        ({"flipped": 1}, "its flipped is 1"),
        ({"annotator": None}, "its annotator is None"),
        ({"extra": 1}, "unexpected keyword argument 'extra'"),
        ({"first": "../../etc/passwd"}, "there is no segment"),
    ],
)
def test_damaged_answers_are_refused_by_line(store, tmp_path, change, reason):
    filled(store)
    path = tmp_path / "all.jsonl"
    export_answers(store, path)
    lines = path.read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), **change})
    path.write_text("\n".join(lines))
    with PreferenceStore(tmp_path / "other.sqlite") as other:
        with pytest.raises(ValueError, match=f"line {len(lines)}: .*{reason}"):
            import_answers(other, path)
        assert len(other.answers()) == 4


def test_segments_that_are_not_what_they_say_are_refused(store, tmp_path):
    filled(store)
    path = tmp_path / "all.jsonl"
    export_answers(store, path)
    lines = path.read_text().splitlines()
    one, two = json.loads(lines[1]), json.loads(lines[2])
    for arrays in (two["arrays"], "no base 64!", "gASVAAAA"):
        lines[1] = json.dumps({**one, "arrays": arrays})
        path.write_text("\n".join(lines))
        with PreferenceStore(":memory:") as other:
            with pytest.raises(ValueError, match="line 2: "):
                import_answers(other, path)
            assert other.segments() == []


def test_files_of_other_kinds_are_refused(store, tmp_path):
    with pytest.raises(ValueError, match=r"ends in neither \.jsonl nor \.csv"):
        export_answers(store, tmp_path / "all.pickle")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"format": "something else"}\n')
    with pytest.raises(ValueError, match="line 1: it does not begin with the format"):
        import_answers(store, wrong)
    with pytest.raises(ValueError, match="cannot be read"):
        import_answers(store, tmp_path / "missing.csv")
    wrong.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be read"):
        import_answers(store, wrong)


def test_a_table_can_be_read_by_anybody(store, tmp_path):
    filled(store)
    export_answers(store, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["1.0", "", "0.0", "1.0", "1.0"]
    assert "Çem" in rows[1]["annotator"]
    assert not list(tmp_path.glob("*.partial"))
