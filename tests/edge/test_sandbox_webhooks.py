"""The sandbox's webhooks: signed, batched, and as late, doubled and disordered as wanted."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from adapters.sandbox import scenario
from adapters.sandbox.server import Sandbox

Json = Any  # what a decoded answer is
PLAIN = Path(__file__).parents[1] / "data" / "sandbox" / "plain.json"
WABA, NUMBER = "900100", "100200"
pytestmark = pytest.mark.asyncio


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Receiver:
    """Takes webhooks, checks their signature, and answers as told."""

    def __init__(self) -> None:
        self.secret = b"s3cret"
        self.changes: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        expected = "sha256=" + hmac.new(self.secret, raw, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(request.headers["X-Hub-Signature-256"], expected)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            body = msgspec.json.decode(raw)
            assert body["object"] == "whatsapp_business_account"
            self.entries += body["entry"]
            changes = [change for entry in body["entry"] for change in entry["changes"]]
            self.changes += changes
            self.sizes.append(sum(len(c["value"].get("statuses", [1])) for c in changes))
        return web.Response(status=status)

    async def verify(self, request: web.Request) -> web.Response:
        good = request.query["hub.verify_token"] == "let-me-in"
        return web.Response(status=200 if good else 403, text=request.query["hub.challenge"])

    def statuses(self) -> list[dict[str, Any]]:
        return [s for c in self.changes for s in c["value"].get("statuses", [])]

    def names(self) -> list[str]:
        return [status["status"] for status in self.statuses()]

    def of(self, field: str) -> list[dict[str, Any]]:
        return [change["value"] for change in self.changes if change["field"] == field]


class Play:
    """A sandbox that posts to a receiver, over real HTTP both ways."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.session = aiohttp.ClientSession()

    async def start(self, *, faults: Json = (), rules: Json = None, **webhook: Json) -> None:
        hook = {
            "url": self.receiver.url,
            "app_secret": "s3cret",
            "flush_ms": 2,
            "delivered_after_ms": 4,
            "read_after_ms": 8,
            "retry_first_ms": 2,
            **webhook,
        }
        world = scenario.load(PLAIN)
        world = msgspec.structs.replace(
            world,
            webhook=msgspec.convert(hook, scenario.Webhook),
            faults=list(faults),
            rules=msgspec.structs.replace(world.rules, **(rules or {})),
        )
        self.sandbox = Sandbox(world, now_ms=now_ms, rng=random.Random(3))
        self.url = await self.sandbox.start()

    async def send(self, number: int = 0, **more: Json) -> dict[str, Any]:
        body = {
            "messaging_product": "whatsapp",
            "to": f"+4479000{number:05d}",
            "type": "template",
            "template": {
                "name": "offer",
                "language": {"code": "en_US"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}],
            },
            "biz_opaque_callback_data": f"job-{number}",
            **more,
        }
        url = f"{self.url}/v25.0/{NUMBER}/messages"
        headers = {"Authorization": "Bearer token-a"}
        async with self.session.post(url, json=body, headers=headers) as answer:
            return msgspec.json.decode(await answer.read(), type=dict[str, Any])

    async def control(self, path: str, body: Json, status: int = 200) -> Json:
        async with self.session.post(f"{self.url}/_sandbox/{path}", json=body) as answer:
            content = msgspec.json.decode(await answer.read())
            assert answer.status == status, content
            return content

    async def settled(self) -> Receiver:
        async with asyncio.timeout(20):
            await self.sandbox.settled()
        return self.receiver


@pytest_asyncio.fixture
async def play() -> AsyncIterator[Play]:
    receiver = Receiver()
    server = web.AppRunner(web.Application(), access_log=None)
    server.app.router.add_post("/hook", receiver.take)
    server.app.router.add_get("/hook", receiver.verify)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{server.addresses[0][1]}/hook"
    play = Play(receiver)
    yield play
    await play.session.close()
    await play.sandbox.stop()
    await server.cleanup()


async def test_a_message_is_sent_delivered_and_read_with_its_opaque_string(play: Play) -> None:
    await play.start(read_rate=1.0)
    wamid = (await play.send(7))["messages"][0]["id"]
    receiver = await play.settled()
    assert receiver.names() == ["sent", "delivered", "read"]
    sent, delivered, read = receiver.statuses()
    assert {s["id"] for s in receiver.statuses()} == {wamid}
    assert sent["recipient_id"] == "447900000007"
    assert sent["biz_opaque_callback_data"] == "job-7"
    assert list(sent["pricing"]) == ["billable", "pricing_model", "type", "category"]
    assert list(sent["pricing"].values()) == [True, "PMP", "regular", "marketing"]
    assert "pricing" in delivered
    assert "pricing" not in read
    assert "conversation" not in sent
    assert "time" not in receiver.entries[0]
    assert receiver.changes[0]["value"]["metadata"] == {
        "display_phone_number": "15550100000",
        "phone_number_id": NUMBER,
    }


async def test_older_versions_have_a_conversation(play: Play) -> None:
    await play.start(has_conversation=True)
    await play.send()
    sent = (await play.settled()).statuses()[0]
    assert sent["conversation"]["origin"] == {"type": "marketing"}


async def test_updates_share_a_post_up_to_its_size(play: Play) -> None:
    await play.start(batch_max=10, delivered_rate=0.0, flush_ms=100)
    await asyncio.gather(*(play.send(i) for i in range(25)))
    receiver = await play.settled()
    assert sum(receiver.sizes) == 25
    assert max(receiver.sizes) == 10


async def test_updates_can_come_twice(play: Play) -> None:
    await play.start(double_rate=1.0)
    await play.send()
    assert Counter((await play.settled()).names()) == {"sent": 2, "delivered": 2}


async def test_updates_can_come_in_the_wrong_order(play: Play) -> None:
    await play.start(reorder_rate=1.0, read_rate=1.0)
    await play.send()
    assert (await play.settled()).names() == ["read", "delivered", "sent"]


async def test_updates_can_get_lost(play: Play) -> None:
    await play.start(loss_rate=1.0)
    await play.send()
    assert (await play.settled()).names() == []


async def test_updates_can_be_late_without_changing_their_time(play: Play) -> None:
    await play.start(late_rate=1.0, late_ms=60, delivered_rate=0.0)
    before_s = now_ms() // 1_000
    await play.send()
    assert play.receiver.names() == []
    status = (await play.settled()).statuses()[0]
    assert before_s <= int(status["timestamp"]) <= before_s + 1


async def test_sent_can_come_before_the_response(play: Play) -> None:
    await play.start(before_response_rate=1.0, delivered_after_ms=50)
    await play.send()
    assert play.receiver.names() == ["sent"]
    assert (await play.settled()).names() == ["sent", "delivered"]


async def test_a_post_is_repeated_until_it_is_answered_200(play: Play) -> None:
    await play.start(delivered_rate=0.0)
    play.receiver.answers = [500, 404, 302]
    await play.send()
    assert (await play.settled()).names() == ["sent"]
    assert play.sandbox.report().webhooks.posts_repeated == 3


async def test_a_post_is_given_up_after_its_last_repeat(play: Play) -> None:
    await play.start(delivered_rate=0.0, retries_max=2)
    play.receiver.answers = [500] * 3
    await play.send()
    assert (await play.settled()).names() == []
    assert play.sandbox.report().webhooks.posts_failed == 1


async def test_a_late_error_gives_the_place_back(play: Play) -> None:
    fault = scenario.Fault("late_error", code=131026, delay_ms=1)
    await play.start(faults=[fault])
    assert "messages" in await play.send()
    await failed(play)
    status = play.receiver.statuses()[0]
    assert status["errors"][0]["code"] == 131026
    assert status["biz_opaque_callback_data"] == "job-0"
    report = play.sandbox.report()
    assert report.failed_later == {"131026": 1}
    assert report.windows["acme"].used == 0


async def failed(play: Play, count: int = 1) -> None:
    """Wait until `count` statuses arrived."""
    async with asyncio.timeout(20):
        while len(play.receiver.statuses()) < count:
            await asyncio.sleep(0.002)


async def test_a_held_message_is_released_later(play: Play) -> None:
    await play.start(faults=[scenario.Fault("hold", delay_ms=5)])
    answer = await play.send()
    assert answer["messages"][0]["message_status"] == "held_for_quality_assessment"
    await failed(play, 2)
    assert play.receiver.names() == ["sent", "delivered"]


async def test_a_held_message_can_be_dropped_and_pauses_its_template(play: Play) -> None:
    await play.start(faults=[scenario.Fault("hold", delay_ms=5, is_dropped=True)])
    await play.send()
    await failed(play)
    receiver = await play.settled()
    assert receiver.statuses()[0]["errors"][0]["code"] == 132015
    assert receiver.of("message_template_status_update")[0]["event"] == "PAUSED"


async def test_a_code_can_come_late_instead_of_at_once(play: Play) -> None:
    await play.start(rules={"late_codes": [131050]})
    await play.control("preferences", {"phone_number_id": NUMBER, "recipient": "+447900000000"})
    assert "messages" in await play.send()
    await failed(play)
    assert play.receiver.statuses()[0]["errors"][0]["code"] == 131050
    assert play.sandbox.report().windows["acme"].used == 0


async def test_an_inbound_message_arrives_in_metas_shape(play: Play) -> None:
    await play.start()
    body = {"phone_number_id": NUMBER, "from": "+447900000001", "text": "Hello?"}
    await play.control("inbound", body)
    value = (await play.settled()).of("messages")[0]
    assert value["contacts"][0]["wa_id"] == "447900000001"
    message = value["messages"][0]
    assert message["from"] == "447900000001"
    assert message["text"] == {"body": "Hello?"}
    assert message["timestamp"].isdecimal()
    text = {"type": "text", "text": {"body": "Hi"}, "to": "+447900000001"}
    assert "messages" in await play.send(1, **text, template=None)


async def test_a_preference_arrives_with_an_integer_time(play: Play) -> None:
    await play.start()
    await play.control("preferences", {"phone_number_id": NUMBER, "recipient": "+447900000001"})
    update = (await play.settled()).of("user_preferences")[0]["user_preferences"][0]
    assert (update["value"], update["category"]) == ("stop", "marketing_messages")
    assert isinstance(update["timestamp"], int)


async def test_a_template_change_arrives_and_is_known_from_then_on(play: Play) -> None:
    await play.start(rules={"grace_ms": 0})
    change = {"status": "PAUSED", "title": "FIRST_PAUSE"}
    await play.control(f"templates/{WABA}/offer/en_US", change)
    receiver = await play.settled()
    value = receiver.of("message_template_status_update")[0]
    assert value["event"] == "PAUSED"
    assert value["message_template_name"] == "offer"
    assert isinstance(value["message_template_id"], int)
    assert value["other_info"]["title"] == "FIRST_PAUSE"
    assert receiver.entries[0]["time"] > 0
    await asyncio.sleep(0.003)  # the grace is over when the clock has moved at all
    assert (await play.send())["error"]["code"] == 132015
    assert list(play.sandbox.report().violations) == ["template"]


async def test_a_limit_change_arrives_as_business_capability_update(play: Play) -> None:
    await play.start()
    await play.control("limits/acme", {"limit": 2000})
    value = (await play.settled()).of("business_capability_update")[0]
    assert value["max_daily_conversations_per_business"] == 2000


async def test_a_block_arrives_as_account_update_with_its_end(play: Play) -> None:
    await play.start()
    await play.control(f"accounts/{WABA}", {"code": 368, "seconds": 60})
    value = (await play.settled()).of("account_update")[0]
    assert value["event"] == "ACCOUNT_RESTRICTION"
    assert value["restriction_info"][0]["expiration"] > now_ms() // 1_000 + 50
    assert (await play.send())["error"]["code"] == 368
    await play.control(f"accounts/{WABA}", {"code": 0})
    assert "messages" in await play.send()
    state = (await play.settled()).of("account_update")[1]["ban_info"]["waba_ban_state"]
    assert state == "REINSTATE"


async def test_an_upgrade_arrives_as_phone_number_quality_update(play: Play) -> None:
    await play.start()
    await play.control(f"senders/{NUMBER}", {"throughput": 1000})
    value = (await play.settled()).of("phone_number_quality_update")[0]
    assert value["event"] == "THROUGHPUT_UPGRADE"


async def test_quality_and_category_have_events_of_their_own(play: Play) -> None:
    await play.start()
    change = {"quality": "RED", "category": "UTILITY"}
    await play.control(f"templates/{WABA}/offer/en_US", change)
    receiver = await play.settled()
    quality = receiver.of("message_template_quality_update")[0]
    assert (quality["previous_quality_score"], quality["new_quality_score"]) == ("UNKNOWN", "RED")
    category = receiver.of("template_category_update")[0]
    assert (category["previous_category"], category["new_category"]) == ("MARKETING", "UTILITY")


async def test_any_other_event_is_posted_as_it_is_given(play: Play) -> None:
    await play.start()
    event = {"waba_id": WABA, "field": "account_alerts", "value": {"entity_type": "BUSINESS"}}
    await play.control("events", event)
    assert (await play.settled()).of("account_alerts") == [{"entity_type": "BUSINESS"}]


async def test_delivery_can_move_the_mark(play: Play) -> None:
    await play.start(rules={"delivery_moves_mark": True})
    await play.send()
    await failed(play, 2)
    assert play.sandbox.report().windows["acme"].used == 1


async def test_control_refuses_what_it_does_not_know(play: Play) -> None:
    await play.start()
    await play.control("limits/nobody", {"limit": 1}, 404)
    answer = await play.control("limits/acme", {"limmit": 1}, 400)
    assert "limmit" in answer["error"]


async def test_a_reset_begins_anew_and_keeps_the_address(play: Play) -> None:
    await play.start()
    await play.send()
    await play.control("reset", {})
    assert play.sandbox.report().accepted == 0
    play.receiver.changes.clear()
    await play.send()
    assert (await play.settled()).names() == ["sent", "delivered"]


async def test_the_address_can_be_given_later(play: Play) -> None:
    await play.start(url="")
    await play.send()
    assert (await play.settled()).names() == []
    hook = {"url": play.receiver.url, "app_secret": "s3cret", "flush_ms": 2}
    await play.control("webhook", hook)
    await play.send(1)
    assert (await play.settled()).names() == ["sent", "delivered"]


async def test_the_handshake_asks_for_the_token(play: Play) -> None:
    await play.start()
    assert await play.control("verify", {"verify_token": "let-me-in"}) == {"verified": True}
    assert await play.control("verify", {"verify_token": "wrong"}) == {"verified": False}
