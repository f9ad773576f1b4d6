"""A person teaches while training goes on, and the maze is solved by their answers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.label_server import LAYOUT, Server, open_store, start_server
from support.person import (
    await_pair,
    awaits_answer,
    chromium,
    click,
    preferred,
    press,
)

from oprl_gym.envs.oracle import distance_to_goal
from oprl_gym.preferences import PreferenceStore, ProgressTeacher
from oprl_gym.preferences.store.records import Answer
from oprl_gym.runs.folder import RunFolder

pytestmark = pytest.mark.long

QUESTIONS = 60
TRAIN = (
    *("train", "--env-id", "OPRLMaze-TwoWallsLong-v0", "--seed", "1"),
    *("--total-timesteps", "40000", "--teacher", "human"),
    *("--max-questions", str(QUESTIONS), "--wait-for-labels", str(QUESTIONS)),
)


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 900, "height": 800})


@pytest.fixture
def training(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], RunFolder]]:
    """Start training; ends with the test."""
    folder = RunFolder(tmp_path / "run")
    command = [sys.executable, "-m", "oprl_gym", *TRAIN, "--run-dir", str(folder.path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline().endswith(f"oprl-gym label {folder.path}\n")
    yield process, folder
    process.kill()
    process.wait()
    process.stderr.close()


class Person:
    """Answers what the page shows, slips, reloads, and sees servers die."""

    def __init__(self, page: Page, folder: RunFolder) -> None:
        self.page = page
        self.folder = folder
        self.server = self._start()
        self.answered = 0

    def _start(self) -> Server:
        server = start_server(self.folder, "--seed", "0")
        self.page.goto(server.url)
        return server

    def answer(self) -> None:
        """Look at the pair and answer it, by key and by mouse in turn."""
        await_pair(self.page)
        choice = preferred(self.page)
        disaster = {10: self._slip, 20: self._reload, 30: self._lose_server}
        disaster.get(self.answered, lambda choice: None)(choice)
        (press if self.answered % 2 else click)(self.page, choice)
        expect(self.page.locator("#message")).to_contain_text("Saved")
        self.answered += 1

    def _slip(self, choice: str) -> None:
        press(self.page, "right" if choice == "left" else "left")
        self.page.keyboard.press("z")
        expect(self.page.locator("#message")).to_contain_text("Taken back")
        await_pair(self.page)

    def _reload(self, choice: str) -> None:
        self.page.reload()
        await_pair(self.page)
        assert preferred(self.page) == choice

    def _lose_server(self, choice: str) -> None:
        self.server.kill()
        press(self.page, choice)  # goes nowhere
        expect(self.page.locator("#message")).to_contain_text("does not answer")
        self.server = self._start()
        await_pair(self.page)
        assert preferred(self.page) == choice


def true_label(row: Answer, store: PreferenceStore) -> float:
    """Return the answer of somebody who knows the way to the goal."""
    teacher = ProgressTeacher(distance_to_goal(LAYOUT))
    sides = [row.question.first, row.question.second]
    first, second = teacher.scores([store.trajectory(side) for side in sides])[:, 0]
    return 0.5 if first == second else float(first > second)


def test_a_maze_is_solved_by_sixty_answers_given_in_a_browser(page, training):
    """Plain PPO with this seed, and 16 others of 20, never sees the goal in 60,000."""
    process, folder = training
    person = Person(page, folder)
    try:
        while process.poll() is None:
            if awaits_answer(page):
                person.answer()
            else:
                page.wait_for_timeout(50)
    finally:
        person.server.kill()
    assert process.returncode == 0
    with open_store(folder) as store:
        rows = store.answers("ann")
        assert [row.label for row in rows] == [true_label(row, store) for row in rows]
        assert 40 <= store.count_answers() <= QUESTIONS
        assert {row.showing.flipped for row in rows} == {True, False}
        assert len([row for row in store.log() if row.undoes is not None]) == 1
        assert len({row.question.model_version for row in rows}) > 10
    assert folder.summary().final_success_rate >= 0.95
