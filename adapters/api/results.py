"""`/v1/campaigns/{id}/results.csv` and what is beside it: each row's fate, refusals, retries."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable
from io import StringIO

import msgspec
from aiohttp import web

from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import RetryAnswer
from adapters.api.openapi.described import described
from adapters.api.tables import Reject
from engine.directory import Campaign, Role
from engine.errors import EngineError
from engine.results import Result

RESULT_COLUMNS = ("to", "job", "state", "gate", "delivery", "code", "attempt", "wamid")
REJECT_COLUMNS = ("row", "field", "code", "detail")
Cells = Iterable[object]


class ResultRoutes:
    """The routes that tell of single rows."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may, path = self._front.may, "/v1/campaigns/{id}"
        router.add_get(f"{path}/results.csv", may(Role.READ, self._results))
        router.add_get(f"{path}/rejected.csv", may(Role.READ, self._rejected))
        router.add_post(f"{path}/retry-failed", may(Role.SEND, self._retry))

    @described(
        "What became of each row, a line each; `attempt` is how often it was taken up for writing",
        gives_text={200: "text/csv"},
    )
    async def _results(self, request: web.Request) -> web.StreamResponse:
        """Stream one line a row, however many there are."""
        campaign = self._front.campaigns.get(request.match_info["id"])
        portfolio = self._front.registry.directory.portfolios[campaign.portfolio_id]
        pieces = self._front.results.read(campaign.portfolio_id, campaign.source)

        async def lines() -> AsyncIterator[list[Cells]]:
            async for results in pieces:
                yield [self._line(portfolio.number, each) for each in results]

        return await _stream(request, campaign, "results", RESULT_COLUMNS, lines())

    def _line(self, portfolio: int, result: Result) -> Cells:
        view = result.view
        job = self._front.job_ids.encode(portfolio, view.key)
        gate = view.gate.value if view.gate else ""
        delivery = "" if view.delivery == "none" else view.delivery.value
        code, attempt = view.code or "", view.attempt or ""
        return (result.to, job, view.state.value, gate, delivery, code, attempt, view.wamid)

    @described("What was wrong with refused rows, a line each", gives_text={200: "text/csv"})
    async def _rejected(self, request: web.Request) -> web.StreamResponse:
        """Stream what was wrong with the rows of all uploads."""
        campaign = self._front.campaigns.get(request.match_info["id"])
        pieces = self._front.results.rejected(campaign.portfolio_id, campaign.source)

        async def lines() -> AsyncIterator[list[Cells]]:
            async for rejects in pieces:
                parsed = [msgspec.json.decode(each, type=Reject) for each in rejects]
                yield [(each.row, each.field, each.code, each.detail) for each in parsed]

        return await _stream(request, campaign, "rejected", REJECT_COLUMNS, lines())

    @described("Queue the failed rows once more", gives=RetryAnswer, refuses=(409, 422, 429))
    async def _retry(self, request: web.Request) -> web.Response:
        """Queue the failed rows once more; asked again, only those that failed since."""
        campaign = self._front.campaigns.get(request.match_info["id"])
        return as_json(msgspec.to_builtins(await self._front.retry_failed.run(campaign)))


async def _stream(
    request: web.Request,
    campaign: Campaign,
    what: str,
    columns: Cells,
    lines: AsyncIterator[list[Cells]],
) -> web.StreamResponse:
    """Answer with a CSV as it is made; an error on the way cuts it off: it must not look whole."""
    name = f'attachment; filename="{campaign.id}-{what}.csv"'
    headers = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": name}
    response = web.StreamResponse(headers=headers)
    first: list[Cells] = await anext(lines, [])  # while an error can still be told
    await response.prepare(request)
    await response.write(_csv([columns, *first]))
    try:
        async for some in lines:
            await response.write(_csv(some))
    except EngineError:
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _csv(lines: Iterable[Cells]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()
