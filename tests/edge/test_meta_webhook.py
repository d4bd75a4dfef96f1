"""The door Meta knocks on: who may come in, what is kept, what is answered when it cannot be."""

import asyncio
import hashlib
import hmac
import io
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.meta.webhook import PATH, Inbox, Webhook
from engine.errors import LedgerAwayError
from tests.edge.meta_graph import recorded

OLD, NEW = "old-app-secret", "new-app-secret"
VERIFY = "verify-tökén"
BODY = recorded("status_sent")

Client = TestClient[web.Request, web.Application]
Open = Callable[..., Awaitable[Client]]


def signed(body: bytes, secret: str = OLD) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


@pytest.fixture
def kept() -> list[bytes]:
    return []


@pytest.fixture
async def open_door(kept: list[bytes]) -> AsyncIterator[Open]:
    clients: list[Client] = []

    async def keep(body: bytes) -> None:
        kept.append(body)

    async def open_one(*secrets: str, verify_token: str = VERIFY, inbox: Inbox = keep) -> Client:
        webhook = Webhook(app_secrets=secrets, verify_token=verify_token, inbox=inbox)
        app = web.Application(client_max_size=1_024)  # other routes' limit is not ours
        app.add_routes(webhook.routes())
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        await client.close()


# --- the handshake --------------------------------------------------------------------------------


def _asked(**changes: str) -> dict[str, str]:
    asked = {"mode": "subscribe", "challenge": "1158201444", "verify_token": VERIFY} | changes
    return {f"hub.{name}": value for name, value in asked.items()}


async def test_the_challenge_comes_back_as_plain_text(open_door: Open) -> None:
    client = await open_door(OLD)
    answer = await client.get(PATH, params=_asked())
    assert (answer.status, await answer.text()) == (200, "1158201444")
    assert answer.content_type == "text/plain"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (_asked(verify_token="wrong"), 403),
        (_asked(verify_token=""), 403),
        (_asked(verify_token="\ud800".encode("utf-8", "replace").decode()), 403),
        (_asked(mode="unsubscribe"), 403),
        ({}, 403),
        (_asked(challenge="<script>alert(1)</script>"), 400),
        (_asked(challenge=""), 400),
        (_asked(challenge="1" * 129), 400),
        (_asked(challenge="1\n"), 400),
    ],
)
async def test_nobody_else_is_answered(open_door: Open, asked: dict[str, str], status: int) -> None:
    client = await open_door(OLD)
    answer = await client.get(PATH, params=asked)
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    assert "script" not in await answer.text()


async def test_without_a_verify_token_nobody_shakes_hands(open_door: Open) -> None:
    client = await open_door(OLD, verify_token="")
    answer = await client.get(PATH, params=_asked(verify_token=""))
    assert answer.status == 403
    assert "PENSTOCK_META_VERIFY_TOKEN" in await answer.text()


# --- the signature --------------------------------------------------------------------------------


async def test_a_signed_body_is_kept_as_it_came(open_door: Open, kept: list[bytes]) -> None:
    client = await open_door(OLD)
    answer = await client.post(PATH, data=BODY, headers=signed(BODY))
    assert (answer.status, await answer.read()) == (200, b"")
    assert kept == [BODY]


async def test_both_secrets_count_while_they_are_being_changed(
    open_door: Open, kept: list[bytes]
) -> None:
    client = await open_door(OLD, NEW)
    for secret in (OLD, NEW):
        answer = await client.post(PATH, data=BODY, headers=signed(BODY, secret))
        assert answer.status == 200
    assert kept == [BODY, BODY]


GOOD = signed(BODY)["X-Hub-Signature-256"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GOOD.upper(),
        GOOD.replace("sha256=", "sha1="),
        GOOD[:-1],
        GOOD + "0",
        " sha256=" + "0" * 64,
        "sha256=" + "0" * 64,
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        signed(BODY, "other")["X-Hub-Signature-256"],
        signed(BODY.replace(b" ", b""))["X-Hub-Signature-256"],
    ],
)
async def test_a_body_that_is_not_signed_is_not_kept(
    open_door: Open, kept: list[bytes], header: str | None
) -> None:
    client = await open_door(OLD)
    headers = {} if header is None else {"X-Hub-Signature-256": header}
    answer = await client.post(PATH, data=BODY, headers=headers)
    assert answer.status == 401
    assert kept == []


@pytest.mark.parametrize("secrets", [(), ("",)])
async def test_without_a_secret_nothing_comes_in(
    open_door: Open, kept: list[bytes], secrets: tuple[str, ...]
) -> None:
    client = await open_door(*secrets)
    answer = await client.post(PATH, data=BODY, headers=signed(BODY, ""))
    assert answer.status == 403
    assert "PENSTOCK_META_APP_SECRET" in await answer.text()
    assert kept == []


# --- the body -------------------------------------------------------------------------------------


async def test_three_megabytes_come_in(open_door: Open, kept: list[bytes]) -> None:
    client = await open_door(OLD)
    body = b"x" * 3_000_000
    answer = await client.post(PATH, data=io.BytesIO(body), headers=signed(body))
    assert answer.status == 200
    assert len(kept[0]) == 3_000_000


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_five_megabytes_do_not(
    open_door: Open, kept: list[bytes], *, is_chunked: bool
) -> None:
    client = await open_door(OLD)
    body = b"x" * 5_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    sent = pieces() if is_chunked else io.BytesIO(body)
    answer = await client.post(PATH, data=sent, headers=signed(body))
    assert answer.status == 413
    assert kept == []


async def test_a_body_that_does_not_come_is_given_up(
    open_door: Open, kept: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.meta.webhook.BODY_TIMEOUT_S", 0.01)
    client = await open_door(OLD)
    answered = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield BODY[:9]
        await answered.wait()

    answer = await client.post(PATH, data=half(), headers=signed(BODY))
    answered.set()
    assert answer.status == 408
    assert kept == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", "x-new"])
async def test_an_encoded_body_is_refused(
    open_door: Open, kept: list[bytes], encoding: str
) -> None:
    client = await open_door(OLD)
    headers = signed(BODY) | {"Content-Encoding": encoding}
    answer = await client.post(PATH, data=BODY, headers=headers)
    assert answer.status == 415
    assert kept == []


@pytest.mark.parametrize("error", [LedgerAwayError("away"), OSError("disk"), TimeoutError()])
async def test_what_could_not_be_kept_is_asked_for_again(open_door: Open, error: Exception) -> None:
    async def lose(_body: bytes) -> None:
        raise error

    client = await open_door(OLD, inbox=lose)
    answer = await client.post(PATH, data=BODY, headers=signed(BODY))
    assert answer.status == 503


async def test_what_is_no_json_is_kept_too(open_door: Open, kept: list[bytes]) -> None:
    client = await open_door(OLD)
    answer = await client.post(PATH, data=b"{", headers=signed(b"{"))
    assert answer.status == 200  # signed by Meta: the parser counts it, Meta need not repeat it
    assert kept == [b"{"]


async def test_what_happened_is_counted() -> None:
    async def keep(_body: bytes) -> None: ...

    webhook = Webhook(app_secrets=[OLD], verify_token=VERIFY, inbox=keep)
    app = web.Application()
    app.add_routes(webhook.routes())
    async with TestClient(TestServer(app)) as client:
        await client.post(PATH, data=BODY, headers=signed(BODY))
        await client.post(PATH, data=BODY)
    assert webhook.kept == 1
    assert {name: count for name, count in webhook.refused.items() if count} == {"signature": 1}
