"""Templates when things go wrong: lost answers, edits at once, a cut import, a namesake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.sandbox.control import TemplateChange
from adapters.sandbox.management import ManagementDesk
from adapters.sandbox.uploads import UploadDesk
from tests.e2e.test_template_changes import ended, post
from tests.e2e.test_templates import (
    BARE,
    EDIT,
    LIST,
    OFFER,
    QUOTA,
    REVIEW_MS,
    TEXT,
    a_paused_campaign,
    raise_limit,
    the_world,
)
from tests.e2e.test_templates import template as with_status
from tests.e2e.test_world import until
from tests.e2e.whole_house import LOOK_EVERY_S, Whole, a_message, a_whole_house, rows
from tests.held_steps import HeldSteps

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

Answer = Callable[[ManagementDesk, web.Request], Awaitable[web.Response]]


async def refused(whole: Whole, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Return what a call is refused with."""
    async with whole.session.request(method, whole.url + path, json=body) as answer:
        assert not answer.ok
        content: dict[str, Any] = await answer.json(content_type=None)
        return content


def lose_answers(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have Meta do what a call wants, and its answer lost at a gateway."""
    done: Answer = getattr(ManagementDesk, name)

    async def lost(desk: ManagementDesk, request: web.Request) -> web.Response:
        answer = await done(desk, request)
        return web.Response(status=504, text="<html>") if answer.status == 200 else answer

    monkeypatch.setattr(ManagementDesk, name, lost)


async def test_an_edit_whose_answer_is_lost_is_found_out_and_counts(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(monkeypatch, "edit_node")
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        await whole.call("PUT", OFFER, EDIT)
        assert (await refused(whole, "POST", OFFER + "/submit"))["code"] == "meta"
        held = await post(whole)  # taken, and written only with words that are known to be approved
        shown = await until(whole, lambda each: bool(each["edited_at"]), OFFER)
        assert (shown["components"], shown["draft"]) == ([TEXT], None)
        await with_status(whole, "APPROVED")
        assert (await ended(whole, held))["state"] == "accepted"
        await whole.until("c1", lambda each: each["state"] == "paused")
        await whole.call("PUT", OFFER, BARE)
        assert (await refused(whole, "POST", OFFER + "/submit"))["code"] == "edited_too_often"
        assert whole.report().clean, whole.report().violations


async def test_a_deletion_whose_answer_is_lost_is_found_out(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(monkeypatch, "delete_templates")
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        assert (await refused(whole, "DELETE", OFFER))["code"] == "meta"
        await whole.until("c1", lambda each: each["state"] == "cancelled")
        assert (await whole.call("GET", OFFER))["status"] == "DELETED"
        assert whole.report().clean, whole.report().violations


async def test_of_two_edits_at_once_one_is_done_and_what_uses_it_comes_back_once(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        await whole.call("PUT", OFFER, EDIT)

        async def submit() -> int:
            async with whole.session.post(whole.url + OFFER + "/submit") as answer:
                return answer.status

        done = await asyncio.gather(*(submit() for _ in range(3)))
        assert min(done) == 202
        assert set(sorted(done)[1:]) <= {409, 422, 502}  # ours, nothing to submit, or Meta's
        await with_status(whole, "APPROVED")
        await whole.until("c1", lambda each: each["state"] == "paused")
        assert len((await whole.call("GET", OFFER))["edited_at"]) == 1


async def test_rows_that_come_while_the_template_is_edited_are_kept_until_it_is_approved(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await raise_limit(whole)
        await whole.call("PUT", OFFER, EDIT)

        async def body() -> AsyncIterator[bytes]:
            yield rows(1_500).encode()
            await whole.call("POST", "/v1/campaigns/c1/start")
            await whole.call("POST", OFFER + "/submit")
            assert (await whole.call("GET", "/v1/campaigns/c1"))["state"] == "stopped"
            yield b"\n" + rows(10, first=10_000).partition("\n")[2].encode()

        url = f"{whole.url}/v1/campaigns/c1/recipients"
        headers = {"Content-Type": "text/csv"}
        async with whole.session.post(url, data=body(), headers=headers) as answer:
            taken = await answer.json()
        assert (taken["accepted"], taken["errors"]) == (1_510, [])
        reviews.take()
        await whole.until("c1", lambda each: each["state"] == "running")
        await whole.call("POST", "/v1/campaigns/c1/cancel")
        assert whole.report().clean, whole.report().violations


async def test_an_edit_that_is_rejected_leaves_waiting_what_waits(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    world = the_world(rejected=["offer"])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await a_paused_campaign(whole)
        await whole.call("PUT", OFFER, EDIT)
        await whole.call("POST", OFFER + "/submit")
        held = await post(whole)
        reviews.take()
        shown = await with_status(whole, "REJECTED")
        assert shown["rejected_reason"] == "INVALID_FORMAT"
        job = await whole.call("GET", held)
        assert (job["state"], job["waiting_for"][0]["gate"]) == ("waiting", "template")
        status = await whole.call("GET", "/v1/campaigns/c1")
        left = status["counts"]["queued"] + sum(status["counts"]["waiting"].values())
        assert (status["state"], left + status["counts"]["accepted"]) == ("stopped", 10)
        change = TemplateChange(status="APPROVED")  # an appeal was heard
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        assert (await ended(whole, held))["state"] == "accepted"
        await whole.until("c1", lambda each: each["state"] == "paused")
        await whole.call("POST", "/v1/campaigns/c1/resume")
        assert (await whole.completed("c1"))["counts"]["accepted"] == 10
        assert whole.report().clean, whole.report().violations


async def test_a_row_that_the_new_words_make_too_long_ends_and_the_others_leave(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        change = TemplateChange(status="PAUSED")
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        await with_status(whole, "PAUSED")
        long = f"+491519990001,{'long' * 20}"
        await whole.upload("c1", "\n".join([rows(3), long]))
        await whole.call("POST", "/v1/campaigns/c1/start")
        words = TEXT | {"text": f"Hello {{{{1}}}}, {'be welcome ' * 88}here."}
        change = TemplateChange(status="APPROVED", components=[words], webhook=False)
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        await whole.call("POST", OFFER + "/refresh")
        status = await whole.completed("c1")
        assert (status["counts"]["accepted"], status["counts"]["failed"]) == (3, 1)
        async with whole.session.get(f"{whole.url}/v1/campaigns/c1/results.csv") as answer:
            (line,) = [each for each in (await answer.text()).splitlines() if "9990001" in each]
        assert ",failed," in line
        assert ",132005," in line
        assert whole.report().clean, whole.report().violations


async def test_an_import_that_is_throttled_half_way_changes_nothing(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world(calls_max=4)) as whole:
        desk = whole.sandbox.controls
        await until(whole, lambda each: each["review"] == "APPROVED", "/v1/senders/106540352242922")
        for number in range(3):
            change = TemplateChange(components=[TEXT], status="APPROVED", webhook=False)
            desk.change_template("waba-1", f"a_{number}", "de", change)
        change = TemplateChange(status="DELETED", webhook=False)
        desk.change_template("waba-1", "update", "en_US", change)
        answer = await refused(whole, "POST", LIST + "/import", {"mode": "replace"})
        assert answer["code"] == "meta_busy"
        known = await whole.call("GET", LIST)
        assert {(each["name"], each["status"]) for each in known["templates"]} == {
            ("offer", "APPROVED"),
            ("update", "APPROVED"),
        }
        kept = await whole.call("GET", "/v1/wabas/waba-1/template-sets")
        assert kept["sets"] == []


async def test_an_import_tells_what_it_touches_and_revalidates_it(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        change = TemplateChange(components=BARE["components"], webhook=False)
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        shown = await whole.call("POST", LIST + "/import", {"mode": "merge"})
        assert shown["changes"]["changed"] == ["waba-1/offer/en_US"]
        (touched,) = shown["campaigns"]
        assert (touched["id"], touched["did"]) == ("c1", "stopped")
        assert touched["errors"][0]["code"] == "parameter_count"
        kept = await whole.call("GET", shown["previous"])
        assert any("{{1}}" in str(each["components"]) for each in kept["templates"])
        change = TemplateChange(status="DELETED", webhook=False)
        whole.sandbox.controls.change_template("waba-1", "offer", "en_US", change)
        shown = await whole.call("POST", LIST + "/import", {"mode": "replace"})
        assert [(each["id"], each["did"]) for each in shown["campaigns"]] == [("c1", "cancelled")]
        assert (await whole.call("GET", "/v1/campaigns/c1"))["state"] == "cancelled"


async def test_a_template_made_anew_under_an_old_name_starts_afresh(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        await a_paused_campaign(whole)
        old = (await whole.call("GET", OFFER))["id"]
        assert (await whole.call("DELETE", OFFER))["status"] == "DELETED"
        await whole.call("PUT", OFFER, EDIT)
        await whole.call("POST", OFFER + "/submit")
        made = await with_status(whole, "APPROVED")
        assert made["id"] != old
        place = await post(whole)
        assert (await ended(whole, place))["state"] == "accepted"
        event = {
            "event": "DELETED",
            "message_template_id": int(old),
            "message_template_name": "offer",
            "message_template_language": "en_US",
        }  # of the one before, 30 days later
        told = {"waba_id": "waba-1", "field": "message_template_status_update", "value": event}
        folding = whole.house.folding
        assert folding is not None
        news = "message_template_status_update", "folded"
        heard = folding.results[news]
        await whole.control("POST", "events", told)
        async with asyncio.timeout(20):
            while folding.results[news] == heard:
                await asyncio.sleep(LOOK_EVERY_S)
        again = await post(whole, to="+4915100000001")
        assert (await ended(whole, again))["state"] == "accepted"
        status = await whole.call("GET", "/v1/campaigns/c1")
        assert (status["state"], status["counts"]["accepted"] < 10) == ("cancelled", True)
        assert whole.report().clean, whole.report().violations


async def test_a_sample_of_media_that_is_cut_off_half_way_goes_on_where_it_ended(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_file, cut = b"png" * 1_000, list[str]()
    take = UploadDesk.take

    async def cut_once(desk: UploadDesk, request: web.Request) -> web.Response:
        if cut:
            return await take(desk, request)
        cut.append(request.match_info["session"] + "?" + request.query_string)
        desk._add(cut[0], (await request.read())[:1_001])
        return web.Response(status=504, text="<html>")

    monkeypatch.setattr(UploadDesk, "take", cut_once)
    HeldSteps(monkeypatch, REVIEW_MS)
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        url = f"{whole.url}{LIST}/samples?name=a.png"
        headers = {"Content-Type": "image/png"}
        async with whole.session.post(url, data=whole_file, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            handle = (await answer.json())["handle"]
        image = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}}
        path = f"{LIST}/pictured/en_US"
        await whole.call("PUT", path, {"category": "MARKETING", "components": [image, TEXT]})
        assert (await whole.call("POST", path + "/submit"))["status"] == "PENDING"
        assert whole.sandbox.uploads._came[cut[0]] == whole_file


async def test_clicks_are_tracked_as_the_account_wants_and_the_suffix_of_a_row_is_checked(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, the_world()) as whole:
        rules = {"profile": "seed", "region": "EU1"}
        await whole.call("PUT", "/v1/wabas/waba-1/template-rules", rules)
        button = {"type": "URL", "text": "Look", "url": "https://ct3.io/{{1}}", "example": ["x"]}
        words = {"type": "BODY", "text": "Here is what you wanted."}
        draft: dict[str, Any] = {
            "category": "MARKETING",
            "components": [words, {"type": "BUTTONS", "buttons": [button]}],
        }
        path = f"{LIST}/clicks/en_US"
        told = await refused(whole, "PUT", path, draft)
        assert [(each["pointer"], each["code"]) for each in told["errors"]] == [
            ("/components/1/buttons/0/url", "tracking_base")
        ]
        button["url"] = "https://ct1.io/{{1}}"
        await whole.call("PUT", path, draft)
        await whole.call("POST", path + "/submit")
        message = a_message(name="clicks")
        message["template"]["components"] = [
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": "{{name}}"}],
            }
        ]
        campaign = {"id": "c2", "name": "Clicks", "senders": ["106540352242922"]}
        await whole.call("POST", "/v1/campaigns", campaign | {"message": message})
        taken = await whole.upload("c2", "to,name\n+4915100000001,a-1\n+4915100000002,b 2")
        assert (taken["accepted"], taken["errors"][0]["code"]) == (1, "not_in_url")
        await whole.call("POST", "/v1/campaigns/c2/start")
        assert (await whole.completed("c2"))["counts"]["accepted"] == 1
        assert (await whole.call("GET", QUOTA))["used"] == 1
        assert whole.report().clean, whole.report().violations
