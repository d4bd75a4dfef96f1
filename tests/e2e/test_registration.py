"""Numbers by the seed's rules through the whole house: how many, until when, and what a flag is."""

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.house import deadlines
from engine.profiles import RULES, SEED, Profile, Rules
from engine.quota import DAY_MS
from tests.e2e.test_world import a_job, causes, told, until
from tests.e2e.whole_house import PORTFOLIO, SENDER, WABA, Whole, a_whole_house, a_world

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

PATH = f"/v1/senders/{SENDER}"


def a_number(place: int, **changes: object) -> dict[str, Any]:
    """Return a number of the simulated world; the first one is the house's."""
    name = SENDER if place == 0 else f"20{place}"
    number: dict[str, Any] = {
        "phone_number_id": name,
        "waba_id": WABA,
        "portfolio_id": PORTFOLIO,
        "display_phone_number": f"+1 555 010{place}",
        "token": "token-of-the-test",
    }
    return number | changes


async def put(whole: Whole, place: int, twin_of: int | None = None) -> tuple[int, dict[str, Any]]:
    """Add a number as an operator does; return status and answer."""
    number = a_number(place)
    body = {
        "portfolio_id": PORTFOLIO,
        "waba_id": WABA,
        "display_phone_number": a_number(place if twin_of is None else twin_of)[
            "display_phone_number"
        ],
        "access_token": "token-of-the-test",
    }
    path = f"{whole.url}/v1/senders/{number['phone_number_id']}"
    async with whole.session.put(path, json=body) as response:
        return response.status, await response.json()


async def test_two_numbers_until_a_display_name_is_approved_and_each_is_one_sender(
    server_url: str, tmp_path: Path
) -> None:
    numbers = [a_number(place, name_status="PENDING_REVIEW") for place in range(3)]
    world = a_world(senders=numbers)
    async with a_whole_house(server_url, tmp_path, world, rules="seed") as whole:
        status, shown = await put(whole, 1, twin_of=0)
        assert (status, shown["errors"][0]["pointer"]) == (409, "/display_phone_number")
        assert (await put(whole, 1))[0] == 201
        status, shown = await put(whole, 2)
        assert (status, shown["errors"][0]["pointer"]) == (409, "/portfolio_id")
        assert "2 is the most until a display name is approved" in shown["detail"]
        await until(whole, lambda each: each["name_status"] == "PENDING_REVIEW", PATH)
        await whole.control("POST", f"senders/{SENDER}", {"name_status": "APPROVED"})
        await until(whole, lambda each: each["name_status"] == "APPROVED", PATH)
        assert (await put(whole, 2))[0] == 201


async def test_numbers_that_are_added_at_once_are_counted_one_after_the_other(
    server_url: str, tmp_path: Path
) -> None:
    numbers = [a_number(place, name_status="PENDING_REVIEW") for place in range(5)]
    world = a_world(senders=numbers)
    async with a_whole_house(server_url, tmp_path, world, rules="seed") as whole:
        answers = await asyncio.gather(*(put(whole, place) for place in range(1, 5)))
        assert sorted(status for status, _ in answers) == [201, 409, 409, 409]
        assert len((await whole.call("GET", "/v1/senders"))["senders"]) == 2


def let_pass(rules: Rules, days: str, took_ms: int = 1) -> None:
    """Have some of the rules' days be over now, and not before the test has looked."""
    object.__setattr__(rules, days, took_ms)


async def test_when_the_days_to_be_verified_are_over_meta_is_asked_and_obeyed(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, Profile.SEED, rules := replace(SEED, unverified_ms=DAY_MS))
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.1)
    unverified = {"name_status": "PENDING_REVIEW", "code_verification_status": "NOT_VERIFIED"}
    world = a_world(senders=[a_number(0, **unverified)])
    async with a_whole_house(server_url, tmp_path, world, rules="seed") as whole:
        shown = await until(whole, lambda each: bool(each["warnings"]), PATH)
        assert shown["warnings"][0].startswith("not verified or approved: it goes offline at")
        assert shown["closed_by"] == []
        offline = {"status": "OFFLINE", "webhook": False}
        await whole.control("POST", f"senders/{SENDER}", offline)
        let_pass(rules, "unverified_ms")
        shown = await until(whole, lambda each: causes(each) == ["status"], PATH)
        assert (shown["closed_by"][0]["value"], shown["closed_by"][0]["until"]) == ("OFFLINE", None)
        job = await a_job(whole, 1)
        held = await until(whole, lambda each: bool(each["waiting_for"]), f"/v1/jobs/{job}")
        assert held["waiting_for"][0]["gate"] == "sender"
        assert "status OFFLINE" in held["waiting_for"][0]["detail"]
        approved = {"name_status": "APPROVED", "code_verification_status": "VERIFIED"}
        await whole.control("POST", f"senders/{SENDER}", approved | {"status": "CONNECTED"})
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
        assert (await whole.call("GET", PATH))["warnings"] == []
        assert whole.report().clean


async def test_a_flagged_number_sends_and_pays_with_one_level_at_its_end(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, Profile.SEED, rules := replace(SEED, flag_ms=DAY_MS))
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.1)
    world = a_world(
        senders=[a_number(0, status="FLAGGED", quality_rating="RED")],
        portfolios=[{"id": PORTFOLIO, "limit": 10_000}],
    )
    async with a_whole_house(server_url, tmp_path, world, rules="seed") as whole:
        shown = await until(whole, lambda each: each["status"] == "FLAGGED", PATH)
        since = shown["told"]["status"]["at"]
        shown = await whole.call("POST", PATH + "/refresh", {})
        assert shown["told"]["status"]["at"] == since  # asked again it is flagged no shorter
        assert "the limit does not rise, and is 1000 then" in shown["warnings"][0]
        job = await a_job(whole, 1)
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
        flagged_ms = round(datetime.fromisoformat(since).timestamp() * 1_000)
        let_pass(rules, "flag_ms", whole.clock.now_ms() - flagged_ms)
        shown = await until(whole, lambda each: each["status"] == "CONNECTED", PATH)
        assert shown["told"]["status"]["source"] == "noticed"
        portfolio = await whole.call("GET", f"/v1/portfolios/{PORTFOLIO}")
        assert portfolio["quota"]["limit"] == 1_000
        assert "one level lower" in portfolio["told"]["limit"]["detail"]
        assert told(shown)["quality"] == "RED"


async def test_a_call_opens_the_service_window_of_its_number(
    server_url: str, tmp_path: Path
) -> None:
    person = "+4915119999999"
    answer = {"type": "text", "text": {"body": "You called?"}}
    job = {"sender": SENDER, "to": person, "message": answer}

    async def ends(whole: Whole) -> str:
        name = (await whole.call("POST", "/v1/jobs", job))["results"][0]["id"]
        over = ("accepted", "failed")
        shown = await until(whole, lambda each: each["state"] in over, f"/v1/jobs/{name}")
        return str(shown["state"])

    async with a_whole_house(server_url, tmp_path) as whole:
        assert await ends(whole) == "failed"
        folding = whole.house.folding
        assert folding is not None
        await whole.control("POST", "calls", {"phone_number_id": SENDER, "from": person})
        await until(whole, lambda _: folding.results["calls", "folded"] == 1)
        assert await ends(whole) == "accepted"
        quota = await whole.call("GET", f"/v1/portfolios/{PORTFOLIO}/quota")
        assert (quota["used"], whole.report().clean) == (0, True)
