"""Templates from the operator to Meta's review and back, with campaigns that use them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.control import TemplateChange
from adapters.sandbox.scenario import World
from tests.e2e.test_world import until
from tests.e2e.whole_house import (
    LOOK_EVERY_S,
    SENDER,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    rows,
)
from tests.held_steps import HeldSteps

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

LIST = "/v1/wabas/waba-1/templates"
OFFER = f"{LIST}/offer/en_US"
TEXT: dict[str, object] = {
    "type": "BODY",
    "text": "Hello {{1}}, be welcome.",
    "example": {"body_text": [["Ada"]]},
}
EDIT: dict[str, Any] = {"category": "MARKETING", "components": [TEXT]}
BARE: dict[str, Any] = {
    "category": "MARKETING",
    "components": [{"type": "BODY", "text": "Hello, be welcome."}],
}
REVIEW_MS = 400
HOLD_MS = 1_234  # as nothing else
DAY_MS = 86_400_000
QUOTA = "/v1/portfolios/portfolio-1/quota"


def the_world(
    faults: Sequence[object] = (), *, window_ms: int = DAY_MS, **management: object
) -> World:
    return a_world(
        faults=list(faults),
        window_ms=window_ms,
        portfolios=[{"id": "portfolio-1", "limit": 1_000}],
        rules={"grace_ms": 300},
        management={"review_ms": REVIEW_MS, "page_max": 2, **management},
    )


async def raise_limit(whole: Whole) -> None:
    await whole.call("PUT", "/v1/portfolios/portfolio-1", {"messaging_limit": 1_000})


async def a_paused_campaign(whole: Whole) -> None:
    """Leave a campaign with rows that wait; its number is paused until then: nothing leaves."""
    await whole.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "test"})
    await whole.upload("c1", rows(10))
    await whole.call("POST", "/v1/campaigns/c1/start")
    await whole.call("POST", "/v1/campaigns/c1/pause")
    await whole.call("POST", f"/v1/senders/{SENDER}/resume", {})


async def template(whole: Whole, status: str, path: str = OFFER) -> dict[str, Any]:
    """Wait until a template has a status here."""
    async with asyncio.timeout(20):
        while (shown := await whole.call("GET", path))["status"] != status:
            await asyncio.sleep(LOOK_EVERY_S)
    return shown


async def test_a_template_is_reviewed_and_then_sent(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        path = f"{LIST}/spring/en_US"
        await whole.call("PUT", path, EDIT)
        shown = await whole.call("POST", path + "/submit")
        assert (shown["status"], shown["draft"]) == ("PENDING", None)
        job = {"sender": SENDER, "to": "+4915100000000", "message": a_message("A", name="spring")}
        answer = await whole.call("POST", "/v1/jobs", job)
        reviews.take()
        await template(whole, "APPROVED", path)
        place = f"/v1/jobs/{answer['results'][0]['id']}"
        async with asyncio.timeout(20):
            while (await whole.call("GET", place))["state"] != "accepted":
                await asyncio.sleep(LOOK_EVERY_S)
        assert whole.report().clean, whole.report().violations


async def test_a_review_may_reject_and_may_judge_another_category(
    server_url: str, tmp_path: Path
) -> None:
    world = the_world(rejected=["bad"], judged={"sly": "MARKETING"})
    async with a_whole_house(server_url, tmp_path, world) as whole:
        for name, text in (("bad", "One {{1}} there."), ("sly", "Two {{1}} there.")):
            body = {"category": "UTILITY", "components": [TEXT | {"text": text}]}
            await whole.call("PUT", f"{LIST}/{name}/en_US", body)
            await whole.call("POST", f"{LIST}/{name}/en_US/submit")
        bad = await template(whole, "REJECTED", f"{LIST}/bad/en_US")
        assert bad["rejected_reason"] == "INVALID_FORMAT"
        sly = await template(whole, "APPROVED", f"{LIST}/sly/en_US")
        assert sly["category"] == "MARKETING"


async def test_an_edit_stops_a_running_campaign_and_its_approval_lets_it_go_on(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await raise_limit(whole)
        await whole.upload("c1", rows(400))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda each: each["counts"]["accepted"] > 20)
        await whole.call("PUT", OFFER, EDIT)
        job = {"sender": SENDER, "to": "+4915199999999", "message": a_message("A")}
        await whole.call("POST", "/v1/jobs", job | {"source": {"kind": "journey", "id": "j1"}})
        shown = await whole.call("POST", OFFER + "/submit")
        assert shown["campaigns"] == [{"id": "c1", "did": "stopped", "errors": [], "jobs": 0}]
        assert shown["journeys"] == [{"id": "j1", "did": "waits", "errors": [], "jobs": 0}]
        status = await whole.call("GET", "/v1/campaigns/c1")
        assert (status["state"], status["counts"]["accepted"] < 400) == ("stopped", True)
        reviews.take()
        await template(whole, "APPROVED")
        status = await whole.completed("c1")
        assert status["counts"]["accepted"] == 400
        report = whole.report()
        assert (report.clean, report.accepted) == (True, 401), report.violations


async def test_where_it_no_longer_fits_it_stays_stopped_and_says_why(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        await whole.call("PUT", OFFER, BARE)
        await whole.call("POST", OFFER + "/submit")
        await template(whole, "APPROVED")
        status = await whole.call("GET", "/v1/campaigns/c1")
        assert status["state"] == "stopped"
        assert any("/message/template/components/0" in each for each in status["warnings"])
        url = f"{whole.url}/v1/campaigns/c1/resume"
        async with whole.session.post(url) as answer:
            assert answer.status == 422
            assert (await answer.json())["errors"][0]["code"] == "parameter_count"
        bare = {"name": "offer", "language": {"code": "en_US"}}
        change = {"message": {"type": "template", "template": bare}}
        shown = await whole.call("PATCH", "/v1/campaigns/c1", change)
        assert (shown["state"], shown["misfit_rows"]) == ("paused", 0)
        await whole.call("POST", "/v1/campaigns/c1/resume")
        status = await whole.completed("c1")
        assert status["counts"]["accepted"] + status["counts"]["failed"] == 10
        assert status["counts"]["accepted"] > 0
        assert whole.report().clean, whole.report().violations


async def test_a_deleted_template_ends_its_campaign_and_is_gone_at_meta(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await whole.upload("c1", rows(10))
        shown = await whole.call("DELETE", OFFER)
        assert (shown["status"], shown["campaigns"]) == ("DELETED", [])  # a draft: nothing to stop
        assert ("waba-1", "offer", "en_US") not in whole.sandbox.stage.world.templates


async def test_meta_s_own_changes_reach_the_campaign(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        desk = whole.sandbox.controls
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(category="UTILITY"))
        status = await whole.until("c1", lambda each: each["priority"] == "utility")
        assert status["state"] == "draft"
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(quality="RED"))
        await whole.sandbox.settled()
        await whole.upload("c1", rows(10))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.completed("c1")
        change = TemplateChange(status="DELETED")
        await whole.upload("c1", rows(10, first=20))
        desk.change_template("waba-1", "offer", "en_US", change)
        await template(whole, "DELETED")
        assert whole.report().clean, whole.report().violations


async def test_an_event_that_does_not_tell_the_status_is_asked_about(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        change = TemplateChange(status="PAUSED", webhook=False)
        live = whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        value = {
            "event": "LOCKED",
            "message_template_id": live.id,
            "message_template_name": "offer",
            "message_template_language": "en-US",
        }
        event = {"waba_id": "waba-1", "field": "message_template_status_update", "value": value}
        await whole.control("POST", "events", event)
        await template(whole, "PAUSED")


async def test_an_edit_in_meta_s_manager_stops_what_no_longer_fits(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await whole.upload("c1", rows(200))
        await whole.call("POST", "/v1/campaigns/c1/start")
        change = TemplateChange(components=BARE["components"])
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        status = await whole.until("c1", lambda each: each["state"] == "stopped")
        assert status["stopped_by"] == "waba-1/offer/en_US"
        assert any("/message/template/components/0" in each for each in status["warnings"])
        change = TemplateChange(components=[TEXT])
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        await whole.until("c1", lambda each: each["state"] == "running")


async def test_an_import_reads_every_page_and_a_spent_quota_is_told(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world(calls_max=8)) as whole:
        desk = whole.sandbox.controls
        for number in range(5):
            change = TemplateChange(components=[TEXT], status="APPROVED", webhook=False)
            desk.change_template("waba-1", f"more_{number}", "de", change)
        shown = await whole.call("POST", LIST + "/import", {"mode": "replace"})
        assert (shown["imported"], len(shown["changes"]["added"])) == (7, 5)
        kept = await whole.call("GET", shown["previous"])
        assert {each["name"] for each in kept["templates"]} == {"offer", "update"}
        async with whole.session.post(whole.url + LIST + "/import", json={}) as answer:
            assert answer.status == 503
            assert (await answer.json())["code"] == "meta_busy"


async def test_a_test_send_answers_with_meta_s_whole_response(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        shown = await whole.call("POST", OFFER + "/test", {"to": "+4915100000000"})
        assert (shown["ok"], shown["status"]) == (True, 200)
        assert shown["body"]["messages"][0]["message_status"] == "accepted"
        quota = await whole.call("GET", "/v1/portfolios/portfolio-1/quota")
        assert quota["used"] == 1
        change = TemplateChange(status="PAUSED", webhook=False)
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        shown = await whole.call("POST", OFFER + "/test", {"to": "+4915100000000"})
        assert (shown["ok"], shown["status"]) == (False, 400)
        assert shown["body"]["error"]["code"] == 132015
        assert "token-of-the-test" not in str(shown)


async def test_a_test_send_that_is_told_failed_later_gives_its_place_back(
    server_url: str, tmp_path: Path
) -> None:
    first = "+4915100000000"
    fault = {"kind": "late_error", "code": 131026, "recipients": [first], "times_max": 1}
    world = the_world(faults=[fault], window_ms=DAY_MS)
    async with a_whole_house(server_url, tmp_path, world) as whole:
        folding = whole.house.folding
        assert folding is not None
        shown = await whole.call("POST", OFFER + "/test", {"to": first})
        assert shown["ok"] is True
        await until(whole, lambda each: each["used"] == 0, QUOTA)
        folded = folding.results["messages", "folded"]
        await whole.call("POST", OFFER + "/test", {"to": "+4915100000001"})
        async with asyncio.timeout(20):  # it is told sent and delivered
            while folding.results["messages", "folded"] < folded + 2:
                await asyncio.sleep(LOOK_EVERY_S)
        assert (await whole.call("GET", QUOTA))["used"] == 1
        assert whole.report().clean


async def test_a_sample_of_media_is_uploaded_and_used(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        url = f"{whole.url}{LIST}/samples?name=a.png"
        headers = {"Content-Type": "image/png"}
        async with whole.session.post(url, data=b"png" * 1_000, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            handle = (await answer.json())["handle"]
        image = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}}
        path = f"{LIST}/pictured/en_US"
        await whole.call("PUT", path, {"category": "MARKETING", "components": [image, TEXT]})
        assert (await whole.call("POST", path + "/submit"))["status"] == "PENDING"


async def test_a_pause_that_no_webhook_told_is_found_out(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        change = TemplateChange(status="PAUSED", webhook=False)
        desk = whole.sandbox.controls
        desk.change_template("waba-1", "offer", "en_US", change)
        await whole.upload("c1", rows(10))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await template(whole, "PAUSED")
        await whole.until("c1", lambda each: each["counts"]["waiting"].get("template") == 10)
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(status="APPROVED"))
        status = await whole.completed("c1")
        assert status["counts"]["accepted"] == 10
        assert whole.report().clean, whole.report().violations


async def test_held_messages_are_held_and_a_wave_of_drops_pauses_the_template(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = HeldSteps(monkeypatch, HOLD_MS)
    hold = {"kind": "hold", "delay_ms": HOLD_MS, "is_dropped": True}
    async with a_whole_house(server_url, tmp_path, the_world(faults=[hold])) as whole:
        await whole.upload("c1", rows(10))
        await whole.call("POST", "/v1/campaigns/c1/start")
        held = await whole.until("c1", lambda each: each["delivery"]["held"] == 10)
        assert held["counts"]["accepted"] == 10
        quota = await whole.call("GET", "/v1/portfolios/portfolio-1/quota")
        assert quota["used"] == 10
        drops.take()
        await template(whole, "PAUSED")
        await whole.until("c1", lambda each: each["delivery"]["undelivered"] == 10)
