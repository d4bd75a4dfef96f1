"""A request that knows whether its first byte has left, and may refuse until then.

It is written whole, head and body, in one go of the event loop: between the last look and the write
nothing else can happen. aiohttp alone would build the headers anew for each request and write the
body in a task of its own, which was a quarter of what it takes to send a letter (ADR 37).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from aiohttp import ClientRequest, ClientResponse
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.http_writer import StreamWriter
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict
from yarl import URL

from engine.letters import Letter
from engine.model import NowMs
from engine.ports import Claimed

JSON: Final = "application/json"
CONNECTION_LOST: Final = "connection_lost"  # found closed before the first byte

LARGE_BYTES: Final = 65_536  # may be answered before it has left: its connection serves no other

Objection = Callable[[Claimed], str]
"""Why not one byte of a job may be written now, empty when it may: engine Delivery.objection.

It says no when the send time is more than LATE_MS past, the lease's end is near, or the source was
stopped.
"""


class RefusedError(Exception):
    """The letter refused to be written; `LastMoment.refusal` says why."""


def head_of(url: URL, token: str) -> bytes:
    """Return what every letter of one sender begins with, up to the length of its body.

    `token` must be printable ASCII: what ends a line would end the head.
    """
    lines = (
        f"POST {url.raw_path_qs} HTTP/1.1",
        f"Host: {url.host_port_subcomponent}",
        f"Authorization: Bearer {token}",
        f"Content-Type: {JSON}",
        "Accept: */*",
        "Accept-Encoding: identity",  # we do not decompress
        f"User-Agent: {SERVER_SOFTWARE}",
        "Content-Length: ",
    )
    return "\r\n".join(lines).encode()


class LastMoment:
    """One letter just before it leaves.

    `written_at_ms` is 0 while it is certain that no byte left. `refusal` says why none ever will.
    """

    __slots__ = ("_head", "_letter", "_now_ms", "_objection", "refusal", "written_at_ms")

    def __init__(self, letter: Letter, head: bytes, now_ms: NowMs, objection: Objection) -> None:
        self._letter = letter
        self._head = head
        self._now_ms = now_ms
        self._objection = objection
        self.refusal = ""
        self.written_at_ms = 0

    def leave_by(self, conn: Connection) -> ResponseHandler:
        """Write all of it; return who will answer. RefusedError: not one byte has left.

        A connection on which something has come already would answer us with that.
        """
        refusal, protocol, body = (
            self._objection(self._letter.job),
            conn.protocol,
            self._letter.body,
        )
        transport = None if protocol is None or protocol.should_close else protocol.transport
        if refusal or protocol is None or transport is None or transport.is_closing():
            self.refusal = refusal or CONNECTION_LOST
            raise RefusedError(self.refusal)
        if len(body) > LARGE_BYTES:
            protocol.force_close()
        whole = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        self.written_at_ms = self._now_ms() or 1
        transport.write(whole)
        return protocol


class LetterRequest(ClientRequest):
    """A request that is one letter: the session that makes it sends nothing else.

    It gives its connection back when its letter refuses before a byte is made; aiohttp would close
    it. On a busy worker letters that waited for a new connection come late: were it closed then,
    the next one would wait, too, and come late.
    """

    _moment: LastMoment

    def update_headers(self, headers: LooseHeaders | None) -> None:  # noqa: ARG002 - as aiohttp says
        """Keep none: a letter brings its own, written once for all of its sender."""
        self.headers = CIMultiDict()

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:  # noqa: ANN401 - as aiohttp says
        """Take the letter; TypeError where it is none."""
        if not isinstance(body, LastMoment):
            raise TypeError(f"only letters leave here, not {type(body).__name__}")
        self._moment = body

    async def send(self, conn: Connection) -> ClientResponse:
        """Write it, or raise RefusedError with the connection as good as it was."""
        try:
            protocol = self._moment.leave_by(conn)
        except RefusedError:
            conn.release()
            raise
        protocol.start_timeout()
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,  # all is written
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            stream_writer=StreamWriter(protocol, self.loop),
        )
