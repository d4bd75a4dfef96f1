"""`/v1/portfolios`: limit and quota of a business portfolio."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import NAME, Strict, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import (
    PortfolioAnswer,
    PortfolioQuotaAnswer,
    PortfoliosAnswer,
    QuotaAnswer,
)
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from engine.directory import Portfolio, Role
from engine.errors import UnknownNameError
from engine.model import PortfolioId
from engine.ports import PortfolioSpec
from engine.quota import default_reserve, parse_limit

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class PortfolioBody(Strict):
    """A business portfolio and its messaging limit, as Meta says it."""

    messaging_limit: int | str
    quota_scope: Literal["portfolio", "phone_number"] = "portfolio"
    reserve: dict[Literal["authentication", "service", "utility", "marketing"], Share] = {}  # noqa: RUF012 (msgspec copies it)
    headroom: Share = 0.0
    used_before: Annotated[int, msgspec.Meta(ge=0)] = 0


class PortfolioRoutes:
    """The routes of `/v1/portfolios`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/portfolios", may(Role.READ, self._list))
        router.add_put(f"/v1/portfolios/{{id:{NAME[1:-1]}}}", may(Role.ADMIN, self._put))
        router.add_get("/v1/portfolios/{id}", may(Role.READ, self._get))
        router.add_get("/v1/portfolios/{id}/quota", may(Role.READ, self._quota))

    @described("Add a portfolio or change its limit", takes=PortfolioBody, gives=PortfolioAnswer)
    async def _put(self, request: web.Request) -> web.Response:
        body = await read_json(request, PortfolioBody)
        limit = parse_limit(body.messaging_limit)
        if limit is None:
            detail = 'is no limit; write a number, or "TIER_250", "TIER_2K", … "UNLIMITED"'
            shown = FieldError("/messaging_limit", "invalid", detail)
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[shown])
        reserve = {str(name): share for name, share in body.reserve.items()}
        portfolio = Portfolio(
            id=PortfolioId(request.match_info["id"]),
            messaging_limit=limit,
            quota_scope=body.quota_scope,
            headroom=body.headroom,
            reserve=reserve,
            used_before=body.used_before,
        )
        spec = PortfolioSpec(
            places=limit,
            scope=body.quota_scope,
            headroom=body.headroom,
            reserve=default_reserve(limit, reserve),
            used_before=body.used_before,
        )
        await self._front.ledger.put_portfolio(portfolio.id, spec)
        await self._front.registry.put(portfolio)
        return as_json(shown_portfolio(portfolio))

    @described("All portfolios", gives=PortfoliosAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        portfolios = self._front.registry.directory.portfolios.values()
        return as_json({"portfolios": [shown_portfolio(each) for each in portfolios]})

    @described("A portfolio and its window", gives=PortfolioQuotaAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        portfolio = self._known(request.match_info["id"])
        return as_json(shown_portfolio(portfolio) | {"quota": await self._shown_quota(portfolio)})

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
