"""The sandbox reads sends as strictly as Meta does, over real HTTP."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from adapters.sandbox import scenario
from adapters.sandbox.control import Inbound
from adapters.sandbox.server import Sandbox

Json = Any  # what a decoded answer is
PLAIN = Path(__file__).parents[1] / "data" / "sandbox" / "plain.json"
NOW_MS = 1_800_000_000_000
pytestmark = pytest.mark.asyncio


class Client:
    """Sends over HTTP and decodes the answer."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession, url: str) -> None:
        self.sandbox = sandbox
        self.session = session
        self.url = url

    async def post(
        self, body: Json, *, number: str = "100200", token: str = "token-a"
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/v25.0/{number}/messages"
        async with self.session.post(url, data=raw, headers=headers) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def code(self, body: Json) -> int:
        status, answer = await self.post(body)
        return answer["error"]["code"] if status != 200 else 0


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    sandbox = Sandbox(scenario.load(PLAIN), now_ms=lambda: NOW_MS, rng=random.Random(1))
    url = await sandbox.start()
    async with aiohttp.ClientSession() as session:
        yield Client(sandbox, session, url)
    await sandbox.stop()


def text(value: str | None = "Ann", **more: Json) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def offer(*parameters: Json, **more: Json) -> dict[str, Any]:
    body = {"type": "body", "parameters": list(parameters or [text()])}
    return {
        "messaging_product": "whatsapp",
        "to": "+447900000001",
        "type": "template",
        "template": {"name": "offer", "language": {"code": "en_US"}, "components": [body]},
        **more,
    }


def receipt(*components: Json) -> dict[str, Any]:
    body = offer()
    body["template"] = {
        "name": "receipt",
        "language": {"code": "en_US"},
        "components": list(components),
    }
    return body


HEADER = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
NAMES = {
    "type": "body",
    "parameters": [text("Ann", parameter_name="first_name"), text("7", parameter_name="order")],
}
BUTTON = {"type": "button", "sub_type": "url", "index": "0", "parameters": [text("x7")]}


def free(kind: str, content: Json) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": "+447900000001", "type": kind, kind: content}


async def test_an_accepted_message_is_answered_in_metas_shape(client: Client) -> None:
    status, answer = await client.post(offer(biz_opaque_callback_data="x" * 512))
    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": "+447900000001", "wa_id": "447900000001"}]
    assert answer["messages"][0]["message_status"] == "accepted"
    assert answer["messages"][0]["id"].startswith("wamid.")


async def test_every_message_has_an_id_of_its_own(client: Client) -> None:
    ids = {(await client.post(offer(text(f"n{i}"))))[1]["messages"][0]["id"] for i in range(20)}
    assert len(ids) == 20


async def test_a_refusal_has_metas_shape(client: Client) -> None:
    status, answer = await client.post(offer(text("a"), text("b")))
    assert status == 400
    error = answer["error"]
    assert error["message"] == "(#132000) Template Param Count Mismatch"
    assert error["type"] == "OAuthException"
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["fbtrace_id"]


async def test_a_wrong_token_is_190_and_401(client: Client) -> None:
    status, answer = await client.post(offer(), token="token-b")
    assert (status, answer["error"]["code"]) == (401, 190)


async def test_an_unknown_number_is_33(client: Client) -> None:
    status, answer = await client.post(offer(), number="999")
    assert (status, answer["error"]["code"]) == (400, 33)


async def test_the_marketing_endpoint_takes_marketing_only(client: Client) -> None:
    headers = {"Authorization": "Bearer token-a"}
    url = f"{client.url}/v25.0/100200/marketing_messages"
    async with client.session.post(url, json=offer(), headers=headers) as answer:
        assert answer.status == 200
    async with client.session.post(
        url, json=receipt(HEADER, NAMES, BUTTON), headers=headers
    ) as answer:
        assert (await answer.json())["error"]["code"] == 131055
    assert client.sandbox.report().accepted == 1


async def test_marking_as_read_is_no_message(client: Client) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    assert await client.post(body) == (200, {"success": True})
    assert client.sandbox.report().accepted == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", 100, id="no json"),
        pytest.param(b"[]", 100, id="no object"),
        pytest.param({"to": "+447900000001"}, 100, id="no messaging_product"),
        pytest.param(offer(unknown=1), 100, id="unknown field"),
        pytest.param(offer(to="447900000001"), 100, id="no plus"),
        pytest.param(offer(to="+0447900000"), 100, id="leading zero"),
        pytest.param(offer(to="+44790000000123456"), 100, id="too long a number"),
        pytest.param(offer(to="+44 x900 000001"), 100, id="letters in a number"),
        pytest.param(offer(to=""), 131008, id="no recipient"),
        pytest.param(offer(to="", recipient="nobody"), 100, id="no user id"),
        pytest.param(offer(to="+15550100000"), 131021, id="to oneself"),
        pytest.param(offer(biz_opaque_callback_data="x" * 513), 100, id="opaque too long"),
        pytest.param(offer(type="hologram"), 131051, id="unknown type"),
        pytest.param(offer(template=None), 131008, id="no template"),
        pytest.param(offer(text("a"), text("b")), 132000, id="too many"),
        pytest.param(offer(text("")), 131008, id="empty"),
        pytest.param(offer({"type": "text"}), 131008, id="no text"),
        pytest.param(offer(text("a\nb")), 132012, id="line feed"),
        pytest.param(offer(text("a\tb")), 132012, id="tab"),
        pytest.param(offer(text("a     b")), 132012, id="five spaces"),
        pytest.param(offer(text("a    b")), 0, id="four spaces"),
        pytest.param(offer({"type": "image", "image": {"id": "1"}}), 132012, id="wrong kind"),
        pytest.param(offer(text("a", parameter_name="x")), 132012, id="named for positional"),
        pytest.param(offer(text("x" * 1_024)), 132005, id="rendered too long"),
        pytest.param(receipt(HEADER, NAMES, BUTTON), 0, id="named, media and button"),
        pytest.param(receipt(NAMES, BUTTON), 132000, id="no header"),
        pytest.param(receipt(HEADER, NAMES), 132000, id="no button"),
        pytest.param(
            receipt(HEADER, {"type": "body", "parameters": [text(), text()]}, BUTTON),
            132012,
            id="positional for named",
        ),
        pytest.param(
            receipt({"type": "header", "parameters": [text()]}, NAMES, BUTTON),
            132012,
            id="text for media",
        ),
    ],
)
async def test_a_malformed_send_gets_its_code(client: Client, body: Json, code: int) -> None:
    assert await client.code(body) == code
    report = client.sandbox.report()
    assert report.clean
    assert report.invalid == (code != 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(free("text", {"body": "x" * 4_096}), 0, id="longest text"),
        pytest.param(free("text", {"body": "x" * 4_097}), 100, id="text too long"),
        pytest.param(free("text", {"body": ""}), 131008, id="no words"),
        pytest.param(free("image", {"id": "1", "caption": "c"}), 0, id="image"),
        pytest.param(free("image", {"caption": "c"}), 131008, id="no media"),
        pytest.param(free("image", {"id": "1", "caption": "c" * 1_025}), 100, id="caption"),
        pytest.param(free("reaction", {"message_id": "wamid.x", "emoji": "x"}), 0, id="reaction"),
        pytest.param(free("interactive", {}), 131008, id="no interactive"),
    ],
)
async def test_free_form_content_is_checked_too(client: Client, body: Json, code: int) -> None:
    client.sandbox.controls.receive(Inbound("100200", "+447900000001"))
    assert await client.code(body) == code


async def test_a_user_id_is_a_recipient_but_not_of_a_code(client: Client) -> None:
    body = offer(recipient="US.13491208655302741918")
    del body["to"]
    status, answer = await client.post(body)
    assert status == 200
    user_id = "US.13491208655302741918"
    assert answer["contacts"] == [{"input": user_id, "user_id": user_id}]
    body["template"]["name"] = "code"
    assert await client.code(body) == 131062


async def test_separators_in_a_number_are_allowed(client: Client) -> None:
    _, answer = await client.post(offer(to="+44 (7900) 000-001"))
    assert answer["contacts"][0] == {"input": "+44 (7900) 000-001", "wa_id": "447900000001"}


async def test_the_report_says_what_happened(client: Client) -> None:
    await client.post(offer())
    await client.post(offer(text("")))
    async with client.session.get(f"{client.url}/_sandbox/report") as answer:
        report = msgspec.json.decode(await answer.read())
    assert report["accepted"] == 1
    assert report["invalid"] == 1
    assert report["errors"] == {"131008": 1}
    assert report["clean"] is True


async def test_it_listens_on_loopback_only(client: Client) -> None:
    with pytest.raises(ValueError, match="loopback"):
        await client.sandbox.start(host="0.0.0.0")
