"""`/v1/suppressions`: who must not be written to, one person or a file of any length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.jobs import NDJSON
from adapters.api.openapi.answers import Time
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem, problem_of
from adapters.api.streams import blocks_of, pieces_of
from adapters.api.tables import Reject
from adapters.api.uploads import REJECTS_MAX
from adapters.api.walls import scope
from adapters.api.wishes import ADD, ALL, ORDERED, REMOVE, WishCsv, Wishes, WishNdjson, whom_of
from engine.directory import Role
from engine.errors import EngineError, UnknownNameError
from engine.model import Category, PortfolioId, RecipientKey
from engine.recipients import canonical, on_the_wire, why_not
from engine.suppressions import EVERYWHERE, Whom

ONLY_THE_HOUSE: Final = "ordered for all portfolios: only a key of all portfolios takes it back"

Kind = Literal["all", "authentication", "service", "utility", "marketing"]


class SuppressionBody(Strict):
    """What a person does not want; `all` is every kind of message."""

    category: Kind = "all"


class WhereQuery(msgspec.Struct):
    """Where: in one portfolio, or in all that the key may see."""

    portfolio: str | None = None


class AllowQuery(msgspec.Struct):
    """What is allowed again, and where; `all` takes back each category too."""

    category: Kind = "all"
    portfolio: str | None = None


class Held(msgspec.Struct, omit_defaults=True):
    """What holds: a word `since` a moment, or a rest `until` one with the number that asked."""

    portfolio_id: str
    category: Kind
    since: Time | None = None
    until: Time | None = None
    code: int | None = None


class SuppressionAnswer(msgspec.Struct):
    """What a person must not be sent."""

    to: str
    suppressions: list[Held]


class Imported(msgspec.Struct):
    """What became of a file's rows; `stopped` says why it was not read to its end."""

    read: int = 0
    added: int = 0
    removed: int = 0
    rejected: int = 0
    errors: list[Reject] = []
    stopped: str = ""
    detail: str = ""

    def count(self, wishes: Wishes) -> None:
        """Count what a piece brought and is in force."""
        rejected = len({each.row for each in wishes.rejects})
        self.read += wishes.added + wishes.removed + rejected
        self.added += wishes.added
        self.removed += wishes.removed
        self.rejected += rejected
        self.errors += wishes.rejects[: max(0, REJECTS_MAX - len(self.errors))]


class SuppressionRoutes:
    """The routes of `/v1/suppressions`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_post("/v1/suppressions", may(Role.SEND, self._post))
        router.add_put("/v1/suppressions/{to}", may(Role.SEND, self._put))
        router.add_get("/v1/suppressions/{to}", may(Role.READ, self._get))
        router.add_delete("/v1/suppressions/{to}", may(Role.SEND, self._delete))

    @described(
        "Write to a person no more; in force when this answers",
        takes=SuppressionBody,
        gives=SuppressionAnswer,
        query=WhereQuery,
    )
    async def _put(self, request: web.Request) -> web.Response:
        body = await read_json(request, SuppressionBody)
        return await self._order(request, body.category, ADD)

    @described(
        "Allow writing to a person again",
        gives=SuppressionAnswer,
        query=AllowQuery,
        refuses=(409, 422),
    )
    async def _delete(self, request: web.Request) -> web.Response:
        return await self._order(request, request.query.get("category", ALL), REMOVE)

    async def _order(self, request: web.Request, category: str, action: str) -> web.Response:
        identity, recipient = self.person(request)
        portfolio = await self._portfolio(request)
        stops = dict.fromkeys(whom_of(recipient, category, action), action == ADD)
        if held := await self._held(portfolio, stops):
            named = ", ".join(
                sorted(each.category.value if each.category else ALL for each in held)
            )
            raise Problem(HTTPStatus.CONFLICT, f"{named}: {ONLY_THE_HOUSE}", code=ORDERED)
        await self._front.suppressions.order(portfolio, stops, self._front.now_ms())
        if Whom(recipient, Category.MARKETING) in stops and action == REMOVE:
            for each in self._meant(portfolio):
                await self._front.resting.forget(each, [recipient])
        return as_json(await self._shown(portfolio, identity, recipient))

    @described(
        "What a person must not be sent, where and until when",
        gives=SuppressionAnswer,
        query=WhereQuery,
        refuses=(422,),
    )
    async def _get(self, request: web.Request) -> web.Response:
        identity, recipient = self.person(request)
        portfolio = await self._portfolio(request)
        return as_json(await self._shown(portfolio, identity, recipient))

    async def _shown(
        self, portfolio: PortfolioId, identity: str, recipient: RecipientKey
    ) -> SuppressionAnswer:
        """Return what holds for a person, in one portfolio or in each."""
        held: list[Held] = []
        for each in self._meant(portfolio):
            words = await self._front.suppressions.of(each, recipient)
            for whom, word in words.items():
                category: Kind = whom.category.value if whom.category else ALL
                held.append(Held(each, category, since=rfc3339(word.at_ms)))
            rests = await self._front.resting.of(each, recipient)
            for code, until_ms in rests.items():
                until = rfc3339(until_ms)
                held.append(Held(each, Category.MARKETING.value, until=until, code=code))
        return SuppressionAnswer(on_the_wire(identity), held)

    @described(
        "Take a file of people's wishes; any length, and again is no harm",
        files=("text/csv", NDJSON),
        query=WhereQuery,
        gives=Imported,
        refuses=(404,),
        partial=Imported,
        headers=("Content-Encoding",),
    )
    async def _post(self, request: web.Request) -> web.Response:
        portfolio = await self._portfolio(request)
        imported = Imported()
        try:
            async for wishes in self._wishes_of(request):
                if held := await self._held(portfolio, wishes.stops):
                    wishes.refuse(held, ONLY_THE_HOUSE)
                if wishes.stops:
                    now_ms = self._front.now_ms()
                    await self._front.suppressions.order(portfolio, wishes.stops, now_ms)
                imported.count(wishes)
        except Problem as problem:
            return _stopped(imported, problem)
        except EngineError as error:
            return _stopped(imported, problem_of(error))
        return as_json(imported)

    async def _held(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> set[Whom]:
        """Return what the caller may not lift: a key of one portfolio, what holds in all."""
        if scope() is None:
            return set()
        return await self._front.suppressions.ordered_everywhere(portfolio, stops)

    async def _wishes_of(self, request: web.Request) -> AsyncIterator[Wishes]:
        """Yield a file's wishes by its media type."""
        if request.content_type == "text/csv":
            csv_table = WishCsv(self._front.recipients)
            async for piece in pieces_of(request):
                yield csv_table.feed(piece)
            yield csv_table.feed(b"", is_last=True)
        elif request.content_type == NDJSON:
            table = WishNdjson(self._front.recipients)
            async for block in blocks_of(request):
                yield table.feed(block)
        else:
            detail = f"send text/csv or {NDJSON}, not {request.content_type}"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)

    def _meant(self, portfolio: PortfolioId) -> list[PortfolioId]:
        known = self._front.registry.directory.portfolios.values()
        return [each.id for each in known] if portfolio == EVERYWHERE else [portfolio]

    async def _portfolio(self, request: web.Request) -> PortfolioId:
        """Return which portfolio is meant: all that the key may see when none is named."""
        await self._front.registry.refresh()  # one that another process added is meant too
        caller = scope()
        every = caller.portfolio if caller is not None else EVERYWHERE
        name = request.query.get("portfolio")
        if name is not None and name not in self._front.registry.directory.portfolios:
            raise UnknownNameError(f"there is no portfolio {name}")  # nor one without a name
        return PortfolioId(every if name is None else name)

    def person(self, request: web.Request) -> tuple[str, RecipientKey]:
        """Return whom the path names."""
        return person_of(self._front, request.match_info["to"])


def person_of(front: Front, to: str) -> tuple[str, RecipientKey]:
    """Return the canonical id and the key of a person; a Problem that names what is wrong."""
    identity = canonical(to)
    if identity is None:
        raise _refused("/to", *why_not(to))
    return identity, front.recipients.key(identity)


def _refused(pointer: str, code: str, detail: str) -> Problem:
    shown = FieldError(pointer, code, detail)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code=code, errors=[shown])


def _stopped(imported: Imported, problem: Problem) -> web.Response:
    """Answer a file that was not read to its end; sending it again repeats nothing."""
    if not imported.read:
        raise problem
    imported.stopped, imported.detail = problem.code, problem.detail
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s else None
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(imported),
        content_type="application/json",
        headers=headers,
    )
