"""`/v1/erasures`: a person asks to be forgotten."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import Count
from adapters.api.openapi.described import described
from adapters.api.suppressions import person_of
from adapters.api.walls import scope
from engine.directory import Role
from engine.model import PortfolioId
from engine.suppressions import EVERYWHERE


class ErasureBody(Strict):
    """Whom to forget; `keep_stop` leaves a keyed hash by which nothing is sent to the person."""

    to: str
    keep_stop: bool = True


class ErasedIn(msgspec.Struct):
    """What was found in one portfolio; `open` jobs are under way and cannot be erased yet."""

    portfolio_id: str
    unsent: Count
    ended: Count
    open: Count
    log_lines: Count


class ErasureAnswer(msgspec.Struct):
    """What an erasure did; `complete` is false while jobs are open: ask again then."""

    complete: bool
    portfolios: list[ErasedIn]


class ErasureRoutes:
    """The route of `/v1/erasures`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        router.add_post("/v1/erasures", self._front.may(Role.ADMIN, self._post))

    @described(
        "A person asks to be forgotten; a key of one portfolio forgets in it alone",
        takes=ErasureBody,
        gives=ErasureAnswer,
    )
    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, ErasureBody)
        _, recipient = person_of(self._front, body.to)
        await self._front.registry.refresh()
        caller = scope()
        portfolio = PortfolioId(caller.portfolio) if caller is not None else EVERYWHERE
        erasing = self._front.erasing.erase(portfolio, recipient, keeps_stop=body.keep_stop)
        done = await asyncio.shield(asyncio.ensure_future(erasing))  # also if the caller goes away
        shown = [
            ErasedIn(
                each.portfolio, each.jobs.unsent, each.jobs.ended, each.jobs.open, each.log_lines
            )
            for each in done
        ]
        return as_json(ErasureAnswer(not any(each.open for each in shown), shown))
