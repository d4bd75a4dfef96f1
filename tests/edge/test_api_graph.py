"""The drop-in Cloud API: Meta's shapes in and out."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.front_desk import PORTFOLIO, READ, SEND, SENDER, a_desk, a_message

PATH = f"/v25.0/{SENDER}/messages"


def a_body(**changes: object) -> dict[str, object]:
    meta = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    return meta | {"to": "+4915112345678"} | a_message() | changes


async def test_an_sdk_sees_what_meta_would_answer() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("POST", PATH, a_body(), SEND)
        assert status == 200
        assert shown["contacts"] == [{"input": "+4915112345678", "wa_id": "4915112345678"}]
        (message,) = shown["messages"]
        assert message["message_status"] == "accepted"
        assert (await desk.call("GET", f"/v1/jobs/{message['id']}"))[0] == 200


async def test_wishes_ride_in_headers() -> None:
    async with a_desk() as desk:
        headers = {
            "Idempotency-Key": "order-1",
            "Penstock-Priority": "authentication",
            "Penstock-Source": "journey:orders",
            "Penstock-Not-Before": "2030-01-01T00:00:00Z",
            "Penstock-Delivery": "at_least_once",
        }
        _, first = await desk.call("POST", PATH, a_body(), SEND, headers=headers)
        _, again = await desk.call("POST", PATH, a_body(), SEND, headers=headers)
        assert first["messages"][0]["id"] == again["messages"][0]["id"]
        _, job = await desk.call("GET", f"/v1/jobs/{first['messages'][0]['id']}")
        assert job["waiting_for"][0]["gate"] == "schedule"


async def test_a_key_that_is_too_long_is_refused_and_not_cut() -> None:
    async with a_desk() as desk:
        headers = {"Idempotency-Key": "k" * 256}
        status, shown = await desk.call("POST", PATH, a_body(), SEND, headers=headers)
        assert (status, shown["error"]["code"]) == (400, 100)
        assert "at most 255" in shown["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"to": "0151"}, 400, 100),
        ({"messaging_product": "sms"}, 400, 131008),
        (a_message("one"), 400, 132000),
        (a_message(name="nope"), 400, 132001),
        (a_message("a\nb", "c"), 400, 132012),
        ({"status": "read"}, 502, 2),
        ({"context": {"message_id": "pst.nobody"}}, 400, 100),
    ],
)
async def test_errors_have_metas_shape(changes: dict[str, object], status: int, code: int) -> None:
    async with a_desk() as desk:
        got, shown = await desk.call("POST", PATH, a_body(**changes), SEND)
        assert (got, shown["error"]["code"]) == (status, code)
        assert shown["error"]["type"] == "OAuthException"


@pytest.mark.parametrize(
    ("header", "text", "remedy"),
    [
        ("Penstock-Priority", "urgent", "authentication, service, utility, marketing"),
        ("Penstock-Delivery", "thrice", "must be one of at_most_once, at_least_once"),
        ("Penstock-Not-Before", "tomorrow", "RFC 3339 with a time zone"),
        ("Penstock-Expires-At", "2026-06-01T10:00:00", "RFC 3339 with a time zone"),
        ("Penstock-Source", "spring", "campaign:ID, journey:ID or direct:ID"),
        ("Penstock-Source", "journey:", "campaign:ID, journey:ID or direct:ID"),
        ("Penstock-Source", f"direct:{'x' * 129}", "campaign:ID, journey:ID or direct:ID"),
        ("Idempotency-Key", "k" * 256, "at most 255 characters"),
        ("Penstock-NotBefore", "2099-01-01T00:00:00Z", "did you mean Penstock-Not-Before?"),
    ],
)
async def test_a_wish_that_cannot_be_read_is_named_with_its_remedy(
    header: str, text: str, remedy: str
) -> None:
    async with a_desk() as desk:
        headers = {"Authorization": f"Bearer {SEND}", header: text}
        answer = await desk.client.post(PATH, json=a_body(), headers=headers)
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (400, 100)
        assert error["error_data"]["details"].startswith(f"{header}: ")
        assert remedy in error["error_data"]["details"]


async def test_a_key_that_may_not_send_is_metas_190_or_200() -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", PATH, a_body(), "x"))[1]["error"]["code"] == 190
        assert (await desk.call("POST", PATH, a_body(), READ))[1]["error"]["code"] == 200


CONTACT = {"name": {"formatted_name": "Ada"}, "phones": [{"phone": "+1", "wa_id": "1"}]}
BUTTONS = [{"type": "reply", "reply": {"id": "a", "title": "A"}}]
LIST = {"button": "Pick", "sections": [{"rows": [{"id": "1", "title": "x"}]}]}
LINK = {"name": "cta_url", "parameters": {"display_text": "Go", "url": "https://x"}}
VERBATIM: list[dict[str, object]] = [
    {"type": "text", "text": {"preview_url": True, "body": "Hi"}},
    {"type": "image", "image": {"id": "1", "caption": "c"}},
    {"type": "video", "video": {"link": "https://x/v.mp4"}},
    {"type": "audio", "audio": {"id": "1", "voice": True}},
    {"type": "document", "document": {"id": "1", "filename": "a.pdf"}},
    {"type": "sticker", "sticker": {"id": "1"}},
    {"type": "location", "location": {"latitude": 48.1374, "longitude": "11.5"}},
    {"type": "contacts", "contacts": [CONTACT]},
    {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}},
    {"type": "interactive", "interactive": {"type": "button", "action": {"buttons": BUTTONS}}},
    {"type": "interactive", "interactive": {"type": "list", "action": LIST}},
    {"type": "interactive", "interactive": {"type": "cta_url", "action": LINK}},
    {"type": "interactive", "interactive": {"type": "location_request_message"}},
    a_message("Ada", "ü \U0001f600"),
]


@pytest.mark.parametrize("message", VERBATIM, ids=lambda each: str(each["type"]))
async def test_every_kind_of_message_is_queued_as_it_came(
    redis_client: Redis, message: dict[str, object]
) -> None:
    more = {"recipient_type": "individual", "context": {"message_id": "wamid.y"}, "news": [1, 2.50]}
    async with a_desk(redis=redis_client) as desk:
        body = {"messaging_product": "whatsapp", "to": "4915112345678"} | message | more
        status, shown = await desk.call("POST", PATH, body, SEND)
        assert status == 200, shown
        rows: Any = await redis_client.lrange(f"ps:{{{PORTFOLIO}}}:q:1", 0, -1)
        to, _, queued = rows[0][32:].partition(b"\x1f")
        assert (to, json.loads(queued)) == (b"+4915112345678", message | more)
