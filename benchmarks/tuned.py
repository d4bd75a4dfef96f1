"""The aiohttp session that bare and every peer get: the best one that aiohttp's users know.

A tuned connector and a total timeout. The payload notes the moment of its first write, as
the engine must, so both pay for the same promise.
"""

import time

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from benchmarks import message

SEND_TIMEOUT_S = 20
CONTENT_TYPE = "application/json"


class AcceptedMessage(msgspec.Struct):
    """One message as Meta accepted it."""

    id: str


class Answer(msgspec.Struct):
    """The part of Meta's answer that a sender reads."""

    messages: list[AcceptedMessage]


decode_answer = msgspec.json.Decoder(Answer).decode


class NotedPayload(BytesPayload):
    """A body that knows when its first byte was written; 0 before that."""

    written_at_ns = 0

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Note the moment, then write."""
        self.written_at_ns = time.monotonic_ns()
        await super().write_with_length(writer, content_length)


def open_session() -> aiohttp.ClientSession:
    """Return the tuned session; to be called inside a running loop and closed by the caller."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Authorization": "Bearer " + "t" * 190, "Content-Type": CONTENT_TYPE},
        timeout=aiohttp.ClientTimeout(total=SEND_TIMEOUT_S),
        auto_decompress=False,
    )


def message_url(graph_url: str, sender: int) -> URL:
    """Return the address of a sender's messages, encoded once and for all."""
    return URL(graph_url + message.messages_path(sender), encoded=True)


async def post(session: aiohttp.ClientSession, url: URL, body: bytes) -> str:
    """Send one message and return its wamid; anything but an accepting answer raises."""
    payload = NotedPayload(body, content_type=CONTENT_TYPE)
    async with session.post(url, data=payload, allow_redirects=False) as response:
        raw = await response.read()
        response.raise_for_status()
    return decode_answer(raw).messages[0].id
