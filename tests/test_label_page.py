"""The labelling page in a real browser, used by somebody who sees what it shows."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.label_server import (
    LAYOUT,
    Server,
    answer_pairs,
    finished_run,
    open_store,
    page_of,
    run_with_pairs,
    start_server,
    taught_run,
    walk,
)
from support.person import (
    await_pair,
    awaits_answer,
    chromium,
    look,
    pictures,
    preferred,
    press,
)

from oprl_gym.labelling.clips import FrameClip, from_bytes, maze_picture, to_bytes
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.lock import at_work

NO_REPEATS = "--repeats", "0"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 860})
    page = context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Return what starts servers; those still running are killed after the test."""
    servers = []

    def starting(*args: Any) -> Server:
        servers.append(start_server(*args))
        return servers[-1]

    yield starting
    for server in servers:
        server.kill()


def test_every_key_does_what_the_help_says(page, tmp_path):
    margins = ["Shift+ArrowLeft", "<", ",", "Shift+ArrowRight", ">", "."]
    keys = ["ArrowLeft", "ArrowRight", *margins, "ArrowUp", "=", "ArrowDown", "s", "S"]
    folder = run_with_pairs(tmp_path / "run", pairs=len(keys))
    with page_of(folder) as server:
        page.goto(server.url)
        shown = None
        for key in keys:
            shown = await_pair(page, after=shown)
            page.keyboard.press(key)
        expect(page.locator("#nothing")).to_be_visible()
    with open_store(folder) as store:
        rows = store.answers()
        left = [
            round(1 - row.label, 2) if row.showing.flipped else row.label
            for row in rows[:8]
        ]
        assert left == [1.0, 0.0, 0.99, 0.99, 0.75, 0.01, 0.01, 0.25]
        assert [row.label for row in rows[8:]] == [0.5, 0.5, None, None, None]


def test_a_key_that_is_held_answers_once(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=9)
    with page_of(folder) as server:
        page.goto(server.url)
        shown = await_pair(page)
        for _ in range(8):  # from the second on they are repeats of a held key
            page.keyboard.down("ArrowLeft")
            page.wait_for_timeout(60)
        await_pair(page, after=shown)
    with open_store(folder) as store:
        assert len(store.log()) == 1


SLOW_ONCE = """
const real = window.fetch, rest = () => new Promise((done) => setTimeout(done, 500));
window.fetch = async (path, options) => {
  const slow = window.slow === path;
  if (slow) window.slow = null;
  if (slow && path === "answer") await rest();  // it is long on its way
  const response = await real(path, options);
  if (slow && path === "question") await rest();  // what it says is old
  return response;
};
"""
WATCH = """
const pair = document.getElementById("pair");
window.hidden = false;
new MutationObserver(() => { window.hidden ||= pair.hidden; })
  .observe(pair, { attributes: true });
"""


@pytest.mark.parametrize("slow", ["answer", "question"])
def test_an_undo_right_after_an_answer_takes_that_one_back(page, tmp_path, slow):
    """However late the server hears of the answer, or the page of what comes next."""
    folder = run_with_pairs(tmp_path / "run", pairs=2)
    page.add_init_script(SLOW_ONCE)
    with page_of(folder) as server:
        page.goto(server.url)
        first = await_pair(page)
        page.keyboard.press("ArrowLeft")
        second = await_pair(page, after=first)
        page.evaluate("path => { window.slow = path }", slow)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("z")
        expect(page.locator("#message")).to_contain_text("Taken back")
        third = await_pair(page, after=second)
        page.evaluate(WATCH)
        page.wait_for_timeout(700)  # whatever is late has come by then
        assert not page.evaluate("window.hidden")
        assert page.locator("body").get_attribute("data-showing") == third
    with open_store(folder) as store:
        (undo,) = [row for row in store.log() if row.undoes is not None]
        (undone,) = [row for row in store.log() if row.id == undo.undoes]
        assert str(undone.showing.id) == second
        assert store.showing(int(third)).question == undone.question.id


def test_no_pair_awaits_an_answer_until_the_next_one_is_there(page, tmp_path):
    """Who drives the page would take the answered pair, still on it, for the next."""
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    page.add_init_script(SLOW_ONCE)
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        page.evaluate("window.slow = 'question'")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#message")).to_contain_text("Saved")
        assert page.locator("#pair").is_visible()
        assert not awaits_answer(page)


def test_clips_play_in_step_and_can_be_paused_and_sped_up(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    ask(folder, walk("ddr"), walk("ddddddr"))
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        page.keyboard.press("Space")
        counter = page.locator("#counter")
        before = counter.inner_text()
        page.wait_for_timeout(400)
        assert counter.inner_text() == before
        page.locator("#step").fill("3")
        expect(counter).to_have_text("step 3 of 7")
        ended = [
            page.locator(f"#{side}-end").is_visible() for side in ("left", "right")
        ]
        assert sorted(ended) == [False, True]  # the short one waits for the long one
        for key, speed in (("+", "15/s"), ("-", "8/s"), ("-", "4/s"), ("-", "2/s")):
            page.keyboard.press(key)
            expect(page.locator("#speed")).to_have_text(speed)
        page.keyboard.press("Space")
        expect(counter).to_have_text("step 4 of 7")
        page.keyboard.press("+")
        expect(counter).to_have_text("step 7 of 7")
        expect(counter).not_to_have_text("step 7 of 7")  # it loops
    with open_store(folder) as store:
        assert store.log() == []


def ask(folder, first, second, **kwargs):
    picture = maze_picture(LAYOUT)
    with open_store(folder) as store:
        return store.ask(first, second, (picture(first), picture(second)), **kwargs)


def test_the_picture_shows_where_the_agent_has_been(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    ask(folder, walk("ddddddrr"), walk("d"))
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        assert sorted(look(page).values()) == [16, 23]  # of 24 moves


def test_help_opens_by_key_and_no_answer_slips_through(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_hidden()
        page.locator("#help").click()
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()
    with open_store(folder) as store:
        assert store.log() == []


def test_a_button_used_last_is_not_pressed_again_by_the_space_bar(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=2)
    with page_of(folder) as server:
        page.goto(server.url)
        shown = await_pair(page)
        page.locator("#left").click()
        await_pair(page, after=shown)
        page.keyboard.press("Space")
        expect(page.locator("#pause")).to_have_attribute("aria-label", "Play")
        with open_store(folder) as store:
            assert len(store.log()) == 1


def test_the_learned_score_is_told_after_the_answer_and_not_before(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    better, worse = walk("dddd"), walk("rrrr")
    better.process_rewards[:] = 2.25
    worse.process_rewards[:] = -1.0
    ask(folder, better, worse, model_version=1)
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        assert "9.0" not in page.content()
        response = page.request.get(server.url + "question")
        assert set(response.json()["pair"]) == {"showing", "left", "right"}
        side = preferred(page)
        press(page, side)
        message = page.locator("#message")
        expect(message).to_contain_text("9.0")
        expect(message).to_contain_text("\N{MINUS SIGN}4.0")
        expect(message).to_contain_text(": it agrees")


def test_repeats_come_flipped_and_the_page_tells_how_consistent_one_is(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=40)
    with page_of(folder, repeats=0.5) as server:
        page.goto(server.url)
        shown = None
        for number in range(16):
            shown = await_pair(page, after=shown)
            if number >= 12:
                press(page, "left")  # whatever is there
            else:
                press(page, preferred(page))
        await_pair(page, after=shown)
        told = page.locator("header .consistency").inner_text()
    with open_store(folder) as store:
        rows = store.answers()
        repeats = [row for row in rows if row.showing.repeat]
        first = {row.question.id: row for row in rows if not row.showing.repeat}
        assert len(repeats) >= 3
        pairs = [(row, first[row.question.id]) for row in repeats]
        assert all(a.showing.flipped != b.showing.flipped for a, b in pairs)
        same = sum(a.label == b.label for a, b in pairs)
        expected = f"You agree with yourself in {same} of {len(repeats)} repeats"
        assert told == expected


def test_a_page_with_nothing_to_show_goes_on_by_itself(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=0)
    with page_of(folder) as server:
        page.goto(server.url)
        expect(page.locator("#nothing")).to_be_visible()
        ask(folder, walk("ddd"), walk("rrr"))  # training goes on meanwhile
        await_pair(page)


@pytest.mark.parametrize(
    "name",
    [
        "<script>window.hacked = 1</script>",
        "<img src=x onerror='window.hacked = 1'>",
        "</title><svg onload=alert(1)>",
        "javascript:window.hacked=1",
    ],
)
def test_a_script_in_an_envs_name_is_shown_and_not_run(page, tmp_path, name):
    folder = run_with_pairs(tmp_path / "run", pairs=1, env_id=name)
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        expect(page.locator("#title")).to_have_text(name)
        assert page.evaluate("window.hacked") is None
        assert page.locator("#title *").count() == 0


def test_pictures_of_other_envs_are_shown(page, tmp_path):
    import numpy as np

    from oprl_gym.labelling.album import jpeg

    folder = run_with_pairs(tmp_path / "run", pairs=0)
    red, green = (np.zeros((40, 60, 3), np.uint8) for _ in range(2))
    red[..., 0] = green[..., 1] = 255
    clips = [
        to_bytes(FrameClip(2, (0, 2), (jpeg(first), jpeg(last))))
        for first, last in ((red, green), (red, red))
    ]
    with open_store(folder) as store:
        store.ask(walk("dd"), walk("rr"), (clips[0], clips[1]))
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        assert colors(page, step=1) == {"red"}
        assert colors(page, step=2) == {"red", "green"}


def colors(page, step):
    page.locator("#step").fill(str(step))
    middles = [clip[50, 50] for clip in pictures(page).values()]
    return {"red" if middle[0] > middle[1] else "green" for middle in middles}


@pytest.mark.parametrize(
    ("width", "left", "right"), [(390, "Top", "Bottom"), (1200, "Left", "Right")]
)
def test_all_buttons_fit_and_say_what_they_are(browser, tmp_path, width, left, right):
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    context = browser.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    with page_of(folder) as server:
        page.goto(server.url)
        await_pair(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in (
            *(f"{left} is {how}better" for how in ("", "a little ", "much ")),
            *(f"{right} is {how}better" for how in ("", "a little ", "much ")),
            "Equally good",
            "Cannot tell",
        ):
            box = page.get_by_role("button", name=name, exact=True).bounding_box()
            assert box is not None
            assert box["height"] >= 44  # what a thumb hits
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        tree = page.locator("body").aria_snapshot()
        assert f'img "{left} clip"' in tree
        assert "30 steps in a maze of 8 rows and 8 columns" in page.content()
        assert 'button "Pause"' in tree
    context.close()


def test_the_answer_is_on_disk_before_it_is_acknowledged(page, tmp_path, start):
    folder = run_with_pairs(tmp_path / "run", pairs=3)
    server = start(folder, *NO_REPEATS)
    page.goto(server.url)
    await_pair(page)
    with page.expect_response("**/answer") as told:
        press(page, "left")
    body = told.value.text()
    server.kill()
    assert json.loads(body)["progress"]["answered"] == 1
    with open_store(folder) as store:
        assert store.count_answers() == 1


def test_a_margin_is_given_by_button_and_told(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=2)
    with page_of(folder) as server:
        page.goto(server.url)
        shown = await_pair(page)
        page.get_by_role("button", name="Right is a little better").click()
        expect(page.locator("#message")).to_have_text(
            "Saved: right is a little better. "
        )
        await_pair(page, after=shown)
    with open_store(folder) as store:
        (row,) = store.answers()
        assert row.label == (0.75 if row.showing.flipped else 0.25)


def test_instructions_are_shown_as_text_above_the_clips_and_in_the_help(page, tmp_path):
    folder = run_with_pairs(tmp_path / "run", pairs=1)
    with page_of(folder, instructions="Nearer to <b>the goal</b> wins") as server:
        page.goto(server.url)
        await_pair(page)
        for place in ("header", "dialog"):
            told = page.locator(f"{place} .instructions")
            expect(told).to_have_text("Nearer to <b>the goal</b> wins")
        assert page.locator("#instructions").is_visible()
        page.keyboard.press("?")
        assert page.locator("dialog .instructions").is_visible()


def test_while_it_trains_the_page_says_how_far_it_is_and_what_is_to_come(
    page, tmp_path
):
    folder = run_with_pairs(tmp_path / "run", pairs=2)
    folder.file("progress.csv").write_text("time/total_timesteps\n1024\n12288\n")
    with open_store(folder) as store:
        store.announce(10)
    with at_work(folder.path), page_of(folder) as server:
        page.goto(server.url)
        for _ in range(2):
            await_pair(page)
            page.keyboard.press("ArrowLeft")
            expect(page.locator("body")).to_have_attribute("data-showing", "")
        expect(page.locator("#waiting")).to_have_text("Training…")
        why = page.locator("#why")
        expect(why).to_contain_text("12,288 of 30,000 steps")
        expect(why).to_contain_text("the next pair appears here")
        expect(page.locator("#count")).to_have_text("2 of 12 questions")
        with open_store(folder) as store:
            store.announce(0)
        expect(why).to_contain_text("All questions are answered")
    with page_of(folder) as server:  # it was broken off
        page.goto(server.url)
        resume = f"oprl-gym train --resume {folder.path}"
        expect(page.locator("#resume")).to_have_text(resume)
        expect(page.locator("#count")).to_have_text("2 of 2 questions")


def test_at_the_end_it_tells_what_the_answers_did(page, tmp_path):
    """And of a run that was taught by no person how to learn from the answers."""
    folder = taught_run(tmp_path / "run", pairs=1)
    clip = from_bytes(maze_picture(LAYOUT)(walk("ddr")))
    with page_of(folder, agent=clip) as server:
        page.goto(server.url)
        await_pair(page)
        expect(page.locator("#title")).to_contain_text("its training is over")
        page.keyboard.press("ArrowLeft")
        results = page.locator("#results")
        expect(results).to_contain_text("Success0 % → 100 %in the agent's first 100")
        expect(results).to_contain_text("of 1 answer that it had not learned from")
        expect(page.locator("#doing")).to_have_text("What the agent does now")
        words = page.locator("#agent-words")
        expect(words).to_contain_text("Moves: down 2, right 1.")
        page.keyboard.press("z")  # even then
        await_pair(page)
    folder = finished_run(tmp_path / "other", TrainConfig(env_id="Maze"))
    with page_of(folder) as server:
        page.goto(server.url)
        expect(page.locator("#came")).to_have_text("There is nothing to compare here.")
        assert not page.locator("#again").is_visible()
        answer_pairs(folder, 2, answered=2)
        page.reload()
        expect(page.locator("#came")).to_have_text("2 answers kept")
        again = "oprl-gym train --env-id Maze \\ --preferences"
        expect(page.locator("#again")).to_contain_text(again)
        expect(page.locator("#results")).not_to_contain_text("Success")
    expect(page.locator("#message")).to_contain_text("You can close this page")
