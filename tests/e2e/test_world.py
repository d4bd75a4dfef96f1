"""News of the world through the real webhook route and a real server: what closes, opens, slows."""

import asyncio
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.whole_house import (
    APP_SECRET,
    PORTFOLIO,
    SENDER,
    WABA,
    Whole,
    a_message,
    a_whole_house,
)

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

NOW_S = int(time.time())
SENDING = "RESTRICTED_BIZ_INITIATED_MESSAGING"


async def post(whole: Whole, *changes: dict[str, Any], at_s: int = NOW_S) -> None:
    """Post a signed webhook as Meta does."""
    body = msgspec.json.encode(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": WABA, "time": at_s, "changes": list(changes)}],
        }
    )
    digest = hmac.digest(APP_SECRET.encode(), body, "sha256").hex()
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    async with whole.session.post(whole.url + "/webhooks/meta", data=body, headers=headers) as seen:
        assert seen.status == 200


def account(event: str, **value: object) -> dict[str, Any]:
    return {"field": "account_update", "value": {"event": event, **value}}


def quality(event: str, **value: object) -> dict[str, Any]:
    named = {"display_phone_number": "15550100", "event": event}
    return {"field": "phone_number_quality_update", "value": named | value}


def restricted(until_s: int) -> dict[str, Any]:
    return account(
        "ACCOUNT_RESTRICTION",
        restriction_info=[{"restriction_type": SENDING, "expiration": until_s}],
    )


async def until(
    whole: Whole, holds: Callable[[dict[str, Any]], bool], path: str = f"/v1/senders/{SENDER}"
) -> dict[str, Any]:
    """Wait until something holds of what is shown."""
    async with asyncio.timeout(20):
        while True:
            shown = await whole.call("GET", path)
            if holds(shown):
                return shown
            await asyncio.sleep(0.05)


def causes(shown: dict[str, Any]) -> list[str]:
    return [each["cause"] for each in shown["closed_by"]]


async def a_job(whole: Whole, person: int) -> str:
    job = {
        "sender": SENDER,
        "to": f"+49151000{person:05}",
        "message": a_message("A", name="update"),
    }
    return str((await whole.call("POST", "/v1/jobs", job))["results"][0]["id"])


async def test_a_restriction_holds_until_a_reinstatement_and_comes_too_late_after_it(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await post(whole, restricted(NOW_S + 3_600), at_s=NOW_S - 60)
        shown = await until(whole, lambda each: causes(each) == ["restriction"])
        assert shown["closed_by"][0]["until"] is not None
        job = await a_job(whole, 1)
        held = await until(whole, lambda each: bool(each["waiting_for"]), f"/v1/jobs/{job}")
        assert held["waiting_for"][0]["gate"] == "account"
        assert SENDING in held["waiting_for"][0]["detail"]
        reinstated = account("DISABLED_UPDATE", ban_info={"waba_ban_state": "REINSTATE"})
        await post(whole, reinstated, at_s=NOW_S - 30)
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
        await post(whole, restricted(NOW_S + 7_200), at_s=NOW_S - 45)
        await post(whole, account("ACCOUNT_VIOLATION", violation_info={"violation_type": "ADULT"}))
        shown = await until(whole, lambda each: "violation" in told(each), f"/v1/wabas/{WABA}")
        assert shown["closed_by"] == []
        second = await a_job(whole, 2)
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{second}")


def told(shown: dict[str, Any]) -> dict[str, str]:
    return {aspect: each["value"] for aspect, each in shown["told"].items()}


async def test_a_limit_an_upgrade_and_what_nobody_knows_come_in_one_body(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await post(
            whole,
            {"field": "flows", "value": {"event": "X"}},
            {"field": "account_update", "value": "broken"},
            quality("THROUGHPUT_UPGRADE", current_limit="TIER_100K"),
            {"field": "security", "value": {"display_phone_number": "15550100", "event": "PIN"}},
        )
        folding = whole.house.folding
        assert folding is not None
        await until(whole, lambda _: folding.results["security", "folded"] == 1)
        shown = await whole.call("GET", f"/v1/senders/{SENDER}")
        assert told(shown)["security"] == "PIN"
        assert told(shown)["event"] == "THROUGHPUT_UPGRADE"
        portfolio = await whole.call("GET", f"/v1/portfolios/{PORTFOLIO}")
        assert portfolio["quota"]["limit"] in {100_000, 40}  # 40: Meta was asked meanwhile
        async with whole.session.get(whole.url + "/metrics") as response:
            text = await response.text()
        for field, result in (
            ("other", "unknown"),
            ("account_update", "malformed"),
            ("phone_number_quality_update", "folded"),
            ("security", "folded"),
        ):
            line = f'penstock_webhooks_total{{field="{field}",result="{result}"}} 1.0'
            assert line in text


async def test_an_event_has_meta_asked_and_quality_slows_marketing(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.control("POST", f"senders/{SENDER}", {"quality": "YELLOW", "event": "NEW_WORD"})
        shown = await until(whole, lambda each: each["quality_share"] == 0.5)
        assert (shown["rate_limit"], shown["quality"]) == (80, "YELLOW")
        await whole.control("POST", f"senders/{SENDER}", {"quality": "GREEN", "webhook": False})
        shown = await whole.call("POST", f"/v1/senders/{SENDER}/refresh", {})
        assert (shown["quality"], shown["status"], shown["quality_share"]) == (
            *("GREEN", "CONNECTED"),
            1,
        )
        assert shown["review"] == "APPROVED"


async def test_a_pause_holds_all_that_a_sender_has_and_a_resume_lets_it_go(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "test"})
        job = await a_job(whole, 1)
        await whole.call("PUT", f"/v1/senders/{SENDER}", {"alias": "shop"})
        await post(whole, quality("THROUGHPUT_UPGRADE"), at_s=NOW_S - 3_600)
        shown = await until(whole, lambda each: told(each).get("throughput") is not None)
        assert causes(shown) == ["pause"]
        assert (await whole.call("GET", f"/v1/jobs/{job}"))["state"] == "waiting"
        assert whole.report().accepted == 0
        await whole.call("POST", f"/v1/senders/{SENDER}/resume", {})
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")


async def test_a_refused_token_stops_all_who_use_it_and_a_new_one_lets_them_go(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.house.closings.SPREAD_MS", 0)  # tokens change at once here
    async with a_whole_house(server_url, tmp_path) as whole:
        other = "200"
        twin = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
        await whole.call("PUT", f"/v1/senders/{other}", twin | {"access_token": "old"})
        await whole.call("PUT", f"/v1/senders/{SENDER}", {"access_token": "old"})
        job = await a_job(whole, 1)
        for name in (SENDER, other):
            await until(whole, lambda each: causes(each) == ["token"], f"/v1/senders/{name}")
        held = await whole.call("GET", f"/v1/jobs/{job}")
        assert (held["state"], held["waiting_for"][0]["gate"]) == ("waiting", "sender")
        await whole.call("PUT", f"/v1/senders/{SENDER}", {"access_token": "token-of-the-test"})
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")
        assert causes(await whole.call("GET", f"/v1/senders/{SENDER}")) == []
        assert causes(await whole.call("GET", f"/v1/senders/{other}")) == ["token"]


async def test_an_account_closed_by_an_answer_is_shown_and_opened_by_hand(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        blocked = {"code": 131042, "webhook": False}
        await whole.control("POST", f"accounts/{WABA}", blocked)
        job = await a_job(whole, 1)
        await until(whole, lambda each: causes(each) == ["answer"], f"/v1/wabas/{WABA}")
        await whole.control("POST", f"accounts/{WABA}", {"code": 0, "webhook": False})
        shown = await whole.call("POST", f"/v1/wabas/{WABA}/open", {})
        assert shown["closed_by"] == []
        await until(whole, lambda each: each["state"] == "accepted", f"/v1/jobs/{job}")


async def test_meta_is_asked_about_a_number_as_soon_as_it_is_added(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        shown = await until(whole, lambda each: each["status"] == "CONNECTED")
        assert shown["told"]["quality"]["source"] == "refresh"


async def test_a_limit_of_the_app_closes_every_account_for_its_time(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        other = {"portfolio_id": PORTFOLIO, "waba_id": "waba-2", "access_token": "other"}
        await whole.call("PUT", "/v1/senders/200", other | {"display_phone_number": "+1 555 0101"})
        await whole.control("POST", f"accounts/{WABA}", {"code": 4, "seconds": 60})
        job = await a_job(whole, 1)
        for waba in (WABA, "waba-2"):
            shown = await until(whole, lambda each: causes(each) == ["app"], f"/v1/wabas/{waba}")
            assert shown["closed_by"][0]["until"] is not None
        held = await whole.call("GET", f"/v1/jobs/{job}")
        assert held["waiting_for"][0]["gate"] == "account"
