"""What waits while its template changes: journeys and direct jobs, through the simulated Meta."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.control import TemplateChange
from tests.e2e.test_templates import (
    BARE,
    EDIT,
    OFFER,
    REVIEW_MS,
    a_paused_campaign,
    template,
    the_world,
)
from tests.e2e.whole_house import ENDS, LOOK_EVERY_S, SENDER, Whole, a_message, a_whole_house
from tests.held_steps import HeldSteps

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

JOURNEY = {"kind": "journey", "id": "j1"}
GERMAN, AMERICAN = "+4915100000000", "+16505550100"


async def post(whole: Whole, to: str = GERMAN, **changes: object) -> str:
    """Post a job that must be taken; return where it is read."""
    job = {"sender": SENDER, "to": to, "message": a_message("A")} | changes
    answer = await whole.call("POST", "/v1/jobs", job)
    assert answer["results"][0]["status"] == "accepted", answer
    return f"/v1/jobs/{answer['results'][0]['id']}"


async def ended(whole: Whole, place: str) -> dict[str, Any]:
    """Wait until a job has ended."""
    async with asyncio.timeout(20):
        while (shown := await whole.call("GET", place))["state"] not in ENDS:
            await asyncio.sleep(LOOK_EVERY_S)
    return shown


async def test_an_edit_stops_a_journey_and_its_approval_lets_it_go_on(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await whole.call("PUT", "/v1/journeys/j1", {})
        await ended(whole, await post(whole, source=JOURNEY))
        await whole.call("PUT", OFFER, EDIT)
        shown = await whole.call("POST", OFFER + "/submit")
        assert shown["journeys"] == [{"id": "j1", "did": "stopped", "errors": [], "jobs": 0}]
        journey = await whole.call("GET", "/v1/journeys/j1")
        assert (journey["state"], journey["stopped_by"]) == ("stopped", "waba-1/offer/en_US")
        job = {"sender": SENDER, "to": GERMAN, "message": a_message("A"), "source": JOURNEY}
        async with whole.session.post(whole.url + "/v1/jobs", json=job) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "source_stopped")
        reviews.take()
        await template(whole, "APPROVED")
        async with asyncio.timeout(20):  # first the template is known, then all that waits for it
            while (journey := await whole.call("GET", "/v1/journeys/j1"))["state"] == "stopped":
                await asyncio.sleep(LOOK_EVERY_S)
        assert (journey["state"], journey["stopped_by"]) == ("running", None)
        assert (await ended(whole, await post(whole, source=JOURNEY)))["state"] == "accepted"
        assert whole.report().clean, whole.report().violations


async def test_what_waits_for_other_words_ends_with_the_field_that_does_not_fit(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        desk = whole.sandbox.controls
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(status="PAUSED"))
        await template(whole, "PAUSED")
        place = await post(whole)
        assert (await whole.call("GET", place))["waiting_for"][0]["gate"] == "template"
        components = BARE["components"]
        change = TemplateChange(status="APPROVED", components=components, webhook=False)
        desk.change_template("waba-1", "offer", "en_US", change)
        await whole.call("POST", OFFER + "/refresh")
        shown = await ended(whole, place)
        assert (shown["state"], shown["code"]) == ("failed", 132000)
        assert shown["misfit"].startswith("/message/template/components/0 ")
        assert whole.report().accepted == 0
        assert whole.report().clean, whole.report().violations


async def test_what_became_marketing_while_it_waited_does_not_go_to_the_united_states(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world(), no_marketing="US") as whole:
        desk = whole.sandbox.controls
        paused = TemplateChange(status="PAUSED")
        desk.change_template("waba-1", "update", "en_US", paused)
        path = OFFER.replace("offer", "update")
        await template(whole, "PAUSED", path)
        message = a_message("A", name="update")
        places = [await post(whole, to, message=message) for to in (AMERICAN, GERMAN)]
        change = TemplateChange(status="APPROVED", category="MARKETING", webhook=False)
        desk.change_template("waba-1", "update", "en_US", change)
        await whole.call("POST", path + "/refresh")
        american, german = [await ended(whole, place) for place in places]
        assert (american["state"], american["code"]) == ("suppressed", 131049)
        assert german["state"] == "accepted"
        assert whole.report().clean, whole.report().violations


async def test_a_deletion_ends_what_waits_and_the_reason_is_told(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await whole.call("PUT", "/v1/journeys/j1", {})
        await a_paused_campaign(whole)
        desk = whole.sandbox.controls
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(status="PAUSED"))
        await template(whole, "PAUSED")
        places = [await post(whole), await post(whole, source=JOURNEY)]
        shown = await whole.call("DELETE", OFFER)
        jobs = {each["id"]: each["jobs"] for each in shown["journeys"] + shown["direct"]}
        assert jobs == {"j1": 1, "api": 1}
        for place in places:
            job = await ended(whole, place)
            assert (job["state"], job["code"]) == ("cancelled", 132001)
        status = await whole.call("GET", "/v1/campaigns/c1")
        left = status["counts"]["cancelled"] + status["counts"]["accepted"]
        assert (status["state"], left) == ("cancelled", 10)
        assert whole.report().clean, whole.report().violations
