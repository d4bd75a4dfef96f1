"""The HTTP face of the control desk: bodies in, JSON out, and a clear word when they do not fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from adapters.sandbox import scenario
from adapters.sandbox.control import (
    AccountChange,
    Call,
    ControlDesk,
    Event,
    FaultChange,
    Inbound,
    LimitChange,
    Preference,
    SenderChange,
    TemplateChange,
    UnknownNameError,
)
from adapters.sandbox.parameters import ShapeError
from adapters.sandbox.rules.wishes import Wish
from adapters.sandbox.scenario import ScenarioError, Webhook, World
from adapters.sandbox.stage import JSON, Stage

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Handshake(msgspec.Struct, forbid_unknown_fields=True):
    """What Meta asks of a callback address before it posts there."""

    verify_token: str
    challenge: str = "1158201444"


class ControlRoutes:
    """Routes under /_sandbox/; on loopback only, and therefore without a key."""

    def __init__(
        self,
        desk: ControlDesk,
        stage: Callable[[], Stage],
        reset: Callable[[World | None], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._stage = stage
        self._reset = reset

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Open the control API."""
        router.add_get("/_sandbox/report", self._report)
        router.add_get("/_sandbox/messages", self._messages)
        router.add_post("/_sandbox/reset", self._restart)
        router.add_post("/_sandbox/webhook", self._point)
        router.add_post("/_sandbox/verify", self._verify)
        router.add_delete("/_sandbox/wishes/{id}", self._end_wish)
        desk = self._desk
        self._post(router, "limits/{id}", LimitChange, lambda r, b: desk.change_limit(_id(r), b))
        self._post(router, "senders/{id}", SenderChange, lambda r, b: desk.change_sender(_id(r), b))
        self._post(
            router, "accounts/{id}", AccountChange, lambda r, b: desk.change_account(_id(r), b)
        )
        self._post(router, "inbound", Inbound, lambda _, b: desk.receive(b))
        self._post(router, "calls", Call, lambda _, b: desk.ring(b))
        self._post(router, "preferences", Preference, lambda _, b: desk.prefer(b))
        self._post(router, "wishes", Wish, lambda _, b: desk.wish(b))
        self._post(router, "faults", FaultChange, lambda _, b: desk.change_faults(b))
        self._post(router, "events", Event, lambda _, b: desk.post_event(b))
        self._post(router, "templates/{waba}/{name}/{language}", TemplateChange, self._template)

    def _template(self, request: web.Request, change: TemplateChange) -> None:
        """Change a template named by the path."""
        part = request.match_info
        self._desk.change_template(part["waba"], part["name"], part["language"], change)

    def _post(
        self,
        router: web.UrlDispatcher,
        path: str,
        kind: type[T],
        act: Callable[[web.Request, T], object],
    ) -> None:
        """Route a POST whose body is a `kind`."""

        async def answer(request: web.Request) -> web.Response:
            raw = await request.read()
            return _spoken(lambda: act(request, msgspec.json.decode(raw or b"{}", type=kind)))

        router.add_post(f"/_sandbox/{path}", answer)

    async def _report(self, _request: web.Request) -> web.Response:
        """GET the verdict so far."""
        return _json(self._stage().report())

    async def _messages(self, request: web.Request) -> web.Response:
        """GET the last accepted messages, as many as the scenario keeps."""
        kept = list(self._stage().tally.messages)
        written = request.query.get("limit", "")
        return _json(kept[-int(written) :] if written.isdecimal() else kept)

    async def _restart(self, request: web.Request) -> web.Response:
        """POST a reset, to the same world or to the one in the body."""
        raw = await request.read()
        try:
            world = scenario.load(raw) if raw.strip() not in {b"", b"{}"} else None
        except ScenarioError as error:
            return _json({"error": str(error)}, 400)
        await self._reset(world)
        return _json({"ok": True})

    async def _point(self, request: web.Request) -> web.Response:
        """POST where and how webhooks are posted from now on."""
        try:
            webhook = msgspec.json.decode(await request.read(), type=Webhook)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 400)
        await self._stage().point_webhooks(webhook)
        return _json({"ok": True})

    async def _verify(self, request: web.Request) -> web.Response:
        """POST the subscription handshake with a `verify_token` to the webhook's address."""
        try:
            wish = msgspec.json.decode(await request.read(), type=Handshake)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 400)
        verified = await self._stage().postman.verify(wish.verify_token, wish.challenge)
        return _json({"verified": verified})

    async def _end_wish(self, request: web.Request) -> web.Response:
        """DELETE a wish: it ends now."""
        return _spoken(lambda: self._desk.end_wish(_id(request)))


def _id(request: web.Request) -> str:
    """Return the id in the path."""
    return request.match_info["id"]


def _spoken(act: Callable[[], object]) -> web.Response:
    """Return what an act answers, or 400 and 404 in words."""
    try:
        result = act()
    except UnknownNameError as error:
        return _json({"error": f"unknown {error}"}, 404)
    except (msgspec.MsgspecError, ShapeError) as error:
        return _json({"error": str(error)}, 400)
    return _json(result if isinstance(result, msgspec.Struct) else {"ok": True})


def _json(content: object, status: int = 200) -> web.Response:
    """Return JSON."""
    return web.Response(status=status, body=msgspec.json.encode(content), content_type=JSON)
