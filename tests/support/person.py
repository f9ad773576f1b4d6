"""A scripted person: looks at the labelling page and answers by what it shows."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from oprl_gym.envs.dynamics import steps_from, transition_table

expect.set_options(timeout=15_000)  # tests run side by side on small machines

CELLS = 8
WALL, GOAL = (51, 60, 78), (22, 145, 106)
FAR = 40  # largest sum of differences in red, green and blue of the same colour


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open the system's Chromium, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("OPRL_NEEDS_BROWSER"):
            raise RuntimeError("there is no chromium; .ci/setup installs it")
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        # Its sandbox refuses to run for root, which is who tests in containers.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def await_pair(page: Page, after: str | None = None) -> str:
    """Wait until a pair other than ``after`` is shown; returns its number."""
    body = page.locator("body")
    expect(body).to_have_attribute("data-showing", re.compile(r"\d+"))
    if after is not None:
        expect(body).not_to_have_attribute("data-showing", after)
    expect(page.locator("#pair")).to_be_visible()
    return str(body.get_attribute("data-showing"))


def awaits_answer(page: Page) -> bool:
    """Return whether there is a pair to be answered just now."""
    return bool(page.locator("body").get_attribute("data-showing"))


def look(page: Page) -> dict[str, float]:
    """Look at both clips to their end; returns how near to the goal each came.

    Nothing but the picture on the screen is used: walls, goal and trail are told by
    their colours, and the moves left are counted along the free cells.
    """
    slider = page.locator("#step").bounding_box()
    assert slider is not None
    middle = slider["y"] + slider["height"] / 2
    page.mouse.click(slider["x"] + slider["width"] - 3, middle)
    return {side: _moves_left(clip) for side, clip in pictures(page).items()}


def preferred(page: Page) -> str:
    """Return the clip that came nearer to the goal, or "equal"."""
    seen = look(page)
    if seen["left"] == seen["right"]:
        return "equal"
    return "left" if seen["left"] < seen["right"] else "right"


def press(page: Page, choice: str) -> None:
    """Answer by key."""
    keys = {"left": "ArrowLeft", "right": "ArrowRight", "equal": "ArrowUp", "skip": "s"}
    page.keyboard.press(keys[choice])


def click(page: Page, choice: str) -> None:
    """Answer by mouse."""
    page.locator(f"#{choice}").click()


def pictures(page: Page) -> dict[str, np.ndarray]:
    """Return what the screen shows of both clips, (height, width, 3) each."""
    data = page.screenshot()
    screen = np.array(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    clips = {}
    for side in ("left", "right"):
        box = page.locator(f"#{side}-clip").bounding_box()
        assert box is not None
        left, top = round(box["x"]), round(box["y"])
        right, bottom = left + round(box["width"]), top + round(box["height"])
        clips[side] = screen[top:bottom, left:right]
    return clips


def _moves_left(picture: np.ndarray) -> float:
    """Return the fewest moves from any cell of the trail to the goal."""
    walls, visited = np.zeros((2, CELLS, CELLS), dtype=bool)
    goal = None
    for row, col in np.ndindex(CELLS, CELLS):
        center, corner = _pixel(picture, row, col, 0.5), _pixel(picture, row, col, 0.2)
        walls[row, col] = _alike(center, WALL)
        # The trail and the agent are the only bluish things in the maze.
        visited[row, col] = center[2] - center[0] > 50 and not walls[row, col]
        if _alike(corner, GOAL):
            goal = row * CELLS + col
    assert goal is not None
    assert visited[0, 0], "the trail begins at the start"
    return float(steps_from(transition_table(walls), goal)[visited.ravel()].min())


def _pixel(picture: np.ndarray, row: int, col: int, place: float) -> np.ndarray:
    height, width, _ = picture.shape
    y, x = (row + place) * height / CELLS, (col + place) * width / CELLS
    return picture[int(y), int(x)]


def _alike(color: np.ndarray, other: tuple[int, int, int]) -> bool:
    return int(np.abs(color - np.array(other)).sum()) < FAR
