"""Who changed what: one log line for each change that was taken, with the name of the key."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.api.front import find_key
from adapters.api.openapi.described import ROLE
from adapters.api.problems import Handler
from engine.directory import Registry, Role

LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TOLD: Final = (
    *("/v1/portfolios", "/v1/senders", "/v1/wabas", "/v1/campaigns", "/v1/journeys"),
    *("/v1/keys", "/v1/suppressions", "/v1/erasures"),
)
GRAPH: Final = "/{version}/"  # passed on to Meta: what needs an admin's key changes something there
BULK: Final = "/recipients"  # an upload may come in thousands of pieces, and its books tell of it
NAMES: Final = ("id", "waba", "name", "language", "node")  # fit for a log; never a recipient

_log = structlog.get_logger("api")


def telling(registry: Registry) -> Middleware:
    """Return the middleware; sends are no changes, and pass it untold."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        resource = request.match_info.route.resource
        pattern = resource.canonical if resource is not None else ""
        role = getattr(request.match_info.handler, ROLE, None)
        if response.status < HTTPStatus.BAD_REQUEST and is_told(request.method, pattern, role):
            names = {name: request.match_info[name] for name in NAMES if name in request.match_info}
            who = find_key(registry, request.headers.get("Authorization", "").partition(" ")[2])
            call = f"{request.method} {pattern}"
            _log.info("api_change", key=who.name if who else "", call=call, **names)
        return response

    return told


def is_told(method: str, pattern: str, role: Role | None) -> bool:
    """Return whether a call is a change that has a line; dead letters and doubts have their own.

    >>> [is_told("POST", path, Role.SEND) for path in ("/v1/suppressions", "/v1/jobs")]
    [True, False]
    """
    if method in LOOKS or pattern.endswith(BULK):
        return False
    return pattern.startswith(TOLD) or (pattern.startswith(GRAPH) and role is Role.ADMIN)
