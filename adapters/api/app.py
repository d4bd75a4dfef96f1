"""The application: every route in one place, and the operators' own: health, metrics, keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.api.accounts import AccountRoutes
from adapters.api.audit import telling
from adapters.api.balances import BalanceRoutes
from adapters.api.campaigns import CampaignRoutes
from adapters.api.erasures import ErasureRoutes
from adapters.api.front import Front, Operations, as_json
from adapters.api.graph import Graph
from adapters.api.jobs import Jobs
from adapters.api.journeys import JourneyRoutes
from adapters.api.keys import KeyRoutes
from adapters.api.openapi.answers import Readiness
from adapters.api.openapi.described import Description, described
from adapters.api.openapi.document import document_of
from adapters.api.patience import HEADS, HeadWatch
from adapters.api.portfolios import PortfolioRoutes
from adapters.api.problems import problems
from adapters.api.proxy import ProxyRoutes
from adapters.api.results import ResultRoutes
from adapters.api.senders import SenderRoutes
from adapters.api.suppressions import SuppressionRoutes
from adapters.api.template_trials import TrialRoutes
from adapters.api.templates import TemplateRoutes
from adapters.api.uploads import Uploads
from adapters.api.why import WhyRoutes
from engine.directory import Role

BODY_MAX = 8 * 2**20


class Handshake(msgspec.Struct):
    """What Meta asks with when somebody enters our address."""

    mode: Annotated[str, msgspec.Meta(pattern="^subscribe$")] = msgspec.field(name="hub.mode")
    verify_token: str = msgspec.field(name="hub.verify_token")
    challenge: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,128}$")] = msgspec.field(
        name="hub.challenge"
    )


# Routes of rooms that know nothing of ours: here their descriptions stand.
FOREIGN: Mapping[tuple[str, str], Description] = {
    ("GET", "/console"): Description("The operators' page", gives_text={200: "text/html"}),
    ("GET", "/console/{file}"): Description(
        "A file of the operators' page",
        gives_text={200: "application/octet-stream"},
        refuses=(404,),
    ),
    ("GET", "/v1/overview"): Description(
        "What the operators' page shows, of the portfolios the key may see; with "
        "`Accept: text/event-stream` one picture a second",
        gives={200: dict[str, object]},
        role=Role.READ,
    ),
    ("GET", "/webhooks/meta"): Description(
        "Meta's handshake", query=Handshake, gives_text={200: "text/plain"}, refuses=(400, 403)
    ),
    ("POST", "/webhooks/meta"): Description(
        "Meta's webhooks: signed over the raw body, kept, then answered",
        takes=dict[str, object],
        headers=("X-Hub-Signature-256",),
        gives_text={200: "application/octet-stream"},
        refuses=(401, 403, 503),
    ),
}


def build_app(front: Front, webhook_routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """Return the API: `/v1`, the drop-in Graph, webhooks, health and metrics."""
    app = _watched(problems, telling(front.registry))
    for routes in (
        Jobs(front),
        Uploads(front),
        CampaignRoutes(front),
        ResultRoutes(front),
        JourneyRoutes(front),
        PortfolioRoutes(front),
        SenderRoutes(front),
        AccountRoutes(front),
        TemplateRoutes(front),
        TrialRoutes(front),
        SuppressionRoutes(front),
        ErasureRoutes(front),
        WhyRoutes(front),
        BalanceRoutes(front),
        Graph(front),
        ProxyRoutes(front),
        KeyRoutes(front),
    ):
        routes.add_to(app.router)
    OperationRoutes(front.operations).add_to(app.router)
    app.router.add_routes(webhook_routes)
    add_document(app.router)
    return app


def add_document(router: web.UrlDispatcher) -> None:
    """Add `/openapi.json`, which describes every route that is there by now and itself."""
    encoded = b""

    @described("This document", gives=dict[str, object])
    async def document(_request: web.Request) -> web.Response:
        return web.Response(body=encoded, content_type="application/json")

    router.add_get("/openapi.json", document)
    encoded = msgspec.json.encode(document_of(router, FOREIGN))


def build_probe_app(operations: Operations) -> web.Application:
    """Return what a worker shows: health and metrics."""
    app = _watched(problems)
    OperationRoutes(operations).add_to(app.router)
    return app


def _watched(*inner: Middleware) -> web.Application:
    heads = HeadWatch()
    app = web.Application(middlewares=[heads.middleware(), *inner], client_max_size=BODY_MAX)
    app[HEADS] = heads
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

    @described("Whether this process lives", gives=Readiness)
    async def _alive(self, _request: web.Request) -> web.Response:
        return as_json({"status": "alive"})

    @described("Whether this process can work", gives=Readiness, also={503: Readiness})
    async def _ready(self, _request: web.Request) -> web.Response:
        objections = await self._operations.objections()
        if objections:
            shown = {"status": "not ready", "objections": objections}
            return as_json(shown, HTTPStatus.SERVICE_UNAVAILABLE)
        return as_json({"status": "ready"})

    @described("Prometheus text", gives_text={200: "text/plain"})
    async def _metrics(self, request: web.Request) -> web.Response:
        render = self._operations.render_metrics
        body, content_type = await render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
