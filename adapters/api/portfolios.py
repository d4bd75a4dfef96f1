"""`/v1/portfolios`: limit and quota of a business portfolio."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.accounts import shown_account
from adapters.api.bodies import Strict, id_in, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import (
    PortfolioAnswer,
    PortfolioQuotaAnswer,
    PortfoliosAnswer,
    QuotaAnswer,
)
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from adapters.api.told import shown_facts
from engine.directory import Portfolio, Role
from engine.errors import UnknownNameError
from engine.facts import of_portfolio
from engine.model import PortfolioId
from engine.quota import PLACES_MAX, parse_limit
from engine.senders import LIMIT

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


Kept = msgspec.UnsetType  # what is not given keeps its value


class PortfolioBody(Strict):
    """A business portfolio and its messaging limit, as Meta says it; what is left out stays."""

    messaging_limit: int | str | Kept = msgspec.UNSET
    quota_scope: Literal["portfolio", "phone_number"] | Kept = msgspec.UNSET
    reserve: dict[Literal["authentication", "service", "utility", "marketing"], Share] | Kept = (
        msgspec.UNSET
    )
    headroom: Share | Kept = msgspec.UNSET
    used_before: Annotated[int, msgspec.Meta(ge=0, le=PLACES_MAX)] | Kept = msgspec.UNSET


class PortfolioRoutes:
    """The routes of `/v1/portfolios`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/portfolios", may(Role.READ, self._list))
        router.add_put("/v1/portfolios/{id}", may(Role.ADMIN, self._put))
        router.add_get("/v1/portfolios/{id}", may(Role.READ, self._get))
        router.add_get("/v1/portfolios/{id}/quota", may(Role.READ, self._quota))

    @described(
        "Add a portfolio or change it; what is left out stays",
        takes=PortfolioBody,
        is_optional=True,
        gives=PortfolioAnswer,
        refuses=(409,),
    )
    async def _put(self, request: web.Request) -> web.Response:
        name = PortfolioId(id_in(request))
        body = await read_json(request, PortfolioBody)
        registry = self._front.registry
        known = registry.directory.portfolios.get(name)
        limit = None
        if body.messaging_limit is not msgspec.UNSET:
            limit = parse_limit(body.messaging_limit)
        if limit is None and (known is None or body.messaging_limit is not msgspec.UNSET):
            detail = 'is no limit; write a number, or "TIER_250", "TIER_2K", … "UNLIMITED"'
            shown = FieldError("/messaging_limit", "invalid", detail)
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[shown])
        if body.reserve is not msgspec.UNSET and sum(body.reserve.values()) > 1:
            detail = "keeps more than all places; its shares add up to 1 at most"
            shown = FieldError("/reserve", "range", detail)
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="range", errors=[shown])

        def changed(known: Portfolio | None) -> Portfolio:
            _refuse_split(body, known)
            told = msgspec.structs.asdict(body)
            changes = {
                field: value
                for field, value in told.items()
                if value is not msgspec.UNSET and field != "messaging_limit"
            }
            return replace(known or Portfolio(name, limit or 0), **changes)

        changed(known)
        # Before anything can be sent there; the second time for what came between.
        if known is None:
            await self._front.suppressions.adopt(name)
        await registry.change(Portfolio, name, changed)
        if known is None:
            await self._front.suppressions.adopt(name)
        if limit is None:
            await self._front.keeper.obey_limit(name)
        else:
            await self._front.keeper.order(of_portfolio(name, LIMIT), str(limit))
        return as_json(shown_portfolio(self._known(name)))

    @described("All portfolios", gives=PortfoliosAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        portfolios = self._front.registry.directory.portfolios.values()
        return as_json({"portfolios": [shown_portfolio(each) for each in portfolios]})

    @described("A portfolio and its window", gives=PortfolioQuotaAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        portfolio = self._known(request.match_info["id"])
        facts = self._front.keeper.facts
        told = shown_facts(facts, "portfolio", portfolio.id)
        senders = self._front.registry.directory.senders.values()
        wabas = sorted({each.waba_id for each in senders if each.portfolio_id == portfolio.id})
        accounts = [shown_account(self._front, waba) for waba in wabas]
        more = {"quota": await self._shown_quota(portfolio), "told": told, "accounts": accounts}
        return as_json(shown_portfolio(portfolio) | more)

    @described("The account of a portfolio's window", gives=QuotaAnswer)
    async def _quota(self, request: web.Request) -> web.Response:
        return as_json(await self._shown_quota(self._known(request.match_info["id"])))

    async def _shown_quota(self, portfolio: Portfolio) -> dict[str, object]:
        quota = await self._front.ledger.quota(portfolio.id)
        return {
            "limit": quota.limit,
            "used": quota.used,
            "debt": quota.debt,
            "reserved": quota.reserved,
            "available": quota.available,
            "next_free_at": rfc3339(quota.next_free_at_ms),
            "window_seconds": self._front.window_ms / 1000,
        }

    def _known(self, name: str) -> Portfolio:
        portfolio = self._front.registry.directory.portfolios.get(name)
        if portfolio is None:
            raise UnknownNameError(f"there is no portfolio {name}")
        return portfolio


def _refuse_split(body: PortfolioBody, known: Portfolio | None) -> None:
    """Raise the problem of a scope that is to be another one."""
    if known is not None and body.quota_scope not in {msgspec.UNSET, known.quota_scope}:
        detail = f"the scope is {known.quota_scope}: a window that counts cannot be split"
        shown = FieldError("/quota_scope", "conflict", detail)
        raise Problem(HTTPStatus.CONFLICT, detail, code="conflict", errors=[shown])


def shown_portfolio(portfolio: Portfolio) -> dict[str, object]:
    """Return a portfolio for the outside."""
    return {
        "id": portfolio.id,
        "messaging_limit": portfolio.messaging_limit,
        "quota_scope": portfolio.quota_scope,
        "headroom": portfolio.headroom,
        "reserve": portfolio.reserve,
        "used_before": portfolio.used_before,
    }
