"""The application: every route in one place, and the operators' own: health, metrics, keys."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web

from adapters.api.accounts import AccountRoutes
from adapters.api.bodies import Strict, read_json
from adapters.api.campaigns import CampaignRoutes
from adapters.api.erasures import ErasureRoutes
from adapters.api.front import Front, Operations, as_json, make_key
from adapters.api.graph import Graph
from adapters.api.jobs import Jobs
from adapters.api.portfolios import PortfolioRoutes
from adapters.api.problems import problems
from adapters.api.senders import SenderRoutes
from adapters.api.suppressions import SuppressionRoutes
from adapters.api.templates import TemplateRoutes
from adapters.api.uploads import Uploads
from engine.directory import Role

BODY_MAX = 8 * 2**20


class KeyBody(Strict):
    """A key to make."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Role = Role.SEND


def build_app(front: Front, webhook_routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """Return the API: `/v1`, the drop-in Graph, webhooks, health and metrics."""
    app = web.Application(middlewares=[problems], client_max_size=BODY_MAX)
    for routes in (
        Jobs(front),
        Uploads(front),
        CampaignRoutes(front),
        PortfolioRoutes(front),
        SenderRoutes(front),
        AccountRoutes(front),
        TemplateRoutes(front),
        SuppressionRoutes(front),
        ErasureRoutes(front),
        Graph(front),
        KeyRoutes(front),
    ):
        routes.add_to(app.router)
    OperationRoutes(front.operations).add_to(app.router)
    app.router.add_routes(webhook_routes)
    return app


def build_probe_app(operations: Operations) -> web.Application:
    """Return what a worker shows: health and metrics."""
    app = web.Application(middlewares=[problems])
    OperationRoutes(operations).add_to(app.router)
    return app


class OperationRoutes:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_get("/healthz", self._alive)
        router.add_get("/readyz", self._ready)
        router.add_get("/metrics", self._metrics)

    async def _alive(self, _request: web.Request) -> web.Response:
        return as_json({"status": "alive"})

    async def _ready(self, _request: web.Request) -> web.Response:
        objections = await self._operations.objections()
        if objections:
            shown = {"status": "not ready", "objections": objections}
            return as_json(shown, HTTPStatus.SERVICE_UNAVAILABLE)
        return as_json({"status": "ready"})

    async def _metrics(self, request: web.Request) -> web.Response:
        render = self._operations.render_metrics
        body, content_type = await render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})


class KeyRoutes:
    """`/v1/keys`: who may call."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_post("/v1/keys", self._front.may(Role.ADMIN, self._post))
        router.add_get("/v1/keys", self._front.may(Role.ADMIN, self._list))

    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, KeyBody)
        token, key = make_key(body.name, body.role, self._front.now_ms())
        await self._front.registry.put(key)
        shown = {"id": key.id, "name": key.name, "role": key.role.value, "key": token}
        return as_json(shown, HTTPStatus.CREATED)

    async def _list(self, _request: web.Request) -> web.Response:
        keys = self._front.registry.directory.api_keys.values()
        shown = [{"id": each.id, "name": each.name, "role": each.role.value} for each in keys]
        return as_json({"keys": shown})
