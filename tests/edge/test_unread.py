"""What stops being HTTP in the middle, and what is expected of us in vain: answered at once."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.api import patience
from adapters.meta import webhook
from tests.e2e.whole_house import KEY, SENDER, Whole, a_whole_house

pytestmark = pytest.mark.one_server  # the door, whatever ledger is behind it
UPLOAD = "/v1/campaigns/c1/recipients"
ROWS = b"to,name\n+4915112345678,Ada\n"
GARBAGE = b"ZZ\r\nnot a chunk\r\n"
MEDIA = f"/v25.0/{SENDER}/media"
MESSAGES = f"/v25.0/{SENDER}/messages"
BODIES = {
    UPLOAD: ("text/csv", ROWS),
    "/v1/jobs": ("application/x-ndjson", b'{"sender":'),
    "/v1/keys": ("application/json", b"{"),
    MESSAGES: ("application/json", b'{"messaging_product":'),
    MEDIA: ("multipart/form-data; boundary=x", b"--x\r\n"),
    "/webhooks/meta": ("application/json", b"{"),
}


@pytest.fixture
async def whole(
    server_url: str, tmp_path: Path, redis_client: object, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Whole]:
    """A house that would wait long for a body that is slow."""
    del redis_client
    monkeypatch.setattr(patience, "SILENCE_S", 600.0)
    monkeypatch.setattr(webhook, "BODY_TIMEOUT_S", 600.0)
    async with a_whole_house(server_url, tmp_path) as made:
        yield made


class Speaker:
    """A caller who writes HTTP by hand."""

    def __init__(self, whole: Whole, path: str, *, more: str = "") -> None:
        self._host = whole.url.removeprefix("http://")
        self.head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {KEY}\r\n"
            f"X-Hub-Signature-256: sha256={'0' * 64}\r\nContent-Type: {BODIES[path][0]}\r\n"
            f"Transfer-Encoding: chunked\r\n{more}\r\n"
        ).encode()
        body = BODIES[path][1]
        self.chunk = b"%x\r\n%s\r\n" % (len(body), body)

    async def says(self, *pieces: bytes, after_continue: bytes = b"") -> list[tuple[int, Any]]:
        """Write pieces, each on its own; return status and JSON of all answers to the end."""
        reader, writer = await asyncio.open_connection(*self._host.split(":"))
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if after_continue:
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(after_continue)
            told = await reader.read()
        writer.close()
        parts = re.split(rb"HTTP/1\.[01] (?=\d{3} )", told)[1:]
        answers = [each.partition(b"\r\n\r\n") for each in parts]
        return [(int(head[:3]), json.loads(body)) for head, _, body in answers]


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_whose_frame_breaks_is_refused_at_once_wherever_it_breaks(
    whole: Whole, path: str
) -> None:
    plain, waiting = Speaker(whole, path), Speaker(whole, path, more="Expect: 100-continue\r\n")
    answers = [
        await waiting.says(waiting.head, after_continue=waiting.chunk + GARBAGE),
        await waiting.says(waiting.head, after_continue=GARBAGE),
        await plain.says(plain.head, plain.chunk, GARBAGE),
        await plain.says(plain.head, GARBAGE),
        await plain.says(plain.head + plain.chunk + GARBAGE),
    ]
    for ((status, told),) in answers:
        assert status == 400, told
    told = [each for ((_, each),) in answers]
    in_the_middle, before_it, *unbegun = told  # those may come before anybody began with it
    code = "cut" if path == "/webhooks/meta" else "truncated"
    if path in (MEDIA, MESSAGES):
        assert (in_the_middle["error"]["code"], before_it["error"]["code"]) == (100, 100)
    elif path == UPLOAD:
        assert (in_the_middle["accepted"], in_the_middle["stopped"]) == (1, code)
        assert before_it["code"] == code
    else:
        assert (in_the_middle["code"], before_it["code"]) == (code, code)
    assert unbegun[-1]["code"] == "malformed"


async def test_a_request_behind_another_is_refused_alone(whole: Whole) -> None:
    broken = Speaker(whole, UPLOAD)
    good = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    first, second = await broken.says(good, broken.head, GARBAGE)
    assert (first[0], second[0]) == (200, 400)


async def test_an_expectation_that_nobody_can_keep_is_refused_as_its_path_refuses(
    whole: Whole,
) -> None:
    for path in ("/v1/jobs", "/v1/nowhere", "/metrics"):
        async with whole.session.post(whole.url + path, headers={"Expect": "bogus"}) as response:
            told = await response.json()
            assert (response.status, response.content_type) == (417, "application/problem+json")
            assert (told["code"], "leave the header out" in told["detail"]) == (
                "expectation_failed",
                True,
            )
    async with whole.session.post(whole.url + MESSAGES, headers={"Expect": "bogus"}) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], error["type"]) == (417, 100, "OAuthException")


async def test_no_header_that_is_no_text_breaks_a_route(whole: Whole) -> None:
    host = whole.url.removeprefix("http://")
    message = b'{"messaging_product":"whatsapp","to":"+4915112345678"}'
    campaign = b'{"name":"x","senders":[],"message":{}}'
    for path, body in (("/v1/keys", b"{}"), (MESSAGES, message), ("/v1/campaigns", campaign)):
        for name in ("Authorization", "Idempotency-Key", "Penstock-Source", "Content-Type"):
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            headers |= {name: "Bearer \udcff\udcfe"}
            head = "".join(f"{each}: {value}\r\n" for each, value in headers.items())
            sent = f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}Connection: close\r\n"
            sent += f"Content-Length: {len(body)}\r\n\r\n"
            reader, writer = await asyncio.open_connection(*host.split(":"))
            writer.write(sent.encode("utf-8", "surrogateescape") + body)
            async with asyncio.timeout(20):
                status = int((await reader.read()).split()[1])
            writer.close()
            assert 400 <= status < 500, (path, name)


async def test_a_body_ends_with_the_key_it_came_under(whole: Whole) -> None:
    made = await whole.call("POST", "/v1/keys", {"name": "a script", "role": "send"})
    came, revoked = asyncio.Event(), asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield ROWS
        came.set()
        await revoked.wait()
        yield b"+4915112345679,Bob\n"

    async def lines() -> AsyncIterator[bytes]:
        for number in (1, 2):
            yield json.dumps({"sender": SENDER, "to": f"+491511234567{number}"}).encode() + b"\n"
            await revoked.wait()

    headers = {"Authorization": f"Bearer {made['key']}"}

    async def send(path: str, kind: str, body: AsyncIterator[bytes]) -> tuple[int, str]:
        its = headers | {"Content-Type": kind}
        async with whole.session.post(whole.url + path, data=body, headers=its) as response:
            return response.status, await response.text()

    uploading = asyncio.create_task(send(UPLOAD, "text/csv", rows()))
    queueing = asyncio.create_task(send("/v1/jobs", "application/x-ndjson", lines()))
    async with asyncio.timeout(20):
        await came.wait()
        while (await whole.call("GET", "/v1/campaigns/c1"))["enqueued"] < 1:
            await asyncio.sleep(0.05)
        async with whole.session.delete(f"{whole.url}/v1/keys/{made['id']}") as response:
            assert response.status == 204
        revoked.set()
        status, told = await uploading
        assert (status, json.loads(told)["accepted"]) == (401, 1)
        assert json.loads(told)["stopped"] == "unauthorized"
        status, told = await queueing
        assert (status, "unauthorized" in told) in ((202, True), (401, True))
    assert (await whole.call("GET", "/v1/campaigns/c1"))["enqueued"] == 1
