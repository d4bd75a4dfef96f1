"""The sandbox's template and number calls look and page like Meta's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from adapters.sandbox import scenario
from adapters.sandbox.control import SenderChange, TemplateChange
from adapters.sandbox.scenario import Management, TemplateSpec
from adapters.sandbox.server import Sandbox
from tests.held_steps import HeldSteps

Json = Any  # what a decoded answer is
PLAIN = Path(__file__).parents[1] / "data" / "sandbox" / "plain.json"
WABA, NUMBER = "900100", "100200"
BODY: list[dict[str, object]] = [{"type": "BODY", "text": "Hello {{1}}, here is your offer."}]
REVIEW_MS = 7  # as nothing else
pytestmark = pytest.mark.asyncio


class Desk:
    """A sandbox and the shortest way to its management calls."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(headers={"Authorization": "Bearer token-a"})
        self.now_ms = 1_800_000_000_000

    async def start(self, *, extra: int = 0, **management: Json) -> None:
        world = scenario.load(PLAIN)
        more = [TemplateSpec(WABA, f"more_{i:03d}", components=BODY) for i in range(extra)]
        world = msgspec.structs.replace(
            world,
            templates=[*world.templates, *more],
            management=msgspec.convert({"review_ms": REVIEW_MS, **management}, Management),
        )
        self.sandbox = Sandbox(world, now_ms=lambda: self.now_ms, rng=random.Random(1))
        self.url = f"{await self.sandbox.start()}/v25.0"

    async def call(self, method: str, path: str, body: Json = None) -> Json:
        url = path if path.startswith("http") else f"{self.url}/{path}"
        async with self.session.request(method, url, json=body) as answer:
            return await answer.json()

    async def approved(self, name: str) -> None:
        template = self.sandbox.stage.world.templates[(WABA, name, "en_US")]
        async with asyncio.timeout(20):
            while template.status != "APPROVED":
                await asyncio.sleep(0.002)


def offer(template: str = "offer") -> dict[str, Any]:
    body = {"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}
    return {
        "messaging_product": "whatsapp",
        "to": "+447900000001",
        "type": "template",
        "template": {"name": template, "language": {"code": "en_US"}, "components": [body]},
    }


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.session.close()
    await desk.sandbox.stop()


async def test_following_next_brings_every_template_once(desk: Desk) -> None:
    await desk.start(extra=40)
    page = await desk.call("GET", f"{WABA}/message_templates?limit=20")
    names = [each["name"] for each in page["data"]]
    while "next" in page["paging"]:
        page = await desk.call("GET", page["paging"]["next"])
        names += [each["name"] for each in page["data"]]
    assert len(names) == len(set(names)) == 43


async def test_a_page_has_the_fields_and_cursors_of_meta(desk: Desk) -> None:
    await desk.start()
    page = await desk.call("GET", f"{WABA}/message_templates?limit=1&name=offer")
    assert page["data"][0]["status"] == "APPROVED"
    assert page["data"][0]["components"] == BODY
    assert set(page["paging"]["cursors"]) == {"before", "after"}
    assert "next" not in page["paging"]


async def test_a_bad_cursor_is_131059(desk: Desk) -> None:
    await desk.start()
    page = await desk.call("GET", f"{WABA}/message_templates?after=nonsense")
    assert page["error"]["code"] == 131059


async def test_a_created_template_is_pending_and_then_approved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    await desk.start()
    wish = {"name": "fresh", "language": "en_US", "category": "UTILITY", "components": BODY}
    answer = await desk.call("POST", f"{WABA}/message_templates", wish)
    assert (answer["status"], answer["category"]) == ("PENDING", "UTILITY")
    assert desk.sandbox.send(NUMBER, offer("fresh")).code == 132001
    reviews.take()
    await desk.approved("fresh")
    assert desk.sandbox.send(NUMBER, offer("fresh")).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Bad Name"},
        {"category": "NEWS"},
        {"name": "offer"},
        {"components": [{"type": "?"}]},
    ],
)
async def test_a_bad_creation_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    await desk.start()
    wish = {"name": "fresh", "language": "en_US", "category": "UTILITY", "components": BODY}
    answer = await desk.call("POST", f"{WABA}/message_templates", {**wish, **change})
    assert answer["error"]["code"] == 100


async def test_an_edit_goes_through_review_and_only_once_a_day(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = HeldSteps(monkeypatch, REVIEW_MS)
    await desk.start()
    page = await desk.call("GET", f"{WABA}/message_templates?name=offer")
    template_id = page["data"][0]["id"]
    edit = {"components": [{"type": "BODY", "text": "Nothing variable."}]}
    assert (await desk.call("POST", template_id, edit))["success"] is True
    assert desk.sandbox.send(NUMBER, offer()).code == 132001
    reviews.take()
    await desk.approved("offer")
    assert desk.sandbox.send(NUMBER, offer()).code == 132000
    assert (await desk.call("POST", template_id, edit))["error"]["code"] == 100


async def test_a_review_may_reject_and_may_judge_another_category(desk: Desk) -> None:
    await desk.start(rejected=["bad"], judged={"sly": "MARKETING"})
    for name in ("bad", "sly"):
        wish = {"name": name, "language": "en_US", "category": "UTILITY", "components": BODY}
        answer = await desk.call("POST", f"{WABA}/message_templates", wish)
        assert answer["category"] == ("MARKETING" if name == "sly" else "UTILITY")
    await desk.approved("sly")
    bad = desk.sandbox.stage.world.templates[(WABA, "bad", "en_US")]
    async with asyncio.timeout(20):
        while bad.status != "REJECTED":
            await asyncio.sleep(0.002)
    assert desk.sandbox.send(NUMBER, offer("bad")).code == 132001


async def test_an_approved_template_is_edited_ten_times_in_thirty_days(desk: Desk) -> None:
    await desk.start(edits_per_day_max=100)
    page = await desk.call("GET", f"{WABA}/message_templates?name=offer")
    template_id, edit = page["data"][0]["id"], {"components": BODY}
    for _ in range(10):
        assert (await desk.call("POST", template_id, edit))["success"] is True
        await desk.approved("offer")
    assert (
        "30 days" in (await desk.call("POST", template_id, edit))["error"]["error_data"]["details"]
    )
    desk.now_ms += 30 * 86_400_000
    assert (await desk.call("POST", template_id, edit))["success"] is True


async def test_a_category_of_an_approved_template_stays(desk: Desk) -> None:
    await desk.start()
    page = await desk.call("GET", f"{WABA}/message_templates?name=offer")
    edit = {"category": "UTILITY", "components": BODY}
    assert (await desk.call("POST", page["data"][0]["id"], edit))["error"]["code"] == 100


async def test_a_sample_is_uploaded_in_two_steps_and_only_its_handle_is_taken(desk: Desk) -> None:
    await desk.start()
    app = (await desk.call("GET", "app"))["id"]
    query = "file_name=a.png&file_length=3&file_type=image/png"
    session = (await desk.call("POST", f"{app}/uploads?{query}"))["id"]
    assert session.startswith("upload:")
    headers = {"Authorization": "OAuth token-a", "file_offset": "0"}
    url = f"{desk.url}/{session}"
    async with desk.session.post(url, data=b"png!", headers=headers) as answer:
        assert (await answer.json())["error"]["code"] == 100
    async with desk.session.post(url, data=b"pn", headers=headers) as answer:
        assert answer.status == 400
    async with desk.session.get(url, headers=headers) as answer:
        assert (await answer.json())["file_offset"] == 2
    async with desk.session.post(url, data=b"png", headers=headers) as answer:
        assert answer.status == 400  # not where it ended
    headers["file_offset"] = "2"
    async with desk.session.post(url, data=b"g", headers=headers) as answer:
        handle = (await answer.json())["h"]
    for given, is_taken in ((handle, True), ("4::other", False)):
        header = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [given]}}
        wish: dict[str, Any] = {"name": "pic", "language": "en_US", "category": "UTILITY"}
        wish["components"] = [header, *BODY]
        answer = await desk.call("POST", f"{WABA}/message_templates", wish)
        assert ("id" in answer) is is_taken
    assert (await desk.call("POST", f"{NUMBER}/uploads?{query}"))["error"]["code"] == 100


async def test_a_deleted_template_is_gone_in_all_languages(desk: Desk) -> None:
    await desk.start()
    change = TemplateChange(components=BODY, status="APPROVED")
    desk.sandbox.controls.change_template(WABA, "offer", "de", change)
    answer = await desk.call("DELETE", f"{WABA}/message_templates?name=offer")
    assert answer == {"success": True}
    assert desk.sandbox.send(NUMBER, offer()).code == 132001
    assert (WABA, "offer", "de") not in desk.sandbox.stage.world.templates


async def test_a_paused_template_can_be_unpaused(desk: Desk) -> None:
    await desk.start()
    change = TemplateChange(status="PAUSED")
    template = desk.sandbox.controls.change_template(WABA, "offer", "en_US", change)
    assert await desk.call("POST", f"{template.id}/unpause") == {"success": True}
    assert desk.sandbox.send(NUMBER, offer()).status == 200


async def test_reading_a_status_is_being_told_of_it(desk: Desk) -> None:
    await desk.start()
    change = TemplateChange(status="PAUSED")
    template = desk.sandbox.controls.change_template(WABA, "offer", "en_US", change)
    assert (await desk.call("GET", template.id))["status"] == "PAUSED"
    desk.now_ms += 1_001
    assert desk.sandbox.send(NUMBER, offer()).code == 132015
    assert list(desk.sandbox.report().violations) == ["template"]


async def test_a_number_tells_its_state_and_limit(desk: Desk) -> None:
    await desk.start()
    desk.sandbox.controls.change_sender(NUMBER, SenderChange(status="FLAGGED", quality="RED"))
    node = await desk.call("GET", f"{NUMBER}?fields=status,throughput")
    assert (node["id"], node["status"], node["quality_rating"]) == (NUMBER, "FLAGGED", "RED")
    assert node["throughput"] == {"level": "STANDARD"}
    assert node["whatsapp_business_manager_messaging_limit"] == "TIER_250"


async def test_an_account_lists_its_numbers(desk: Desk) -> None:
    await desk.start()
    answer = await desk.call("GET", f"{WABA}/phone_numbers")
    assert [each["id"] for each in answer["data"]] == ["100200", "100201"]


async def test_registering_connects_a_number(desk: Desk) -> None:
    await desk.start()
    desk.sandbox.controls.change_sender(NUMBER, SenderChange(status="DISCONNECTED"))
    await desk.call("POST", f"{NUMBER}/register", {"messaging_product": "whatsapp"})
    assert desk.sandbox.send(NUMBER, offer()).status == 200


async def test_too_many_calls_are_80008_until_the_window_has_passed(desk: Desk) -> None:
    await desk.start(calls_max=2)
    for _ in range(2):
        assert "data" in await desk.call("GET", f"{WABA}/phone_numbers")
    url = f"{desk.url}/{WABA}/phone_numbers"
    async with desk.session.get(url) as answer:
        assert (await answer.json())["error"]["code"] == 80008
        assert "estimated_time_to_regain_access" in answer.headers["x-business-use-case-usage"]
    assert desk.sandbox.send(NUMBER, offer()).status == 200
    desk.now_ms += 3_600_001
    assert "data" in await desk.call("GET", f"{WABA}/phone_numbers")


async def test_a_wrong_token_reads_nothing(desk: Desk) -> None:
    await desk.start()
    url = f"{desk.url}/{WABA}/phone_numbers"
    async with desk.session.get(url, headers={"Authorization": "Bearer x"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, 190)
