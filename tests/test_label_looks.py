"""How the labelling page looks: it fits the window, and all of it can be read.

    OPRL_SCREENSHOTS=build/screenshots python -m pytest tests/test_label_looks.py

leaves a picture of each state in that folder, for people to look at.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.label_server import (
    LAYOUT,
    answer_pairs,
    finished_run,
    page_of,
    run_with_pairs,
    taught_run,
    walk,
)
from support.person import await_pair, chromium, pictures

from oprl_gym.labelling.clips import from_bytes, maze_picture
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.lock import at_work

MAZE = "OPRLMaze-TwoWallsLong-v0"
HINT = "Prefer the clip that comes nearer to the green goal, however long it takes."
AGENT = from_bytes(maze_picture(LAYOUT)(walk("dddddd" + "rrr" + "uuuuuu" + "rrr")))
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    },
}
LEAST_CLIP = {"desktop": 400, "phone": 180}  # pixels


@dataclass(frozen=True)
class Addresses:
    """Of a page on each run: asking, training, taught, taught by nobody."""

    asking: str
    training: str
    over: str
    untaught: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    path = tmp_path_factory.mktemp("runs")
    asking = run_with_pairs(path / "asking", 40, MAZE)
    training = run_with_pairs(path / "training", 0, MAZE)
    training.file("progress.csv").write_text("time/total_timesteps\n12288\n")
    untaught = finished_run(path / "untaught", TrainConfig(env_id=MAZE))
    answer_pairs(untaught, 12, answered=12)
    with ExitStack() as stack:
        stack.enter_context(at_work(training.path))
        pages = [
            page_of(asking, instructions=HINT),
            page_of(training),
            page_of(taught_run(path / "taught", 12, answered=12), agent=AGENT),
            page_of(untaught),
        ]
        yield Addresses(*(stack.enter_context(page).url for page in pages))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the pictures go."""
    wanted = os.environ.get("OPRL_SCREENSHOTS")
    folder = Path(wanted) if wanted else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(params=["desktop", "phone"])
def view(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Browser, view: str, scheme: str) -> Iterator[Page]:
    context = browser.new_context(**VIEWS[view], color_scheme=scheme)
    page = context.new_page()
    yield page
    context.close()


FAINT = """
() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const lay = (top, below) => {
    const [red, green, blue, alpha = 1] = parts(top);
    return [red, green, blue].map((one, i) => alpha * one + (1 - alpha) * below[i]);
  };
  const behind = (element) => {
    if (element === null) return [255, 255, 255];
    const own = getComputedStyle(element).backgroundColor;
    return lay(own, behind(element.parentElement));
  };
  const luminance = (color) => {
    const [red, green, blue] = color.map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const opacity = (element) => element === null ? 1 :
    Number(getComputedStyle(element).opacity) * opacity(element.parentElement);
  const faint = [];
  for (const element of document.querySelectorAll("body, body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3)
      .map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest(".unseen")) continue;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const ink = lay(style.color, ground)
      .map((one, i) => ground[i] + opacity(element) * (one - ground[i]));
    const [dark, light] = [luminance(ink), luminance(ground)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""
"""Returns the texts on the page whose contrast is below WCAG 2.2 AA, with ratios."""

HIDDEN = """
() => {
  const { scrollWidth, scrollHeight } = document.documentElement;
  const found = [];
  if (scrollWidth > innerWidth || scrollHeight > innerHeight) found.push("scrolls");
  const all = "button, canvas, h1, h2, p, pre, output";
  for (const one of document.querySelectorAll(all)) {
    if (!one.checkVisibility() || one.closest(".unseen")) continue;
    const around = one.parentElement;
    const more = around.scrollHeight > around.clientHeight + 1;
    const scrolls = more && getComputedStyle(around).overflowY === "auto";
    const box = one.getBoundingClientRect();
    const wide = box.left >= 0 && box.right <= innerWidth;
    const high = box.top >= 0 && box.bottom <= innerHeight;
    if (scrolls || !wide || !high) found.push(one.id || one.textContent);
  }
  return found;
}
"""
"""Returns what does not lie within the window."""


def look_at(page: Page, picture: Path) -> None:
    """Take a picture; check that all lies in the window and can be read."""
    page.screenshot(path=picture)
    assert page.evaluate(HIDDEN) == []
    assert page.evaluate(FAINT) == []


def lose_server(page: Page) -> None:
    page.context.set_offline(True)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#message")).to_contain_text("does not answer")


def test_a_question_an_answer_the_help_and_a_server_that_is_gone(
    page, addresses, album, view, scheme
):
    name = f"{view}-{scheme}.png"
    page.goto(addresses.asking)
    shown = await_pair(page)
    page.keyboard.press("Shift+ArrowRight")
    await_pair(page, after=shown)
    page.evaluate("document.getElementById('pause').click()")
    page.locator("#step").fill("24")
    page.locator("#step").blur()
    look_at(page, album / f"question-{name}")
    clips = [page.locator(f"#{side}-clip").bounding_box() for side in ("left", "right")]
    assert all(clip["width"] >= LEAST_CLIP[view] for clip in clips)
    stacked = clips[0]["y"] + clips[0]["height"] < clips[1]["y"]
    assert stacked == (view == "phone")
    assert page.locator("kbd:visible").count() == (0 if view == "phone" else 10)
    floor = pictures(page)["left"].mean()
    assert floor < 80 if scheme == "dark" else floor > 160
    page.locator("#help").click()
    look_at(page, album / f"help-{name}")
    page.keyboard.press("Escape")
    lose_server(page)
    look_at(page, album / f"gone-{name}")


def test_training_and_the_end(page, addresses, album, view, scheme):
    name = f"{view}-{scheme}.png"
    page.goto(addresses.training)
    expect(page.locator("#waiting")).to_have_text("Training…")
    look_at(page, album / f"training-{name}")
    page.goto(addresses.over)
    expect(page.locator("#doing")).to_have_text("What the agent does now")
    page.wait_for_timeout(300 if "OPRL_SCREENSHOTS" not in os.environ else 3000)
    look_at(page, album / f"end-{name}")
    page.goto(addresses.untaught)
    expect(page.locator("#again")).to_be_visible()
    look_at(page, album / f"end-untaught-{name}")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("root.setProperty('--soft', '#667085')", r"OPRLMaze.*: 4\.44"),
        ("root.setProperty('--blue', '#2559d680')", "is better: 2"),
        ("document.getElementById('title').style.opacity = 0.7", "OPRLMaze"),
    ],
)
def test_a_faint_colour_would_be_found(browser, addresses, change, found):
    with browser.new_context(color_scheme="light") as context:
        page = context.new_page()
        page.goto(addresses.asking)
        await_pair(page)
        assert page.evaluate(FAINT) == []
        page.evaluate(f"root = document.documentElement.style; {change}")
        assert re.search(found, "\n".join(page.evaluate(FAINT)))
