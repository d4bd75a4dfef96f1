"""`/v1/audit` and `/v1/portfolios/{id}/audit`: the books, recounted from the raw keys."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from aiohttp import web

from adapters.api.front import Front, as_json
from adapters.api.openapi.described import described
from engine.directory import Role
from engine.errors import UnknownNameError
from engine.model import PortfolioId


class Balance(msgspec.Struct):
    """What a recount of one portfolio's jobs found: best no lines."""

    portfolio_id: str
    balanced: bool
    lines: list[str]


class BalancesAnswer(msgspec.Struct):
    """What a recount found in each portfolio that the key may see."""

    balanced: bool
    portfolios: list[Balance]


class BalanceRoutes:
    """The routes of the audit."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/audit", may(Role.ADMIN, self._all))
        router.add_get("/v1/portfolios/{id}/audit", may(Role.ADMIN, self._one))

    @described(
        "Recount the books of every portfolio from the raw keys",
        gives=BalancesAnswer,
        refuses=(422,),
    )
    async def _all(self, _request: web.Request) -> web.Response:
        """Recount one portfolio after the other: nothing is sent in one while it is counted."""
        return as_json(await self._balances(list(self._front.registry.directory.portfolios)))

    @described(
        "Recount the books of a portfolio from the raw keys", gives=BalancesAnswer, refuses=(422,)
    )
    async def _one(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self._front.registry.directory.portfolios:
            raise UnknownNameError(f"there is no portfolio {name}")
        return as_json(await self._balances([name]))

    async def _balances(self, names: Iterable[str]) -> BalancesAnswer:
        found: list[Balance] = []
        for name in names:
            lines = await self._front.ledger.audit(PortfolioId(name))
            found.append(Balance(name, not lines, lines))
        return BalancesAnswer(all(each.balanced for each in found), found)
