"""Resumable uploads of template samples: an app, a session, a file, a handle.

Shapes: https://developers.facebook.com/docs/graph-api/guides/upload
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import cast

import msgspec
from aiohttp import web

from adapters.sandbox.codes import Refusal
from adapters.sandbox.stage import JSON, Stage

KINDS = frozenset({"application/pdf", "image/jpeg", "image/jpg", "image/png", "video/mp4"})


class UploadDesk:
    """Answers the three calls of an upload; `stage` gives the run that is played now."""

    def __init__(self, stage: Callable[[], Stage]) -> None:
        self._stage = stage
        self._sessions: dict[str, int] = {}  # session -> length announced
        self._came: dict[str, bytes] = {}  # session -> what of its file came

    async def read_app(self, request: web.Request) -> web.Response:
        """GET which app the token is of."""
        if not self._is_known(request, "Bearer "):
            return self._refused(Refusal(190))
        return _answered({"id": self._stage().plan.management.app_id, "name": "Sandbox"})

    async def open_session(self, request: web.Request) -> web.Response:
        """POST an upload session; it wants the length and the kind of the file."""
        query = request.query
        if not self._is_known(request, "Bearer "):
            return self._refused(Refusal(190))
        if request.match_info["node"] != self._stage().plan.management.app_id:
            return self._refused(Refusal(100, "Object is no app"))
        length = query.get("file_length", "")
        if query.get("file_type") not in KINDS or not length.isdecimal():
            return self._refused(Refusal(100, "file_type or file_length is missing or unknown"))
        session = f"upload:SANDBOX{len(self._sessions)}?sig=x"
        self._sessions[session] = int(length)
        return _answered({"id": session})

    async def take(self, request: web.Request) -> web.Response:
        """POST the file's bytes from where it ended; OAuth, not Bearer, as Meta wants it."""
        content, session = await request.read(), self._session_of(request)
        if not self._is_known(request, "OAuth "):
            return self._refused(Refusal(190))
        came = self._came.get(session, b"")
        if session not in self._sessions or request.headers.get("file_offset") != str(len(came)):
            return self._refused(Refusal(100, "No such session, or not where its file ended"))
        return self._add(session, came + content)

    async def read_session(self, request: web.Request) -> web.Response:
        """GET how much of a file came."""
        session = self._session_of(request)
        if not self._is_known(request, "OAuth ") or session not in self._sessions:
            return self._refused(Refusal(100, "No such session"))
        return _answered({"id": session, "file_offset": len(self._came.get(session, b""))})

    def _add(self, session: str, came: bytes) -> web.Response:
        """Keep what came of a file, and give the handle of a whole one."""
        if len(came) <= self._sessions[session]:
            self._came[session] = came
        if len(came) != self._sessions[session]:
            return self._refused(Refusal(100, "Another length than announced"))
        handle = "4::" + blake2b(came, digest_size=12).hexdigest()
        self._stage().handles.add(handle)
        return _answered({"h": handle})

    @staticmethod
    def _session_of(request: web.Request) -> str:
        session = request.match_info["session"]
        return session + ("?" + request.query_string if request.query_string else "")

    def _is_known(self, request: web.Request, scheme: str) -> bool:
        token = request.headers.get("Authorization", "").removeprefix(scheme)
        numbers = self._stage().world.numbers.values()
        return any(number.authorization == f"Bearer {token}" for number in numbers)

    def _refused(self, refusal: Refusal) -> web.Response:
        answer = self._stage().refuse(refusal)
        return web.Response(status=answer.status, body=answer.body, content_type=JSON)


def unknown_handle(components: Iterable[dict[str, object]], handles: set[str]) -> str | None:
    """Return a handle of components that nobody uploaded; None when all were."""
    for component in components:
        example = component.get("example")
        if not isinstance(example, dict):
            continue
        named = cast("dict[str, object]", example).get("header_handle")
        for handle in cast("list[object]", named) if isinstance(named, list) else []:
            if handle not in handles:
                return str(handle)
    return None


def _answered(content: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), content_type=JSON)
