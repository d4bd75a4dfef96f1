"""A fake Graph API on a real socket: it counts every byte and answers as it was told."""

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import msgspec
from aiohttp import ClientSession

from adapters.meta.client import MetaClient
from adapters.meta.letter_request import Objection
from adapters.meta.management import Management
from engine.letters import Letter
from engine.model import JobKey, Lane, Priority, RecipientKey, SenderId
from engine.outcomes import Outcome
from engine.ports import Claimed

RECORDED = Path(__file__).parents[1] / "data" / "meta"
SENDER = SenderId("106540352242922")
TOKEN = "EAA" + "canary" * 30
NOW_MS = 1_750_000_000_000

RESET = "reset"  # RST at once, after the request
CLOSE = "close"  # FIN after what was written
SILENT = "silent"  # no answer, the connection stays
KEEP = "keep"


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def http(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Told",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def graph_error(code: int, **fields: object) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": "told", **fields}})


@dataclass
class Reply:
    raw: bytes = b""
    then: str = KEEP


ACCEPTED = Reply(http(200, recorded("answer_accepted")))
WAMID = "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI4MjZGRDA0OUE2OTQ3RkEyMzcA"  # what ACCEPTED names


@dataclass
class FakeGraph:
    """Use as an async context manager; `replies` are used up in order, then all is accepted."""

    replies: deque[Reply] = field(default_factory=deque[Reply])
    bytes_read: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list[bytes])
    bodies: list[bytes] = field(default_factory=list[bytes])
    is_rude: bool = False  # resets every connection that is made
    is_over: bool = False
    is_hasty: bool = False  # answers a head and reads no further
    greeting: bytes = b""  # sent on every connection that is made, then it is closed
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._open: set[_Wire] = set()
        self._server = await loop.create_server(lambda: _Wire(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_over = True
        self._server.close()
        for wire in list(self._open):
            wire.transport.abort()
        await self._server.wait_closed()

    def tell(self, *replies: Reply) -> None:
        self.replies.extend(replies)


class _Wire(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, graph: FakeGraph) -> None:
        self._graph = graph
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit it
        self._graph.connections += 1
        self._graph._open.add(self)
        if self._graph.is_over:  # accepted a moment before the end: nobody else would end it
            self.transport.abort()
        elif self._graph.is_rude:
            self._reset()
        elif self._graph.greeting:
            self.transport.write(self._graph.greeting)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's name)
        self._graph._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._graph.bytes_read += len(data)
        self._buffer += data
        if self._buffer.startswith(b"\x16"):  # a TLS greeting, which we do not speak
            self.transport.close()
            return
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if self._graph.is_hasty and len(rest) < length:
            self.transport.pause_reading()
        elif len(rest) < length:
            return
        self._buffer = rest[length:]
        self._graph.heads.append(head)
        self._graph.bodies.append(rest[:length])
        self._graph.asked.set()
        self._answer(self._graph.replies.popleft() if self._graph.replies else ACCEPTED)

    def _answer(self, reply: Reply) -> None:
        if reply.raw:
            self.transport.write(reply.raw)
        if reply.then == RESET:
            self._reset()
        elif reply.then == CLOSE:
            self.transport.close()

    def _reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def a_letter(
    *,
    body: bytes = b'{"to":"+16505551234"}',
    deadline_s: float = 20.0,
    priority: Priority = Priority.UTILITY,
    attempt: int = 1,
    sequence: int = 1,
    recipient: bytes = b"8 bytes.",
    sender: SenderId = SENDER,
    failures: int = 0,
) -> Letter:
    job = Claimed(
        JobKey(1, sequence),
        attempt,
        NOW_MS * 1_000,
        NOW_MS + 40_000,
        NOW_MS,
        RecipientKey(recipient),
        1,
        b"",
        Lane("campaign:1", sender, "1/order/en", priority),
        counted=True,
        failures=failures,
    )
    return Letter(sender, body, job, deadline_s)


@dataclass
class Desk:
    """A client on a fake Graph, with a clock and an objection that a test may change."""

    graph: FakeGraph
    session: ClientSession
    now_ms: int = NOW_MS
    objection: Objection = lambda _job: ""
    tokens: dict[SenderId, str] = field(default_factory=lambda: {SENDER: TOKEN})

    def __post_init__(self) -> None:
        self.client = self.a_client(self.graph.url)

    def a_client(self, url: str) -> MetaClient:
        return MetaClient(
            self.session,
            graph_url=url,
            graph_version="v25.0",
            token_of=lambda sender: self.tokens.get(sender, ""),
            now_ms=lambda: self.now_ms,
            objection=self._object,
        )

    def _object(self, job: Claimed) -> str:
        return self.objection(job)

    async def answered(self, *replies: Reply) -> Outcome:
        self.graph.tell(*replies)
        return await self.client.send(a_letter())


@dataclass
class ManagedGraph:
    """Management on a fake Graph; sleeping moves the clock."""

    graph: FakeGraph
    session: ClientSession
    now_ms: int = NOW_MS
    slept_s: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.management = Management(
            self.session,
            graph_url=self.graph.url,
            graph_version="v25.0",
            now_ms=lambda: self.now_ms,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ms += int(seconds * 1_000)
