"""Where no observation comes twice, those in the same cell of a grid count as one."""

import tracemalloc

import numpy as np
import pytest

from oprl_gym.preferences import NoveltyTeacher
from oprl_gym.preferences.cells import (
    LARGE,
    ExactCells,
    GridCells,
    VisitCounter,
    examples_of,
)
from oprl_gym.types import Trajectory


def episode(observations: np.ndarray) -> Trajectory:
    steps = len(observations) - 1
    blank = np.zeros(steps)
    return Trajectory(observations, blank.astype(np.int64), blank, blank, False)


def walk(rng: np.random.Generator, steps: int, around: float = 0.0) -> Trajectory:
    return episode(around + rng.normal(size=(steps + 1, 2)))


def test_a_cell_is_half_a_deviation_wide(rng):
    examples = np.array([[0.0, 0.0], [2.0, 0.0]])  # mean 1, deviation 1; constant
    keys = GridCells.of(examples, rng).keys(
        np.array([[1.1, 0.0], [1.4, 0.0], [1.6, 0.0]])
    )
    assert keys[0] == keys[1]
    assert keys[1] != keys[2]


@pytest.mark.parametrize("others", [1, 11, 99])
@pytest.mark.parametrize("was", [0.0, 1000.0])
def test_a_key_that_nobody_had_found_before_makes_another_cell(rng, others, was):
    """It stood still while the grid was made; how far it moves does not matter."""
    examples = np.full((500, others + 1), was)
    examples[:, 1:] = rng.normal(size=(500, others))
    cells = GridCells.of(examples, rng)
    found, lost, as_before = examples[:50].copy(), examples[:50].copy(), examples[:50]
    found[:, 0] += rng.uniform(0.1, 1e9, size=50)
    lost[:, 0] -= 1.0
    for of_found, of_lost, before in zip(
        cells.keys(found), cells.keys(lost), cells.keys(as_before), strict=True
    ):
        assert len({of_found, of_lost, before}) == 3


def test_of_pixels_one_that_stood_still_counts_as_the_others_do(rng):
    examples = rng.normal(size=(20, LARGE))
    examples[:, LARGE // 2 :] = 0.0  # where the agent had not been
    cells = GridCells.of(examples, rng)
    there = examples[:1].copy()
    there[:, LARGE // 2 :] = rng.normal(size=LARGE // 2)
    assert cells.keys(there) != cells.keys(examples[:1])


def test_what_moves_very_far_is_one_cell_and_no_error(rng):
    cells = GridCells.of(rng.normal(size=(50, 2)), rng)
    assert len(set(cells.keys(np.array([[1e30, 0.0], [2e30, 0.0], [0.0, 0.0]])))) == 2


def test_of_many_values_mixtures_are_taken(rng):
    examples = rng.normal(size=(500, 40))
    cells = GridCells.of(examples, rng)
    near = examples[:100] + 1e-6 * rng.normal(size=(100, 40))
    same = np.mean([a == b for a, b in zip(cells.keys(examples), cells.keys(near))])  # noqa: B905 (the shorter decides)
    assert same > 0.95
    assert len(set(cells.keys(examples))) > 400


def test_visits_are_counted_by_cell_once_in_each_episode():
    counter = VisitCounter(ExactCells())
    assert counter.add(np.array([3, 5, 3])).tolist() == [0, 1]
    assert counter.add(np.array([5, 7])).tolist() == [1, 2]
    assert counter.visits(np.array([0, 1, 2])).tolist() == [1, 2, 1]
    assert len(counter) == 3
    counter.add(np.array([7, 7, 7]))
    assert counter.hardly_recur(max_cells=2)  # 5 visits, fewer than two each
    assert not counter.hardly_recur(max_cells=3)
    counter.add(np.array([3]))
    assert not counter.hardly_recur(max_cells=2)


def test_real_values_are_counted_in_cells_once_they_are_many(rng):
    teacher = NoveltyTeacher()
    usual = [walk(rng, 99) for _ in range(60)]
    teacher.observe(usual[:20])
    score = teacher.scores(usual[:1])[0, 0]
    assert score == pytest.approx(100)  # each seen once: the length
    teacher.observe(usual[20:])
    rare = walk(rng, 99, around=6.0)
    teacher.observe([rare])
    scores = teacher.scores([*usual, rare])[:, 0]
    assert scores[:-1].max() < 30
    assert scores[-1] > 2 * scores[:-1].max()


def test_observations_that_recur_stay_exact(rng):
    """However many there are: a large maze is not blurred."""
    teacher = NoveltyTeacher()
    line = np.arange(6000, dtype=np.float64)[:, None]
    teacher.observe([episode(line), episode(line)])
    teacher.observe([episode(line[:3])])
    assert teacher.scores([episode(line[:3] + 0.25)])[0, 0] == 3.0


def test_the_same_episodes_give_the_same_scores(rng):
    episodes = [walk(rng, 99) for _ in range(60)]

    def scores() -> np.ndarray:
        teacher = NoveltyTeacher()
        teacher.observe(episodes)
        return teacher.scores(episodes)

    np.testing.assert_array_equal(scores(), scores())


def test_beyond_a_number_of_cells_counts_are_shared_and_nothing_grows(rng):
    counter = VisitCounter(ExactCells(), max_cells=100)
    for _ in range(1000):
        counter.add(rng.normal(size=(1, 3)))
    assert len(counter) == 100
    assert counter.visits(np.arange(100)).sum() == 1000
    again = rng.normal(size=(1, 3))
    first = counter.add(again)
    assert (counter.find(again) == first).all()
    assert (VisitCounter.from_state(counter.state()).find(again) == first).all()


def test_long_observations_are_told_apart_by_a_digest():
    pictures = np.zeros((3, 40, 40), dtype=np.uint8)
    pictures[2, 5, 5] = 1
    keys = ExactCells().keys(pictures)
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 16


def pictures(rng: np.random.Generator, episodes: int, steps: int) -> list[Trajectory]:
    """Return episodes of pictures that never recur: a scene and what moves in it."""
    found = []
    for _ in range(episodes):
        scene = rng.integers(0, 255, (80, 80, 1), dtype=np.uint8)
        frames = np.repeat(scene[None], steps + 1, axis=0)
        frames[:, 0, 0, 0] = np.arange(steps + 1) % 251
        frames[:, 0, 1, 0] = np.arange(steps + 1) // 251
        found.append(episode(frames))
    return found


def test_pictures_take_no_copies_of_all_that_is_remembered(rng):
    """Neither when it is found that none recurs nor of an episode that comes later."""
    usual = pictures(rng, 16, 300)
    taken = sum(one.observations.nbytes for one in usual)
    teacher = NoveltyTeacher()
    tracemalloc.start()
    for one in usual:
        teacher.observe([one])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(teacher._counter.cells, GridCells)
    assert peak < 5 * taken
    assert teacher.scores(usual[:1])[0, 0] < 30


def test_large_observations_fall_into_the_cells_that_small_ones_would(rng, monkeypatch):
    frames = np.concatenate([one.observations for one in pictures(rng, 2, 200)])
    grid = GridCells.of(frames, np.random.default_rng(0))
    by_block = grid.keys(frames)
    monkeypatch.setattr("oprl_gym.preferences.cells.LARGE", 10**9)
    at_once = GridCells.of(frames, np.random.default_rng(0)).keys(frames)
    same = np.mean([one == other for one, other in zip(by_block, at_once, strict=True)])
    assert same > 0.99


def test_of_large_observations_a_grid_is_made_from_some_of_all_episodes():
    episodes = [np.full((50, 4096), number, np.uint8) for number in range(100)]
    examples = examples_of(episodes)
    assert 2**21 < examples.size <= 2**22
    assert len(np.unique(examples)) > 90
    small = [one[:, :4095] for one in episodes]
    assert len(examples_of(small)) == 5000
