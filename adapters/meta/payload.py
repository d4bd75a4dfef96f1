"""A request body that knows whether its first byte has left, and may refuse until then.

aiohttp keeps the headers back and joins them with the first piece of the body into one write
(http_writer.StreamWriter._send_headers_with_payload). A body that raises instead of writing leaves
them in the buffer, where they die with the connection: not one byte has left. That holds without
`expect100` and without compression, which we never use.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, Final, cast

from aiohttp import ClientRequest, ClientResponse
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http_writer import StreamWriter
from aiohttp.payload import Payload
from multidict import CIMultiDict

from engine.letters import Letter
from engine.model import NowMs
from engine.ports import Claimed

JSON: Final = "application/json"
CONNECTION_LOST: Final = "connection_lost"  # found closed before the first byte

Objection = Callable[[Claimed], str]
"""Why not one byte of a job may be written now, empty when it may: engine Delivery.objection.

It says no when the send time is more than LATE_MS past, the lease's end is near, or the source was
stopped.
"""


class RefusedError(Exception):
    """The body refused to be written; aiohttp wraps it, the client reads `refusal` instead."""


class LetterRequest(ClientRequest):
    """A request that gives its connection back when its letter refuses before a byte is made.

    aiohttp closes the connection of a body that raises. On a busy worker letters that waited for a
    new connection come late: were it closed then, the next one would wait, too, and come late.
    """

    def send(self, conn: Connection) -> CoroutineType[Any, Any, ClientResponse]:
        """Send it, or raise RefusedError with the connection as good as it was."""
        body = self.body
        if isinstance(body, LastMoment):
            if not body.refuses() and conn.closed:
                body.refusal = CONNECTION_LOST
            if body.refusal:
                conn.release()
                raise RefusedError(body.refusal)
        return super().send(conn)  # type: ignore[return-value]  # checkers name coroutines apart


class LastMoment(Payload):
    """The body of one letter.

    `written_at_ms` is 0 while it is certain that no byte left. `refusal` says why none ever will.
    """

    __slots__ = ("_job", "_now_ms", "_objection", "refusal", "written_at_ms")

    # Shared by all: aiohttp only reads them, and building them would cost as much as the rest.
    _headers = CIMultiDict({"Content-Type": JSON})
    _encoding = None
    _filename = None
    _autoclose = True  # bytes: nothing to close

    def __init__(self, letter: Letter, now_ms: NowMs, objection: Objection) -> None:
        self._value = letter.body
        self._size = len(letter.body)
        self._job = letter.job
        self._now_ms = now_ms
        self._objection = objection
        self.refusal = ""
        self.written_at_ms = 0

    def refuses(self) -> bool:
        """Look once more whether anything forbids the first byte."""
        if not self.refusal:
            self.refusal = self._objection(self._job)
        return self.refusal != ""

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - aiohttp's signature; it is our own size
    ) -> None:
        """Write all of it, or raise RefusedError with not a byte written."""
        transport = cast("StreamWriter", writer).transport
        if not self.refuses() and (transport is None or transport.is_closing()):
            self.refusal = CONNECTION_LOST
        if self.refusal:
            raise RefusedError(self.refusal)
        self.written_at_ms = self._now_ms() or 1  # no await between here and the transport's write
        await writer.write(self._value)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write as `write_with_length` does; aiohttp's older entrance."""
        await self.write_with_length(writer, None)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return bytes(self._value).decode(encoding, errors)
