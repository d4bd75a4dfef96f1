"""`/v1/campaigns/{id}/recipients`: a file of any length into a campaign, good rows kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from aiohttp import web

from adapters.api.front import Front, as_json
from adapters.api.jobs import NDJSON
from adapters.api.openapi.described import described
from adapters.api.problems import Problem, problem_of
from adapters.api.progress import (
    KEY,
    OFFSET,
    Named,
    Progress,
    headers_of,
    name_of,
    progress_of,
)
from adapters.api.streams import blocks_of, pieces_of, read_ahead
from adapters.api.tables import (
    CsvTable,
    NdjsonTable,
    Reject,
    Rows,
    TableState,
    together,
)
from engine.directory import Campaign, Role
from engine.errors import EngineError, HalfChangedError, UnknownNameError
from engine.row_intake import RowsResult
from engine.rows import RowError

CUT_OFF = (  # what came before is kept
    *(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT),
    *(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE),
)
PIECES_MAX = 8  # read ahead while the ledger works: then they go in one trip
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


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one piece of a file, and where the file is to be taken up after them."""

    rows: Rows
    taken: int
    table: TableState


class UploadProgress(msgspec.Struct):
    """How far an upload came: `offset` bytes of its file are taken, to the end of a row."""

    offset: int
    complete: bool
    read: int
    accepted: int
    duplicates: int
    rejected: int


class Uploads:
    """The routes that take files, and tell how far each came."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may, path = self._front.may, "/v1/campaigns/{id}"
        router.add_post(f"{path}/recipients", may(Role.SEND, self._post))
        router.add_get(f"{path}/uploads/{{key}}", may(Role.SEND, self._get))

    @described(
        "Put recipients into a campaign; any length, and again is no harm. An upload with an "
        "Idempotency-Key that was cut goes on from its Upload-Offset",
        files=("text/csv", NDJSON),
        gives=Uploaded,
        status=HTTPStatus.ACCEPTED,
        refuses=(409, 429),
        partial=Uploaded,
        headers=("Content-Encoding", KEY, OFFSET),
    )
    async def _post(self, request: web.Request) -> web.Response:
        campaign = self._front.campaigns.get(request.match_info["id"])
        table = _table_of(request)
        named = Named(self._front.uploads, campaign, name_of(request.headers.get(KEY, "")))
        await named.begin(request)
        uploaded = told_of(named.progress)
        try:
            await self._take(
                request, campaign, table(campaign.fields, named.progress.table), named, uploaded
            )
        except Problem as problem:
            if not uploaded.read or problem.status not in CUT_OFF:
                raise
            return _stopped(uploaded, problem, named)
        except EngineError as error:
            if not uploaded.read:
                raise
            return _stopped(uploaded, problem_of(error), named)
        response = as_json(uploaded, HTTPStatus.ACCEPTED)
        response.headers.update(named.headers())
        return response

    @described(
        "How far an upload came, by its Idempotency-Key; it is to be taken up there",
        gives=UploadProgress,
    )
    async def _get(self, request: web.Request) -> web.Response:
        """Answer for a day after the last piece; the Upload-Offset is a header, too."""
        campaign = self._front.campaigns.get(request.match_info["id"])
        key = request.match_info["key"]
        progress = await progress_of(self._front.uploads, campaign, key)
        if progress is None:
            raise UnknownNameError("there is no such upload, or it was a day ago: send all of it")
        uploaded = told_of(progress)
        told = UploadProgress(
            *(progress.offset, progress.complete, uploaded.read),
            *(uploaded.accepted, uploaded.duplicates, uploaded.rejected),
        )
        response = as_json(told)
        response.headers.update(headers_of(progress))
        return response

    async def _take(
        self,
        request: web.Request,
        campaign: Campaign,
        table: CsvTable | NdjsonTable,
        named: Named,
        uploaded: Uploaded,
    ) -> None:
        """Take a body's rows piece by piece, and note after each how far it came."""
        progress, first = named.progress, named.progress.offset
        async with aclosing(read_ahead(_pieces_of(request, table), PIECES_MAX)) as trips:
            async for pieces in trips:
                campaign = self._front.campaigns.get(campaign.id)  # it may have been changed
                rows = together([piece.rows for piece in pieces])
                rejects = await self._accept(campaign, rows, uploaded, named.tally)
                progress.offset = first + pieces[-1].taken
                progress.table = pieces[-1].table
                progress.read, progress.rejected = uploaded.read, uploaded.rejected
                if not progress.table.row:
                    progress.offset, progress.table = 0, None  # not even the header is whole
                await self._note(campaign, named, uploaded, rejects)
        progress.complete = True
        await self._note(campaign, named, uploaded, [])

    async def _note(
        self, campaign: Campaign, named: Named, uploaded: Uploaded, rejects: list[Reject]
    ) -> None:
        """Keep what was refused; of an upload with a name also how far it is, in the same step."""
        lines = [msgspec.json.encode(each) for each in rejects]
        if named.is_named:
            await named.note(lines)
            uploaded.accepted = named.progress.accepted
            uploaded.duplicates = named.progress.duplicates
        elif lines:
            await self._front.results.reject(campaign.portfolio_id, campaign.source, lines)

    async def _accept(
        self, campaign: Campaign, rows: Rows, uploaded: Uploaded, tally: str
    ) -> list[Reject]:
        """Queue a piece; return the rows of it that were refused. What was queued is counted."""
        result, rejects = RowsResult(tally=tally), rows.rejects
        keys = rows.keys or None
        try:
            try:
                await self._front.rows.accept(campaign, rows.rows, keys, result)
            except HalfChangedError:  # no row was queued: it has none
                campaign, result = await self._front.changes.mend(campaign), RowsResult(tally=tally)
                await self._front.rows.accept(campaign, rows.rows, keys, result)
        except EngineError:
            rejects = []  # they come again with the rest of the piece
            raise
        finally:
            uploaded.read += result.read + len({each.row for each in rejects})
            uploaded.accepted += result.accepted
            uploaded.duplicates += result.duplicates
            rejects = [*rejects, *(_reject(rows, error) for error in result.errors)]
            rejects.sort(key=lambda each: each.row)
            uploaded.reject(rejects)
        return rejects


def _reject(rows: Rows, error: RowError) -> Reject:
    return Reject(rows.numbers[error.index], error.field, error.code, error.detail)


def told_of(progress: Progress) -> Uploaded:
    """Return what an answer says of an upload that came so far."""
    return Uploaded(progress.read, progress.accepted, progress.duplicates, progress.rejected)


def _table_of(request: web.Request) -> type[CsvTable | NdjsonTable]:
    """Return what reads a body, by its media type."""
    if request.content_type == "text/csv":
        return CsvTable
    if request.content_type == NDJSON:
        return NdjsonTable
    detail = f"send text/csv or {NDJSON}, not {request.content_type}"
    raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


async def _pieces_of(
    request: web.Request, table: CsvTable | NdjsonTable
) -> AsyncGenerator[Piece, None]:
    """Yield a body's rows."""
    if isinstance(table, CsvTable):
        async for piece in pieces_of(request):
            yield Piece(table.feed(piece), table.taken, table.state)
        yield Piece(table.feed(b"", is_last=True), table.taken, table.state)
    else:
        async for block in blocks_of(request):
            yield Piece(table.feed(block), table.taken, table.state)


def _stopped(uploaded: Uploaded, problem: Problem, named: Named) -> web.Response:
    """Answer a file that the ledger would not take to its end; sending it again repeats nothing."""
    uploaded.stopped, uploaded.detail = problem.code, problem.detail
    headers = named.headers()
    if problem.retry_after_s:
        headers["Retry-After"] = str(problem.retry_after_s)
    body = msgspec.json.encode(uploaded)
    return web.Response(
        status=problem.status, body=body, content_type="application/json", headers=headers
    )
