"""The Console in a real browser, before a running house: what is seen, and what can be done."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from structlog.testing import capture_logs

from adapters.house import shared
from tests.e2e.browser import Browser, a_browser, require_browser
from tests.e2e.console_stage import (
    PEOPLE_FROM,
    a_fleet,
    furnish_fleet,
    id_of,
    leave_one_dead,
    leave_one_in_doubt,
    play,
    survey,
)
from tests.e2e.whole_house import KEY, Whole, a_message, a_whole_house

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(180)]
WIDTHS = (1_440, 1_000, 820, 390, 320)
OPEN_DIALOG = "return document.querySelector('dialog[open]') !== null"  # all else is inert


@asynccontextmanager
async def a_stage(server_url: str, directory: Path) -> AsyncGenerator[tuple[Whole, Browser]]:
    """Furnish a fleet, and open a browser on it."""
    require_browser()
    async with a_whole_house(server_url, directory, a_fleet(), furnish=furnish_fleet) as whole:
        opened = a_browser()
        browser = await asyncio.to_thread(opened.__enter__)
        try:
            yield whole, browser
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)


@pytest.fixture
async def stage(
    redis_client: object, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Whole, Browser]]:
    del redis_client  # it has emptied the server
    # A 503 after a stall of the machine would be a complaint of the browser's.
    monkeypatch.setattr(shared, "KEYS_HOLD_MS", 60_000)
    async with a_stage(server_url, tmp_path) as made:
        yield made


def enter(browser: Browser, url: str, key: str) -> None:
    """Open the page and give it a key, by keyboard."""
    browser.driver.get(url + "/console")
    browser.find("#key").send_keys(key, Keys.ENTER)


async def test_everything_is_shown(stage: tuple[Whole, Browser]) -> None:
    whole, browser = stage
    await play(whole, size=300)
    await leave_one_dead(whole)
    await whole.until("winter", lambda status: status["counts"]["waiting"].get("quota", 0) > 0)
    await asyncio.to_thread(_look_around, browser, whole.url)


def _is_in(browser: Browser, panel: str, word: str) -> bool:
    return word in browser.text(panel)


def _fits(browser: Browser, width: int) -> bool:
    """Return whether all is within the screen, as it is when the charts have heard of its size."""
    return bool(browser.run("return document.documentElement.scrollWidth") <= width)


def _look_around(browser: Browser, url: str) -> None:
    enter(browser, url, KEY)
    browser.find("#senders tbody tr")
    browser.until(lambda: "131026" in browser.text("#errors"), "errors by code")
    browser.until(lambda: "undeliverable" in browser.text("#dead"), "dead letters")
    for panel, words in {
        "#campaigns": ("Winter sale", "running", "paused", "draft", "behind quota", "ends in"),
        "#windows": ("acme", "120 of 120", "full", "next place in", "unlimited"),
        "#waiting": ("quota", "source", "sender", "Next in"),
        "#senders": ("acme-shop", "YELLOW", "complaints about codes"),
        "#totals": ("Messages a second", "In doubt", "Workers"),
        "#live": ("live · bootstrap (admin)",),
    }.items():
        for word in words:  # of some of the pictures to come: a place falls free, a campaign waits
            browser.until(partial(_is_in, browser, panel, word), f"{word} in {panel}")
    assert browser.run("return document.querySelectorAll('.uplot canvas').length") == 3
    at = browser.text("#foot")
    browser.until(lambda: browser.text("#foot") != at, "the next picture")
    assert PEOPLE_FROM not in browser.run("return document.documentElement.outerHTML")
    backgrounds: set[str] = set()
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            browser.wear(width, scheme)
            browser.until(partial(_fits, browser, width), f"nothing is wider than {width}")
            script = "return getComputedStyle(document.body).backgroundColor"
            backgrounds.add(browser.run(script))
    assert len(backgrounds) == 2
    assert browser.complaints() == []
    assert [each for each in browser.asked() if not each.startswith(url)] == []
    assert browser.run("return document.cookie") == ""


async def test_an_operator_acts_and_it_is_in_the_log(stage: tuple[Whole, Browser]) -> None:
    whole, browser = stage
    await survey(whole, size=10)
    await leave_one_dead(whole)
    await leave_one_in_doubt(whole)
    with capture_logs() as lines:
        await asyncio.to_thread(_act, browser, whole.url)
    sender = await whole.call("GET", f"/v1/senders/{id_of('acme-shop')}")
    assert "tired of it" in sender["closed_by"][0]["detail"]
    assert (await whole.call("GET", "/v1/campaigns/survey"))["state"] == "cancelled"
    told = [line for line in lines if line["event"] == "api_change"]
    assert [(line["call"], line["id"], line["key"]) for line in told] == [
        ("POST /v1/senders/{id}/pause", id_of("acme-shop"), "bootstrap"),
        ("POST /v1/campaigns/{id}/cancel", "survey", "bootstrap"),
    ]
    dropped = [line for line in lines if line["event"] == "dead_letters_dropped"]
    assert [(line["jobs"], line["key"]) for line in dropped] == [(1, "bootstrap")]
    resolved = [line for line in lines if line["event"] == "doubt_resolved"]
    assert len(resolved) == 1


def _act(browser: Browser, url: str) -> None:
    enter(browser, url, KEY)
    _press(browser, f'[data-act="sender-pause"][data-id="{id_of("acme-shop")}"]')
    browser.find("#confirm-yes").click()
    assert "A word, please" in browser.text("#confirm-wrong")
    browser.find("#confirm-word").send_keys("tired of it", Keys.ENTER)
    browser.find(f'[data-act="sender-resume"][data-id="{id_of("acme-shop")}"]')
    _press(browser, '[data-act="campaign-cancel"][data-id="survey"]')
    browser.find("#confirm-word").send_keys("winter", Keys.ENTER)
    assert "That is not survey" in browser.text("#confirm-wrong")
    browser.find("#confirm-word").send_keys(*[Keys.BACKSPACE] * 6, "survey", Keys.ENTER)
    browser.until(lambda: "cancelled" in browser.text("#campaigns"), "the campaign is cancelled")
    _press(browser, '[data-act="dead-drop"]')
    _confirm(browser, "Drop")
    _press(browser, '[data-act="doubt-failed"]')
    _confirm(browser, "It was not sent")


def _press(browser: Browser, selector: str) -> None:
    """Go to a button as a keyboard does, and press it; it stays focused while pictures come."""
    browser.until(lambda: not browser.run(OPEN_DIALOG), "no question is open any more")
    browser.find(selector)
    at = browser.text("#foot")
    browser.run("document.querySelector(arguments[0]).focus()", selector)
    browser.until(lambda: browser.text("#foot") != at, "the next picture")
    assert browser.run("return document.activeElement.matches(arguments[0])", selector)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)


def _confirm(browser: Browser, verb: str) -> None:
    """Say yes, and wait until this very thing is done: what was done before is still to be read."""
    browser.find("#confirm-yes").click()
    browser.until(lambda: browser.text("#said").startswith(f"{verb}: "), f"{verb} is said")
    assert browser.text("#said").endswith("Done.")


async def test_a_dead_letter_is_replayed_from_the_page(stage: tuple[Whole, Browser]) -> None:
    whole, browser = stage
    await leave_one_dead(whole)
    with capture_logs() as lines:
        await asyncio.to_thread(_replay, browser, whole.url)
    told = [line for line in lines if line["event"] == "dead_letters_replayed"]
    assert [(line["jobs"], line["refused"], line["key"]) for line in told] == [(1, 0, "bootstrap")]


def _replay(browser: Browser, url: str) -> None:
    enter(browser, url, KEY)
    _press(browser, '[data-act="dead-replay"]')
    assert "once more" in browser.text("#confirm-text")
    _confirm(browser, "Replay")
    assert browser.complaints() == []


async def test_a_key_may_only_what_it_may(stage: tuple[Whole, Browser]) -> None:
    whole, browser = stage
    body = {"name": "auditor", "role": "read"}
    key = (await whole.call("POST", "/v1/keys", body))["key"]
    await asyncio.to_thread(_look_only, browser, whole.url, key)


def _look_only(browser: Browser, url: str, key: str) -> None:
    enter(browser, url, "not-a-key")
    browser.until(lambda: "API key" in browser.text("#door"), "the door")
    browser.until(lambda: "penstock key create" in browser.text("#door-wrong"), "what is wrong")
    browser.find("#key").send_keys(key, Keys.ENTER)
    browser.find("#senders tbody tr")
    assert "auditor (read)" in browser.text("#live")
    assert browser.run("return document.querySelectorAll('[data-act]').length") == 0
    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("nordwind")
    browser.until(lambda: "acme-shop" not in browser.text("#senders"), "the filter")
    assert "nordwind" in browser.text("#senders")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.until(lambda: "acme-shop" in browser.text("#senders"), "the filter is gone")
    browser.driver.refresh()
    browser.find("#senders tbody tr")  # the key is still there, in this tab
    assert browser.run("return Object.keys(localStorage)") == []
    browser.find("#leave").click()
    browser.find("#key")


async def test_a_long_list_does_not_bury_what_follows(
    stage: tuple[Whole, Browser],
) -> None:
    whole, browser = stage
    message = a_message("{{name}}")
    for number in range(12):
        body = {"id": f"more-{number}", "name": f"More {number}", "message": message}
        await whole.call("POST", "/v1/campaigns", body | {"senders": [id_of("acme-shop")]})
    await asyncio.to_thread(_unfold, browser, whole.url)


def _unfold(browser: Browser, url: str) -> None:
    browser.driver.get(url + "/console")
    browser.find("#key")
    assert not browser.run("return document.querySelector('#filter').checkVisibility()")
    browser.find("#key").send_keys(KEY, Keys.ENTER)
    rows = "return document.querySelectorAll('#campaigns .item').length"
    browser.find("#campaigns .more")
    assert browser.run(rows) == 8
    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("More 1")
    browser.until(lambda: browser.run(rows) == 3, "a filter looks at all of them")
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    _press(browser, "#campaigns .more")
    browser.until(lambda: browser.run(rows) == 12, "all of them")
    assert "first 8" in browser.text("#campaigns .more")
    assert browser.complaints() == []


async def test_a_key_that_is_revoked_while_it_looks_is_told_so(
    stage: tuple[Whole, Browser],
) -> None:
    whole, browser = stage
    made = await whole.call("POST", "/v1/keys", {"name": "night", "role": "read"})
    await asyncio.to_thread(enter, browser, whole.url, made["key"])
    await asyncio.to_thread(browser.find, "#senders tbody tr")
    async with whole.session.delete(f"{whole.url}/v1/keys/{made['id']}") as response:
        assert response.status == 204
    await asyncio.to_thread(browser.find, "#key")
    assert "revoked" in await asyncio.to_thread(browser.text, "#door-wrong")
