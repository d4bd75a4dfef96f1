"""`/v1/campaigns/{id}/recipients`: a file of any length into a campaign, good rows kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

import msgspec
from aiohttp import web

from adapters.api.front import Front, as_json
from adapters.api.jobs import NDJSON
from adapters.api.openapi.described import described
from adapters.api.problems import Problem, problem_of
from adapters.api.streams import blocks_of, pieces_of
from adapters.api.tables import CsvTable, NdjsonTable, Reject, Rows
from engine.directory import Campaign, Role
from engine.errors import EngineError
from engine.rows import RowError

CUT_OFF = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT)  # what came before is kept
REJECTS_MAX = 10_000  # told one by one; more are only counted


class Uploaded(msgspec.Struct):
    """What became of a file's rows; `stopped` says why it was not read to its end."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    errors: list[Reject] = []
    stopped: str = ""
    detail: str = ""

    def reject(self, rejects: list[Reject]) -> None:
        """Count rows that are refused, each once however much is wrong with it."""
        self.rejected += len({each.row for each in rejects})
        self.errors += rejects[: max(0, REJECTS_MAX - len(self.errors))]


class Uploads:
    """The route that takes files."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        handler = self._front.may(Role.SEND, self._post)
        router.add_post("/v1/campaigns/{id}/recipients", handler)

    @described(
        "Put recipients into a campaign; any length, and again is no harm",
        files=("text/csv", NDJSON),
        gives=Uploaded,
        status=HTTPStatus.ACCEPTED,
        refuses=(409, 429),
        partial=Uploaded,
        headers=("Content-Encoding",),
    )
    async def _post(self, request: web.Request) -> web.Response:
        campaign = self._front.campaigns.get(request.match_info["id"])
        uploaded = Uploaded()
        try:
            async for rows in _rows_of(request, campaign):
                campaign = self._front.campaigns.get(campaign.id)  # it may have been changed
                await self._accept(campaign, await self._capped(campaign, rows), uploaded)
        except Problem as problem:
            if not uploaded.read or problem.status not in CUT_OFF:
                raise
            return _stopped(uploaded, problem)
        except EngineError as error:
            if not uploaded.read:
                raise
            return _stopped(uploaded, problem_of(error))
        return as_json(uploaded, HTTPStatus.ACCEPTED)

    async def _capped(self, campaign: Campaign, rows: Rows) -> Rows:
        """Refuse the rows for which a campaign's cap has no room.

        Repeated rows take room for as long as they are in one piece with those that are not. Two
        uploads at the same moment may together go over it by a piece.
        """
        if not campaign.recipients_max:
            return rows
        counts = await self._front.ledger.counts(campaign.portfolio_id, campaign.source)
        room = max(0, campaign.recipients_max - counts.enqueued)
        detail = f"the campaign takes {campaign.recipients_max} recipients; raise recipients_max"
        over = [Reject(number, "to", "over_cap", detail) for number in rows.numbers[room:]]
        return Rows(rows.rows[:room], rows.numbers[:room], rows.keys[:room], [*rows.rejects, *over])

    async def _accept(self, campaign: Campaign, rows: Rows, uploaded: Uploaded) -> None:
        result = await self._front.intake.accept_rows(campaign, rows.rows, rows.keys or None)
        uploaded.read += len(rows.rows) + len({each.row for each in rows.rejects})
        uploaded.accepted += result.accepted
        uploaded.duplicates += result.duplicates
        uploaded.rejected += result.conflicts
        rejects = [*rows.rejects, *(_reject(rows, error) for error in result.errors)]
        rejects.sort(key=lambda each: each.row)
        uploaded.reject(rejects)
        if rejects:
            lines = [msgspec.json.encode(each) for each in rejects]
            await self._front.results.reject(campaign.portfolio_id, campaign.source, lines)


def _reject(rows: Rows, error: RowError) -> Reject:
    return Reject(rows.numbers[error.index], error.field, error.code, error.detail)


async def _rows_of(request: web.Request, campaign: Campaign) -> AsyncIterator[Rows]:
    """Yield a body's rows by its media type."""
    if request.content_type == "text/csv":
        csv_table = CsvTable(campaign.fields)
        async for piece in pieces_of(request):
            yield csv_table.feed(piece)
        yield csv_table.feed(b"", is_last=True)
    elif request.content_type == NDJSON:
        table = NdjsonTable(campaign.fields)
        async for block in blocks_of(request):
            yield table.feed(block)
    else:
        detail = f"send text/csv or {NDJSON}, not {request.content_type}"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _stopped(uploaded: Uploaded, problem: Problem) -> web.Response:
    """Answer a file that the ledger would not take to its end; sending it again repeats nothing."""
    uploaded.stopped, uploaded.detail = problem.code, problem.detail
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s else None
    body = msgspec.json.encode(uploaded)
    return web.Response(
        status=problem.status, body=body, content_type="application/json", headers=headers
    )
