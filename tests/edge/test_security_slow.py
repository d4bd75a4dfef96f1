"""S6, S7, S8: bodies too long, too deep, too slow, and callers who never say what they want."""

import asyncio
import contextlib
import gzip
import io
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.api import patience
from adapters.api.openapi.document import NDJSON
from tests.e2e.whole_house import KEY, Whole, a_whole_house
from tests.front_desk import a_campaign, a_desk

pytestmark = pytest.mark.one_server  # the door, whatever ledger is behind it
PATIENCE_S = 15.0  # for what takes milliseconds, on a machine that has nothing to give for seconds
HALVES = 300  # open halves; the control is about thousands, a test's machine has few descriptors
SIGNED = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
CORPUS = {
    "nothing": b"",
    "half": b'{"a":',
    "deep array": b"[" * 50_000 + b"]" * 50_000,
    "deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": Infinity}',
    "huge integer": b'{"a": ' + b"9" * 5_000 + b"}",
    "huge float": b'{"a": 1e999999}',
    "lone surrogate": rb'{"a": "\ud800"}',
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NUL": b'{"a": "\x00"}',
    "a list": b"[1, 2]",
    "a word": b'"word"',
    "null": b"null",
    "same name twice": b'{"name": "a", "name": 2}',
    "a byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.fixture
async def whole(server_url: str, tmp_path: Path, redis_client: object) -> AsyncIterator[Whole]:
    del redis_client
    async with a_whole_house(server_url, tmp_path) as made:
        yield made


async def test_s8_no_body_breaks_a_route(whole: Whole) -> None:
    document = await whole.call("GET", "/openapi.json")
    seen = 0
    for path, its in document["paths"].items():
        for method, operation in its.items():
            if "requestBody" not in operation or path == "/webhooks/meta":
                continue
            url = whole.url + path.replace("{version}", "v25.0").replace("{language}", "en")
            url = re.sub(r"\{(\w+)\}", "1", url)
            for media in operation["requestBody"]["content"]:
                for name, body in CORPUS.items():
                    headers = {"Content-Type": media}
                    began_s = time.monotonic()
                    async with whole.session.request(
                        method, url, data=body, headers=headers
                    ) as response:
                        text = await response.text()
                    assert response.status < 500, (path, name, text)
                    assert time.monotonic() - began_s < PATIENCE_S, (path, name)
                    seen += 1
    assert seen >= 5 * len(CORPUS)


async def test_s8_what_was_checked_is_what_is_sent_though_a_name_comes_twice(whole: Whole) -> None:
    body = (
        b'{"sender":"106540352242922","to":"+4915112345678","message":{"type":"template",'
        b'"template":{"name":"never","language":{"code":"en_US"}},'
        b'"template":{"name":"offer","language":{"code":"en_US"},"components":[{"type":"body",'
        b'"parameters":[{"type":"text","text":"Ada"}]}]}}}'
    )
    async with whole.session.post(whole.url + "/v1/jobs", data=body) as response:
        assert response.status == 202
    async with asyncio.timeout(20):
        while not whole.sandbox.stage.tally.messages:
            await asyncio.sleep(0.02)
    assert [each.template for each in whole.sandbox.stage.tally.messages] == ["offer"]


@given(body=st.binary(max_size=300), head=st.sampled_from([b"", b"to,name,code\n", b'{"to":"']))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_s8_no_file_breaks_an_upload(body: bytes, head: bytes) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        for media in ("text/csv", NDJSON):
            status, shown = await desk.upload("c1", head + body, media)
            assert status in (202, 400, 422), shown


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/keys", b" " * (2**20 + 1), {}, 413),
        ("/v1/jobs", b" " * (8 * 2**20 + 1), {}, 413),
        ("/v1/jobs", json.dumps([{}] * 1_001).encode(), {}, 413),
        ("/v1/jobs", gzip.compress(b" " * 2**20), {"Content-Encoding": "gzip"}, 415),
        ("/webhooks/meta", b" " * (4 * 2**20 + 1), SIGNED, 413),
        ("/webhooks/meta", gzip.compress(b"", mtime=0), SIGNED | {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_s6_a_body_is_bounded(
    whole: Whole, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    sent = io.BytesIO(body)
    async with whole.session.post(whole.url + path, data=sent, headers=headers) as response:
        assert response.status == status


async def test_s6_heads_are_bounded(whole: Whole) -> None:
    many = {f"X-{number}": "1" for number in range(100)}
    for headers in ({"X-Long": "a" * 9_000}, many):
        async with whole.session.get(whole.url + "/healthz", headers=headers) as response:
            assert response.status == 400


async def test_s6_a_gzip_that_grows_without_end_is_refused(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.api.streams.UNPACKED_MAX", 2**20)
    bomb = gzip.compress(b"to,name\n" + b"a" * 2**24)
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    url = whole.url + "/v1/campaigns/c1/recipients"
    async with whole.session.post(url, data=bomb, headers=headers) as response:
        assert response.status == 413


async def test_s7_half_heads_and_silence_are_ended_and_good_callers_do_not_notice(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 1.0)
    monkeypatch.setattr(patience, "LOOK_EVERY_S", 0.1)
    host, port = whole.url.removeprefix("http://").split(":")
    before_s = await a_call_s(whole)
    halves = [await asyncio.open_connection(host, int(port)) for _ in range(HALVES)]
    for place, (_, writer) in enumerate(halves):
        if place % 2:
            writer.write(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert await a_call_s(whole) < max(2 * before_s, 0.02)
    async with asyncio.timeout(30):
        ends = await asyncio.gather(*(reader.read() for reader, _ in halves))
    assert ends == [b""] * HALVES
    async with whole.session.get(whole.url + "/healthz") as response:
        assert response.status == 200
    for _, writer in halves:
        writer.close()


async def test_s7_a_body_that_stops_or_trickles_is_given_up(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 1.5)
    monkeypatch.setattr(patience, "GRACE_S", 1.0)

    async def stops() -> AsyncIterator[bytes]:
        yield b"to,name\n+4915112345678,Ada\n"
        await asyncio.Event().wait()

    async def trickles() -> AsyncIterator[bytes]:
        while True:
            yield b"{"
            await asyncio.sleep(0.05)

    answers: list[tuple[int, dict[str, Any]]] = []
    uploads = whole.url + "/v1/campaigns/c1/recipients"
    for url, body, media in (
        (uploads, stops(), "text/csv"),
        (whole.url + "/v1/jobs", trickles(), "application/json"),
        (whole.url + "/v1/keys", trickles(), "application/json"),
    ):
        async with asyncio.timeout(20):
            status, told = await raw_call(url, body, media)
        answers.append((status, told))
    assert [status for status, _ in answers] == [408, 408, 408]
    assert (answers[0][1]["accepted"], answers[0][1]["stopped"]) == (1, "too_slow")


async def raw_call(url: str, body: AsyncIterator[bytes], media: str) -> tuple[int, dict[str, Any]]:
    """Send a chunked body piece by piece; return what is answered while it still comes."""
    host, _, path = url.removeprefix("http://").partition("/")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(
        f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )

    async def feed() -> None:
        async for piece in body:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()

    feeding = asyncio.create_task(feed())
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.findall(r"(?i)content-length: (\d+)", head)[0])
        content = json.loads(await reader.readexactly(length))
        return int(head.split()[1]), content
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await feeding
        writer.close()


async def a_call_s(whole: Whole) -> float:
    """Return how long a call keeps our thread busy: of several the one in the middle."""
    took: list[float] = []
    for _ in range(41):
        began_s = time.thread_time()
        async with whole.session.get(whole.url + "/v1/senders") as response:
            assert response.status == 200
        took.append(time.thread_time() - began_s)
    return sorted(took)[len(took) // 2]
