"""Slow callers: how long we wait for a request's head and for its body, and then no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.api.problems import Handler, Problem

HEAD_S = 10.0  # for the first head of a connection
SILENCE_S = 20.0  # between two pieces of a body
GRACE_S = 30.0  # spent waiting for a body before its pace is looked at
PACE_BYTES_PER_S = 1_024  # of waiting time; slower is somebody who wants to hold a connection
LOOK_EVERY_S = 1.0
STILL: web.RequestKey[Callable[[], object]] = web.RequestKey("still")
"""Of a request with a key: raises the problem once that key may no longer do this."""


async def pieces_in_time(request: web.Request, size: int) -> AsyncIterator[bytes]:
    """Yield a body in pieces; 408 when it stops coming or trickles, 400 when its frame breaks.

    A body may come for hours: what came after its key was revoked is not taken (401).
    Only the time we wait for the caller counts: what a piece costs us is not his slowness.
    """
    loop = asyncio.get_running_loop()
    pieces = request.content.iter_chunked(size)
    length, waited_s = 0, 0.0
    still = request.get(STILL)
    while True:
        began = loop.time()
        try:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(pieces, b"")
        except TimeoutError as error:
            raise _too_slow() from error
        except web.RequestPayloadError as error:
            detail = "the body breaks off: a chunk has no right length; send it again"
            raise Problem(HTTPStatus.BAD_REQUEST, detail, code="truncated") from error
        if not piece:
            return
        waited_s += loop.time() - began
        length += len(piece)
        if waited_s > GRACE_S and length < waited_s * PACE_BYTES_PER_S:
            raise _too_slow()
        if still is not None:
            still()
        yield piece


def _too_slow() -> Problem:
    detail = "the body came too slowly; what was read is kept, send it again"
    return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, code="too_slow")


class HeadWatch:
    """Ends connections that never say what they want: half a head, or nothing at all.

    One look a second at all connections costs less than a timer for each.
    """

    def __init__(self) -> None:
        self._spoken: set[object] = set()
        self._since_s: dict[object, float] = {}

    def middleware(self) -> Middleware:
        """Return the middleware that notes who has sent a whole head."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._spoken.add(request.protocol)
            return await handler(request)

        return note

    async def look(self, server: web.Server) -> None:
        """Wait a moment, then look once: close what has waited too long."""
        await asyncio.sleep(LOOK_EVERY_S)
        now_s = asyncio.get_running_loop().time()
        here = set(server.connections)
        self._spoken &= here
        silent = here - self._spoken
        self._since_s = {each: self._since_s.get(each, now_s) for each in silent}
        for connection in silent:
            if now_s - self._since_s[connection] > HEAD_S:
                connection.force_close()


HEADS = web.AppKey("heads", HeadWatch)
"""Where an application keeps its watch, for whoever serves it."""
