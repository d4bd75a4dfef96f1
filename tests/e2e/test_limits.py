"""Limits as Meta tells them, through the whole house: a portfolio's, each number's, a second's."""

import time
from pathlib import Path
from typing import Any

import pytest

from adapters.house import deadlines
from tests.e2e.test_registration import a_number
from tests.e2e.test_world import a_job, causes, post, quality, told, until
from tests.e2e.whole_house import (
    PORTFOLIO,
    SENDER,
    WABA,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    furnish_one,
    rows,
)

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

DAY_MS = 86_400_000


async def furnish_two(whole: Whole) -> None:
    """Do what an operator does once: a window for each number, and a campaign of both."""
    its = {"messaging_limit": 5, "quota_scope": "phone_number"}
    await whole.call("PUT", f"/v1/portfolios/{PORTFOLIO}", its)
    for place in range(2):
        number = a_number(place)
        body = {key: number[key] for key in ("portfolio_id", "waba_id", "display_phone_number")}
        path = f"/v1/senders/{number['phone_number_id']}"
        await whole.call("PUT", path, body | {"access_token": number["token"]})
    await whole.call("POST", f"/v1/wabas/{WABA}/templates/import", {})
    campaign = {"id": "c1", "name": "Autumn", "senders": [SENDER, "201"]}
    await whole.call("POST", "/v1/campaigns", campaign | {"message": a_message("{{name}}")})


def stands(shown: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return how many of a campaign left, and what the others wait for; none are under way."""
    return shown["counts"]["accepted"], shown["counts"]["waiting"]


def sent_by(whole: Whole, number: str) -> int:
    return sum(each.phone_number_id == number for each in whole.sandbox.stage.tally.messages)


async def test_where_each_number_has_its_own_window_its_own_limit_holds(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(
        senders=[a_number(0), a_number(1)],
        portfolios=[{"id": PORTFOLIO, "limit": 5, "scope": "phone_number"}],
        window_ms=DAY_MS,
    )
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish_two) as whole:
        await whole.upload("c1", rows(40))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await whole.until("c1", lambda each: stands(each) == (10, {"quota": 30}))
        assert (sent_by(whole, SENDER), sent_by(whole, "201")) == (5, 5)
        for quota in whole.sandbox.stage.judge.quotas_of(PORTFOLIO)[:1]:
            quota.assume(8)  # Meta raises one number's limit, and tells so
        await post(whole, quality("UPGRADE", current_limit="TIER_8"), at_s=int(time.time()))
        await whole.until("c1", lambda each: stands(each) == (13, {"quota": 27}))
        shown = await whole.call("GET", f"/v1/senders/{SENDER}")
        assert (shown["quota"]["limit"], shown["quota"]["used"]) == (8, 8)
        assert (await whole.call("GET", "/v1/senders/201"))["quota"]["limit"] == 5
        assert whole.report().clean


async def test_a_limit_that_meta_lowers_and_raises_is_obeyed_while_a_campaign_goes_on(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(portfolios=[{"id": PORTFOLIO, "limit": 40}], window_ms=DAY_MS)

    async def furnish(whole: Whole) -> None:
        await furnish_one(whole)
        await whole.upload("c1", rows(60))

    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 10})
        path = f"/v1/portfolios/{PORTFOLIO}"
        await until(whole, lambda each: each["quota"]["limit"] == 10, path)
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await whole.until("c1", lambda each: each["counts"]["waiting"] == {"quota": 50})
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 30})
        await whole.until("c1", lambda each: each["counts"]["accepted"] == 30)  # none under way
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 20})
        shown = await until(whole, lambda each: each["quota"]["debt"] == 10, path)
        assert (shown["quota"]["used"], shown["quota"]["available"]) == (30, 0)
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": -1})
        await whole.completed("c1")
        assert whole.report().clean


async def test_what_meta_refuses_as_spam_because_it_lowered_the_limit_holds_nobody_for_a_day(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.05)
    world = a_world(portfolios=[{"id": PORTFOLIO, "limit": 40}], window_ms=DAY_MS)
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await whole.upload("c1", rows(20))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await whole.completed("c1")
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 10, "webhook": False})
        job = f"/v1/jobs/{await a_job(whole, 99)}"  # for Meta it was on its way by then
        path = f"/v1/senders/{SENDER}"
        shown = await until(whole, lambda each: told(each).get("answer") == "", path)
        assert causes(shown) == []
        assert "not spam" in shown["told"]["answer"]["detail"]
        await until(whole, lambda each: each["waiting_for"][0]["gate"] == "quota", job)
        assert whole.report().accepted == 20
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 30})
        await until(whole, lambda each: each["state"] == "accepted", job)
        assert whole.report().clean, whole.report().violations


async def test_a_number_that_is_upgraded_waits_out_its_minute_and_is_faster_then(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        path = f"/v1/senders/{SENDER}"
        await until(whole, lambda each: each["status"] == "CONNECTED", path)

        def is_asked_anew(shown: dict[str, Any]) -> bool:
            return told(shown).get("event") == "THROUGHPUT_UPGRADE" and causes(shown) == ["upgrade"]

        whole.sandbox.stage.world.numbers[SENDER].throughput_mps = 1_000
        await post(whole, quality("THROUGHPUT_UPGRADE"), at_s=int(time.time()) - 54)
        shown = await until(whole, is_asked_anew, path)
        assert shown["closed_by"][0]["until"] is not None
        job = await a_job(whole, 1)
        held = await until(whole, lambda each: bool(each["waiting_for"]), f"/v1/jobs/{job}")
        assert held["waiting_for"][0]["gate"] == "sender"
        assert "upgrade" in held["waiting_for"][0]["detail"]
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
        shown = await until(whole, lambda each: each["throughput"] == 1_000, path)
        assert (causes(shown), shown["rate_limit"]) == ([], 1_000)
        await whole.call("PUT", path, {"throughput": 20})  # in coexistence it stays at that
        await whole.call("POST", path + "/refresh", {})
        shown = await whole.call("GET", path)
        assert (shown["throughput"], shown["rate_limit"]) == (20, 20)
        assert whole.report().clean
