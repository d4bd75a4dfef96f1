"""`/v1/erasures`: a person asks to be forgotten."""

from __future__ import annotations

import asyncio

from aiohttp import web

from adapters.api.bodies import Strict, read_json
from adapters.api.front import Front, as_json
from adapters.api.suppressions import person_of
from engine.directory import Role


class ErasureBody(Strict):
    """Whom to forget; `keep_stop` leaves a keyed hash by which nothing is sent to the person."""

    to: str
    keep_stop: bool = True


class ErasureRoutes:
    """The route of `/v1/erasures`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        router.add_post("/v1/erasures", self._front.may(Role.ADMIN, self._post))

    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, ErasureBody)
        _, recipient = person_of(self._front, body.to)
        await self._front.registry.refresh()
        erasing = self._front.erasing.erase(recipient, keeps_stop=body.keep_stop)
        done = await asyncio.shield(asyncio.ensure_future(erasing))  # also if the caller goes away
        shown = [
            {
                "portfolio_id": each.portfolio,
                "unsent": each.jobs.unsent,
                "ended": each.jobs.ended,
                "open": each.jobs.open,
                "log_lines": each.log_lines,
            }
            for each in done
        ]
        is_complete = not any(each.jobs.open for each in done)
        return as_json({"complete": is_complete, "portfolios": shown})
