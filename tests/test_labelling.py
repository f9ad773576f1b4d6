"""What all front ends share: sessions, clips, playing."""

import io
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from support.fakes import trajectory
from support.label_server import LAYOUT, walk

from oprl_gym.labelling.album import Album, Photographer, jpeg
from oprl_gym.labelling.clips import (
    FrameClip,
    MazeClip,
    from_bytes,
    maze_picture,
    to_bytes,
)
from oprl_gym.labelling.pictures import lines, pixels
from oprl_gym.labelling.player import Player
from oprl_gym.labelling.session import LabellingSession, Progress, label_of
from oprl_gym.preferences import PreferenceStore, segment
from oprl_gym.types import Trajectory

PICTURE = maze_picture(LAYOUT)


@pytest.fixture
def store(tmp_path):
    with PreferenceStore(tmp_path / "store.sqlite") as store:
        yield store


def ask(store, n, **kwargs):
    ways = [walk("d" * (number + 1)) for number in range(n + 1)]
    return [
        store.ask(a, b, (PICTURE(a), PICTURE(b)), **kwargs) for a, b in pairwise(ways)
    ]


def session(store, seed=0, name="ann", repeats=0.0):
    return LabellingSession(store, name, np.random.default_rng(seed), repeats)


# --- sessions -----------------------------------------------------------------------


def test_left_and_right_are_what_the_person_sees(store):
    ask(store, 20)
    subject = session(store)
    for _ in range(20):
        shown = subject.current()
        better = "left" if shown.left.steps > shown.right.steps else "right"
        subject.answer(shown.showing, better)
    rows = store.answers()
    assert {row.label for row in rows} == {0.0}  # the second went further, always
    flips = sum(row.showing.flipped for row in rows)
    assert 4 <= flips <= 16


@pytest.mark.parametrize(
    ("choice", "label"),
    [
        ("left", 1.0),
        ("left_much", 0.99),
        ("left_little", 0.75),
        ("equal", 0.5),
        ("right_little", 0.25),
        ("right_much", 0.01),
        ("right", 0.0),
        ("skip", None),
    ],
)
def test_labels_are_about_the_first(choice, label):
    assert label_of(choice, flipped=False) == label
    turned = None if label is None else round(1.0 - label, 2)
    assert label_of(choice, flipped=True) == turned


def test_a_new_session_goes_on_where_the_last_one_stopped(store):
    ask(store, 3)
    first = session(store, seed=1).current()
    assert session(store, seed=2).current() == first
    assert session(store, seed=3, name="bob").current().showing != first.showing


def test_an_undone_pair_comes_back_as_it_stood(store):
    ask(store, 3)
    subject = session(store)
    first = subject.current()
    subject.answer(first.showing, "left")
    assert subject.current().left != first.left
    assert subject.undo()
    again = subject.current()
    assert (again.left, again.right) == (first.left, first.right)
    assert again.showing != first.showing
    assert store.count_answers() == 0
    subject.answer(again.showing, "right")
    assert store.count_answers() == 1


def test_there_is_nothing_to_undo_at_first(store):
    ask(store, 1)
    assert not session(store).undo()


def test_about_one_in_twenty_comes_twice_the_other_way_round():
    store = PreferenceStore(":memory:")
    ask(store, 400)
    subject = session(store, repeats=0.05)
    while (shown := subject.current()) is not None:
        subject.answer(shown.showing, "left")
    rows = store.answers()
    repeats = [row.showing for row in rows if row.showing.repeat]
    assert 10 <= len(repeats) <= 32
    before = {row.question.id: row.showing for row in rows if not row.showing.repeat}
    assert len({showing.question for showing in repeats}) == len(repeats)
    assert all(
        showing.flipped != before[showing.question].flipped for showing in repeats
    )
    store.close()


def test_who_waits_for_a_pair_gets_no_repeats_meanwhile(store):
    """A page asks three times a second; each time one in twenty would be too many."""
    ask(store, 10)
    subject = session(store, repeats=0.05)
    while (shown := subject.current()) is not None:
        subject.answer(shown.showing, "left")
    assert [subject.current() for _ in range(200)] == [None] * 200


def test_consistency_counts_equal_answers(store):
    ask(store, 12)
    subject = session(store, repeats=0.4)
    answers = 0
    while (shown := subject.current()) is not None:
        subject.answer(shown.showing, "equal" if answers % 2 else "left")
        answers += 1
    done = subject.progress()
    rows = store.answers()
    first = {row.question.id: row.label for row in rows if not row.showing.repeat}
    again = [row for row in rows if row.showing.repeat]
    same = sum(row.label == first[row.question.id] for row in again)
    assert 0 < same < len(again)
    assert done == Progress(12, 0, len(again), same)


def test_what_was_shown_to_somebody_else_cannot_be_answered(store):
    ask(store, 2)
    shown = session(store, name="bob").current()
    with pytest.raises(ValueError, match="shown to somebody else"):
        session(store).answer(shown.showing, "left")
    with pytest.raises(ValueError, match=r"a choice is one of left, .*; got 'best'"):
        session(store, name="bob").answer(shown.showing, "best")
    assert store.log() == []


@pytest.mark.parametrize("name", ["", "a" * 101, "two\nlines", "\x1b[31mred"])
def test_names_are_printable(store, name):
    with pytest.raises(ValueError, match="an annotator's name has 1 to 100"):
        session(store, name=name)


def test_scores_are_told_from_the_persons_side(store):
    good, bad = walk("dd"), walk("rr")
    good.process_rewards[:], bad.process_rewards[:] = 1.5, -0.5
    store.ask(good, bad, (PICTURE(good), PICTURE(bad)), model_version=1)
    subject = session(store)
    shown = subject.current()
    side = "left" if shown.left.cells[1] == (1, 0) else "right"
    scores = subject.answer(shown.showing, side)
    expected = (3.0, -1.0) if side == "left" else (-1.0, 3.0)
    assert (scores.left, scores.right) == expected
    assert scores.agrees is True


@pytest.mark.parametrize(
    ("version", "scores"), [(0, (1.0, 2.0)), (1, (0.0, 2.0)), (1, (0.0, 0.0))]
)
def test_before_the_first_fit_there_is_no_score(store, version, scores):
    """Nor of an episode that was taken before it, and is asked about after."""
    sides = walk("dd"), walk("rr")
    for way, score in zip(sides, scores, strict=True):
        way.process_rewards[:] = score
    store.ask(*sides, tuple(map(PICTURE, sides)), model_version=version)
    subject = session(store)
    assert subject.answer(subject.current().showing, "left") is None
    assert subject.agreement(latest=9) == (0, 0)


def test_agreement_is_by_side_whatever_the_margin_and_of_people_alone(store):
    for number, choice in enumerate(["first", "much first", "second", "equal"]):
        sides = walk("d" * (number + 1)), walk("r" * (number + 1))
        sides[0].process_rewards[:], sides[1].process_rewards[:] = 1.0, -1.0
        question = store.ask(*sides, tuple(map(PICTURE, sides)), model_version=1)
        label = {"first": 1.0, "much first": 0.99, "second": 0.25, "equal": 0.5}[choice]
        showing = store.show(question.id, "ann", False)
        store.answer(showing.id, label)
        store.answer(store.show(question.id, "rule", False).id, 0.0, "synthetic")
    assert session(store).agreement(latest=9) == (2, 3)
    assert session(store).agreement(latest=2) == (0, 1)


def test_progress_tells_of_others_and_of_what_a_run_may_still_ask(store):
    ask(store, 5)
    bob = session(store, name="bob")
    bob.answer(bob.current().showing, "left_much")
    store.announce(7)
    assert session(store).progress() == Progress(0, 4, 0, 0, others=1)
    training = LabellingSession(
        store, "ann", np.random.default_rng(0), training=lambda: True
    )
    assert training.progress().to_come == 7
    assert Player(training, Clock()).counter().endswith("0 answered, 11 to go")
    store.announce(None)
    assert training.progress().to_come is None
    assert Player(training, Clock()).counter().endswith("4 or more to go")


def test_the_same_side_again_is_consistent_whatever_the_margin(store):
    (question,) = ask(store, 1)
    for label, repeat in ((1.0, False), (0.75, True)):
        showing = store.show(question.id, "ann", False, repeat)
        store.answer(showing.id, label)
    done = session(store).progress()
    assert (done.repeats, done.consistent) == (1, 1)


@pytest.mark.parametrize("clip", [None, b"garbage", b"[" * 100_000, b'{"kind": 1e999}'])
def test_what_cannot_be_shown_is_set_aside_and_counted(store, clip):
    store.ask(walk("dudu"), walk("r"), (clip, PICTURE(walk("r"))))
    (good,) = ask(store, 1)
    subject = session(store)
    assert store.showing(subject.current().showing).question == good.id
    assert subject.progress() == Progress(0, 1, 0, 0, aside=1)
    assert store.open_questions() == 1  # a training run waits for no more


def test_a_clip_that_comes_late_brings_its_question_back(store):
    question = store.ask(walk("ddd"), walk("rrr"))
    subject = session(store)
    assert subject.current() is None
    for way in (walk("ddd"), walk("rrr")):
        store.add_segment(way, PICTURE(way))
    assert store.showing(subject.current().showing).question == question.id
    assert subject.progress().aside == 0


# --- clips --------------------------------------------------------------------------


def test_a_maze_clip_follows_the_observations():
    clip = from_bytes(PICTURE(walk("ddrl")))
    assert isinstance(clip, MazeClip)
    assert clip.cells == ((0, 0), (1, 0), (2, 0), (2, 1), (2, 0))
    assert clip.rows == LAYOUT.rows
    assert clip.steps == 4


def test_what_is_no_maze_makes_no_maze_clip():
    assert PICTURE(trajectory([0, 1], n_states=4)) is None


GOOD = MazeClip(("SG",), ((0, 0), (0, 1))).values()
FRAMES = FrameClip(2, (0, 2), (b"\xff\xd8\xff1", b"\xff\xd8\xff2")).values()


def test_clips_come_back_as_they_went_in():
    for values in (GOOD, FRAMES):
        import json

        clip = from_bytes(json.dumps(values).encode())
        assert from_bytes(to_bytes(clip)) == clip


@pytest.mark.parametrize(
    ("values", "change"),
    [
        (GOOD, {"cells": [[0, 2]]}),
        (GOOD, {"cells": [[-1, 0]]}),
        (GOOD, {"cells": []}),
        (GOOD, {"cells": "ab"}),
        (GOOD, {"rows": ["S<script>G"]}),
        (GOOD, {"rows": []}),
        (GOOD, {"kind": "video"}),
        (FRAMES, {"images": ["PHNjcmlwdD4="] * 2}),  # <script>, no JPEG
        (FRAMES, {"images": ["not base 64"] * 2}),
        (FRAMES, {"images": []}),
        (FRAMES, {"at": [0, 3]}),
        (FRAMES, {"at": [2, 0]}),
        (FRAMES, {"steps": "many"}),
    ],
)
def test_clips_that_are_none_are_refused(values, change):
    import json

    with pytest.raises(ValueError, match="a clip that cannot be shown"):
        from_bytes(json.dumps({**values, **change}).encode())
    with pytest.raises(ValueError, match="a clip that cannot be shown"):
        from_bytes(b"\x80\x04K\x01.")


# --- pictures of other envs ---------------------------------------------------------


def photographed(steps, album):
    """Play CartPole; returns the episode and the pictures it should have."""
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    photographer = Photographer(env, album)
    observations = [photographer.reset(seed=0)[0]]
    frames = [env.render()]
    for step in range(steps):
        observations.append(photographer.step(step % 2)[0])
        frames.append(env.render())
    env.close()
    zero = np.zeros(steps)
    return Trajectory(np.stack(observations), zero, zero, zero, False), frames


def test_segments_find_the_pictures_that_were_taken():
    album = Album()
    episode, frames = photographed(8, album)
    clip = from_bytes(album.picture(segment(episode, 2, 4)))
    assert clip.at == (0, 1, 2, 3, 4)
    assert clip.images == tuple(jpeg(frame) for frame in frames[2:7])


def test_where_every_second_step_is_pictured_others_are_shown_by_their_neighbour():
    album = Album(every=2)
    episode, frames = photographed(9, album)
    images = [jpeg(frame) for frame in frames]
    whole = from_bytes(album.picture(episode))
    assert whole.at == (0, 2, 4, 6, 8, 9)
    # The last step was no end of an episode, so that there is no picture of it.
    assert whole.images == tuple(images[step] for step in (0, 2, 4, 6, 8, 8))
    piece = from_bytes(album.picture(segment(episode, 3, 4)))
    assert piece.at == (0, 2, 4)
    assert piece.images == tuple(images[step] for step in (4, 4, 6))


def test_long_segments_show_every_second_picture_and_the_last(monkeypatch):
    monkeypatch.setattr("oprl_gym.labelling.album.MAX_FRAMES", 5)
    album = Album()
    episode, frames = photographed(8, album)
    clip = from_bytes(album.picture(episode))
    assert clip.at == (0, 2, 4, 6, 8)
    assert clip.images[-1] == jpeg(frames[-1])


def test_pictures_that_are_gone_make_no_clip():
    album = Album(capacity=4)
    episode, _ = photographed(8, album)
    assert album.picture(episode) is None
    assert album.picture(segment(episode, 6, 2)) is not None


def test_pictures_are_small():
    frame = np.zeros((400, 600, 3), np.uint8)
    assert Image.open(io.BytesIO(jpeg(frame))).size == (240, 160)


def test_the_window_shows_what_the_page_shows():
    clip = from_bytes(PICTURE(walk("dd")))
    start, end = pixels(clip, 0), pixels(clip, 2)
    assert start.shape == end.shape == (384, 384, 3)
    assert (start != end).any(axis=2)[:144, :48].any()  # the agent's column
    assert (pixels(clip, 99) == end).all()
    red = np.zeros((8, 16, 3), np.uint8)
    red[..., 0] = 255
    frames = FrameClip(4, (0, 3), (jpeg(red), jpeg(255 - red)))
    assert pixels(frames, 2)[0, 0].argmax() == 0
    assert pixels(frames, 3)[0, 0].argmin() == 0


def test_the_terminal_shows_the_maze_and_pictures():
    clip = from_bytes(PICTURE(walk("ddr")))
    assert len(lines(clip, 3, 40)) == 8
    plain = "".join(char for char in lines(clip, 3, 40)[2] if char in "@GS #.")
    assert plain.index("@") == 2  # the second cell, two columns wide
    frames = FrameClip(0, (0,), (jpeg(np.zeros((40, 60, 3), np.uint8)),))
    shown = lines(frames, 0, 30)
    assert len(shown) == 10
    assert shown[0].count("▀") == 30


# --- playing ------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_clips_play_in_step_rest_at_the_end_and_loop(store):
    ask(store, 1)  # of 1 and 2 steps
    clock = Clock()
    player = Player(session(store), clock)
    steps = []
    for _ in range(12):
        clock.now += 0.2
        player.tick()
        steps.append(player.step)
    assert steps == [1, 2, 2, 2, 2, 2, 0, 1, 2, 2, 2, 2]
    player.do("pause")
    before = player.step
    clock.now += 10
    player.tick()
    assert player.step == before
    assert "paused" in player.counter()


def test_speed_has_limits(store):
    ask(store, 1)
    player = Player(session(store), Clock())
    for _ in range(20):
        player.do("faster")
    assert player.speed == 60
    for _ in range(20):
        player.do("slower")
    assert player.speed == 1


def test_keys_mean_the_same_as_on_the_page(store):
    ask(store, 4)
    player = Player(session(store), Clock())
    for action in ("left", "right", "equal", "skip"):
        assert player.do(action)
    rows = store.answers()
    assert [row.label for row in rows[2:]] == [0.5, None]
    assert rows[0].label == (0.0 if rows[0].showing.flipped else 1.0)
    assert player.shown is None
    assert player.do("left")  # there is nothing to answer
    assert len(store.log()) == 4
    assert player.do("undo")
    assert player.shown is not None
    assert not player.do("quit")


def test_a_new_pair_is_noticed(store):
    clock = Clock()
    player = Player(session(store), clock)
    assert player.shown is None
    assert player.steps == 0
    ask(store, 1)
    clock.now = 0.5
    player.tick()
    assert player.shown is None  # it looks once a second
    clock.now = 1.5
    player.tick()
    assert player.shown is not None
