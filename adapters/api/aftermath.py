"""`/v1/doubts`: what nobody knows; looked at and ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Protocol

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.aftermath_answers import (
    DoubtsAnswer,
    ResolvedAnswer,
)
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from engine.directory import Portfolio, Role
from engine.model import JobKey, JobState, PortfolioId, SenderId
from engine.outcomes import Accepted, Dropped, Outcome
from engine.ports import Settled, Settlement

SHOWN_MAX = 1_000
SHOWN_USUALLY = 100
BY_HAND = "resolved by an operator"

Limit = Annotated[int, msgspec.Meta(ge=1, le=SHOWN_MAX)]
Settle = Callable[[PortfolioId, Sequence[Settlement]], Awaitable[Settled]]
TitleOf = Callable[[int], str]  # what a number of Meta's means
Audit = Callable[[str, str, dict[str, object]], None]  # event, whose key, what was done


class Doubtful(Protocol):
    """A job in doubt as it is shown."""

    @property
    def key(self) -> JobKey:
        """Return which."""
        ...

    @property
    def sender(self) -> SenderId:
        """Return whose."""
        ...

    @property
    def source(self) -> str:
        """Return the campaign, journey or direct call."""
        ...

    @property
    def template(self) -> str:
        """Return its template's key."""
        ...

    @property
    def decided_at_ms(self) -> int:
        """Return when its policy decides."""
        ...


class Doubts(Protocol):
    """Where doubts are."""

    async def soonest(
        self, portfolios: Sequence[PortfolioId], most: int
    ) -> Sequence[tuple[PortfolioId, Doubtful]]:
        """Return those decided next, of all these portfolios together."""
        ...


class ResolveBody(Strict, rename={"verdict": "as"}):
    """What an operator knows of a doubt."""

    verdict: Literal["accepted", "failed"]
    wamid: Annotated[str, msgspec.Meta(max_length=256)] = ""


class DoubtsQuery(msgspec.Struct):
    """Which doubts: a portfolio's only, at most so many."""

    portfolio: str | None = None
    limit: Limit = SHOWN_USUALLY


class Aftermath:
    """The routes of `/v1/doubts`."""

    def __init__(
        self,
        front: Front,
        doubts: Doubts,
        settle: Settle,
        audit: Audit,
    ) -> None:
        self._front = front
        self._doubts = doubts
        self._settle = settle
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        may = self._front.may
        return [
            web.get("/v1/doubts", may(Role.READ, self._list_doubts)),
            web.post("/v1/doubts/{id}/resolve", may(Role.ADMIN, self._resolve)),
        ]

    @described(
        "Jobs in doubt, those decided next first",
        gives=DoubtsAnswer,
        query=DoubtsQuery,
        refuses=(404, 422),
    )
    async def _list_doubts(self, request: web.Request) -> web.Response:
        most = limit_in(request)
        portfolios = self._front.registry.directory.portfolios
        named = request.query.get("portfolio")
        if named is not None and named not in portfolios:
            detail = f"there is no portfolio {named}"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found")
        asked = [each.id for each in portfolios.values() if named in (None, each.id)]
        doubts = await self._doubts.soonest(asked, most)
        shown = [self._shown_doubt(portfolios[name], each) for name, each in doubts]
        return as_json({"doubts": shown})

    def _shown_doubt(self, portfolio: Portfolio, doubt: Doubtful) -> dict[str, object]:
        return {
            "id": self._front.job_ids.encode(portfolio.number, doubt.key),
            "sender": doubt.sender,
            "source": doubt.source,
            "template": doubt.template or None,
            "decided_at": rfc3339(doubt.decided_at_ms),
        }

    @described("End a doubt by hand", takes=ResolveBody, gives=ResolvedAnswer, refuses=(409,))
    async def _resolve(self, request: web.Request) -> web.Response:
        """End a doubt as somebody knows it ended; what was decided meanwhile stays."""
        body = await read_json(request, ResolveBody)
        text = request.match_info["id"]
        portfolio, key = place_of(self._front, text)
        view = await self._front.ledger.job(portfolio.id, key)
        if view is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such job", code="not_found")
        if view.state is not JobState.IN_DOUBT:
            raise _not_in_doubt(view.state)
        is_taken = body.verdict == "accepted"
        outcome: Outcome = Accepted(body.wamid) if is_taken else Dropped(0, BY_HAND)
        settled = await self._settle(portfolio.id, [Settlement(key, view.attempt, outcome)])
        after = await self._front.ledger.job(portfolio.id, key)
        state = after.state if after else view.state
        if settled.ignored:
            raise _not_in_doubt(state)
        who = self._front.check(request, Role.ADMIN).name
        self._audit("doubt_resolved", who, {"job": str(key), "as": body.verdict})
        return as_json({"id": text, "state": state.value})


def place_of(front: Front, text: str, pointer: str = "") -> tuple[Portfolio, JobKey]:
    """Return where a job id leads; a Problem when it leads nowhere."""
    place = front.job_ids.decode(text)
    portfolio = front.registry.directory.portfolio_of_number(place[0]) if place else None
    if place is None or portfolio is None:
        detail = f"{text} is no job"
        errors = [FieldError(pointer, "not_found", detail)] if pointer else []
        raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found", errors=errors)
    return portfolio, place[1]


def limit_in(request: web.Request) -> int:
    """Return how many are wanted at most; a Problem where that is no number."""
    text = request.query.get("limit", str(SHOWN_USUALLY))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(SHOWN_MAX))
    if not is_number or not 1 <= int(text) <= SHOWN_MAX:
        detail = f"limit is a number from 1 to {SHOWN_MAX}, not {text}"
        shown = FieldError("/limit", "invalid", detail)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid", errors=[shown])
    return int(text)


def _not_in_doubt(state: JobState) -> Problem:
    detail = f"the job is {state.value}, not in doubt: there is nothing to resolve"
    return Problem(HTTPStatus.CONFLICT, detail, code="state")
