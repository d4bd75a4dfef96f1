"""Who changed what: one log line for each change that was taken, with the name of the key."""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.api.front import find_key
from adapters.api.problems import Handler
from engine.directory import Registry

LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TOLD: Final = ("/v1/portfolios", "/v1/senders", "/v1/wabas", "/v1/campaigns", "/v1/journeys")
TOLD_TOO: Final = ("/v1/keys", "/v1/subscriptions", "/v1/erasures")
BULK: Final = "/recipients"  # an upload may come in thousands of pieces, and its books tell of it
NAMES: Final = ("id", "waba", "name", "language")  # what may be in a log; never a recipient

_log = structlog.get_logger("api")


def telling(registry: Registry) -> Middleware:
    """Return the middleware; sends are no changes, and pass it untold."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.method in LOOKS:
            return response
        resource = request.match_info.route.resource
        pattern = resource.canonical if resource is not None else ""
        if pattern.startswith(TOLD + TOLD_TOO) and not pattern.endswith(BULK):
            names = {name: request.match_info[name] for name in NAMES if name in request.match_info}
            who = find_key(registry, request.headers.get("Authorization", "").partition(" ")[2])
            call = f"{request.method} {pattern}"
            _log.info("api_change", key=who.name if who else "", call=call, **names)
        return response

    return told
