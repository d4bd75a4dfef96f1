"""`/console` and what it lives on: `/v1/overview` as JSON, or as a stream of events."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import web

from adapters.console.viewers import Viewers
from engine.directory import ApiKey

STREAMS_MAX: Final = 100  # viewers of one process at a time
STUCK_S: Final = 30.0  # a viewer that takes nothing for so long is gone
AGAIN_S: Final = 5
EVENTS: Final = "text/event-stream"
PAGE: Final = "console.html"
KINDS: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
WALLS: Final = {
    # Nothing but our own files runs, and nothing is asked of anybody else.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
Guard = Callable[[Route], Route]  # lets through who may read
WhoIs = Callable[[web.Request], ApiKey | None]  # None: not, or not any more
ViewersOf = Callable[[ApiKey], Viewers]  # who sees the same as the owner of a key


class Pages:
    """The routes of the Console."""

    def __init__(self, viewers_of: ViewersOf, may_read: Guard, who_is: WhoIs) -> None:
        self._viewers_of = viewers_of
        self._may_read = may_read
        self._who_is = who_is
        self._files = _read_files()
        self._streams: set[asyncio.Task[object]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        return [
            web.get("/console", self._page),
            web.get("/console/{file}", self._file),
            web.get("/v1/overview", self._may_read(self._overview)),
        ]

    async def close(self, _app: web.Application) -> None:
        """End all streams: a process that stops waits for no viewer."""
        for stream in self._streams:
            stream.cancel()

    # -- the page ----------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        return self._shown(request, PAGE)

    async def _file(self, request: web.Request) -> web.Response:
        return self._shown(request, request.match_info["file"])

    def _shown(self, request: web.Request, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound
        body, tag = self._files[name]
        headers = WALLS | {"ETag": f'"{tag}"'}
        if any(tag == each.value for each in request.if_none_match or ()):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        kind = KINDS[name.rpartition(".")[2]]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    # -- the picture -------------------------------------------------------------------------------

    async def _overview(self, request: web.Request) -> web.StreamResponse:
        """Answer with one picture, or with one a second to who accepts events."""
        if EVENTS in request.headers.get("Accept", ""):
            return await self._stream(request)
        key = self._who_is(request)
        if key is None:  # revoked since it was let in
            raise web.HTTPUnauthorized
        look = await self._viewers_of(key).newest()
        return web.Response(
            body=look.body, content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if len(self._streams) >= STREAMS_MAX:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": str(AGAIN_S)})
        response = web.StreamResponse(
            headers={
                "Content-Type": EVENTS,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx keeps nothing back
            }
        )
        stream = asyncio.current_task()
        assert stream is not None, "aiohttp serves every request in a task"
        self._streams.add(stream)  # at once: many may come before the first is answered
        try:
            await response.prepare(request)
            await self._show_all(request, response)
        except (ConnectionError, TimeoutError):
            pass  # the viewer has gone
        finally:
            self._streams.discard(stream)
        return response

    async def _show_all(self, request: web.Request, response: web.StreamResponse) -> None:
        key = self._who_is(request)
        if key is None:
            return
        you = {"name": key.name, "role": key.role.value, "portfolio": key.portfolio or None}
        await response.write(b"event: you\ndata: " + msgspec.json.encode(you) + b"\n\n")
        viewers = self._viewers_of(key)
        look = await viewers.newest()
        while self._who_is(request) is not None:  # a key may be revoked meanwhile
            async with asyncio.timeout(STUCK_S):
                await response.write(b"event: overview\ndata: " + look.body + b"\n\n")
            look = await viewers.after(look.number)


def _read_files() -> dict[str, tuple[bytes, str]]:
    """Return every file of the page by name, with a tag that changes with it."""
    folder = files("adapters.console") / "static"
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {
        name: (body, hashlib.sha256(body).hexdigest()[:16])
        for name, body in found.items()
        if name.rpartition(".")[2] in KINDS
    }
