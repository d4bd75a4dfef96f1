"""The Console in a house: where its picture comes from, and who may look."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from adapters.api.front import Front
from adapters.api.problems import Problem
from adapters.console.overview import Overviews, Sources
from adapters.console.pages import Pages, Route
from adapters.console.viewers import Viewers
from adapters.house.shared import House, terms_of
from adapters.meta.codes import verdict
from adapters.redis.freeing import Freeing
from adapters.redis.pulses import PulseReader
from engine.directory import ApiKey, Role

OURS: Final = "our own refusal"  # code 0: no answer of Meta


def build_console(house: House, front: Front) -> Pages:
    """Return the Console's pages."""
    span_ms, now_ms = terms_of(house.settings).span_ms, house.clock.now_ms
    sources = Sources(
        directory=house.registry.directory,
        books=house.ledger,
        status_of=front.campaigns.status,
        pulses=PulseReader(house.client, now_ms),
        frees=Freeing(house.client, now_ms, span_ms),
        count_workers=house.attendance.count,
        title_of=title_of,
        now_ms=now_ms,
        span_ms=span_ms,
        window_ms=house.settings.window_ms,
        guard=house.keeper.guard,
    )

    def let_in(request: web.Request) -> ApiKey:
        key = front.check(request, Role.READ)
        if key.portfolio:
            detail = "it shows all portfolios, and your key is of one; ask for its parts instead"
            raise Problem(HTTPStatus.FORBIDDEN, detail, code="of_one_portfolio")
        return key

    def who_is(request: web.Request) -> ApiKey | None:
        try:
            return let_in(request)
        except Problem:
            return None

    def may_read(route: Route) -> Route:
        async def guarded(request: web.Request) -> web.StreamResponse:
            let_in(request)
            return await route(request)

        return guarded

    return Pages(Viewers(Overviews(sources).take), may_read, who_is)


def title_of(code: str) -> str:
    """Return what one of Meta's codes means.

    >>> title_of("131056"), title_of("0"), title_of("other")
    ('pair rate limit', 'our own refusal', 'other')
    """
    if not code.isdecimal():
        return code
    return verdict(int(code)).title if int(code) else OURS
