"""`/v1/dead` and `/v1/doubts`: what failed for good, and what nobody knows; looked at and ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Protocol

import msgspec
from aiohttp import web

from adapters.api.bodies import Strict, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.problems import FieldError, Problem
from engine.directory import Portfolio, Role, Sender
from engine.model import JobKey, JobState, PortfolioId, SenderId
from engine.outcomes import Accepted, Dropped, Outcome
from engine.ports import Settled, Settlement

SHOWN_MAX = 1_000
SHOWN_USUALLY = 100
BY_HAND = "resolved by an operator"

Settle = Callable[[PortfolioId, Sequence[Settlement]], Awaitable[Settled]]
Audit = Callable[[str, str, dict[str, object]], None]  # event, whose key, what was done


class Letter(Protocol):
    """A dead letter as it is shown."""

    @property
    def key(self) -> JobKey:
        """Return its job."""
        ...

    @property
    def failed_at_ms(self) -> int:
        """Return when it was noted."""
        ...

    @property
    def attempt(self) -> int:
        """Return how often it was written."""
        ...

    @property
    def code(self) -> int:
        """Return Meta's last number; 0 when we dropped it."""
        ...


class Shelf(Protocol):
    """Where dead letters are."""

    async def newest(self, portfolio: PortfolioId, sender: SenderId, most: int) -> Sequence[Letter]:
        """Return a sender's newest."""
        ...

    async def drop(
        self, portfolio: PortfolioId, sender: SenderId, dropped: Sequence[JobKey]
    ) -> int:
        """Forget some; return how many there were."""
        ...


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

    async def soonest(self, portfolio: PortfolioId, most: int) -> Sequence[Doubtful]:
        """Return those decided next."""
        ...


class DropBody(Strict):
    """Dead letters to forget."""

    sender: str
    ids: list[str] | None = None  # None: all of the sender's


class ResolveBody(Strict, rename={"verdict": "as"}):
    """What an operator knows of a doubt."""

    verdict: Literal["accepted", "failed"]
    wamid: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Aftermath:
    """The routes of `/v1/dead` and `/v1/doubts`."""

    def __init__(
        self,
        front: Front,
        shelf: Shelf,
        doubts: Doubts,
        settle: Settle,
        title_of: Callable[[int], str],
        audit: Audit,
    ) -> None:
        self._front = front
        self._shelf = shelf
        self._doubts = doubts
        self._settle = settle
        self._title_of = title_of
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        may = self._front.may
        return [
            web.get("/v1/dead", may(Role.READ, self._list_dead)),
            web.post("/v1/dead/drop", may(Role.ADMIN, self._drop)),
            web.get("/v1/doubts", may(Role.READ, self._list_doubts)),
            web.post("/v1/doubts/{id}/resolve", may(Role.ADMIN, self._resolve)),
        ]

    # -- dead letters ------------------------------------------------------------------------------

    async def _list_dead(self, request: web.Request) -> web.Response:
        most = _limit(request)
        named = request.query.get("sender")
        senders = (
            [self._front.sender(named)]
            if named
            else list(self._front.registry.directory.senders.values())
        )
        shown: list[dict[str, object]] = []
        for sender in senders:
            if len(shown) >= most:
                break
            letters = await self._shelf.newest(sender.portfolio_id, sender.id, most - len(shown))
            shown += [self._shown_letter(sender, letter) for letter in letters]
        return as_json({"dead": shown})

    def _shown_letter(self, sender: Sender, letter: Letter) -> dict[str, object]:
        portfolio = self._front.registry.directory.portfolios[sender.portfolio_id]
        return {
            "id": self._front.job_ids.encode(portfolio.number, letter.key),
            "sender": sender.id,
            "at": rfc3339(letter.failed_at_ms),
            "attempt": letter.attempt,
            "code": letter.code or None,
            "title": self._title_of(letter.code) if letter.code else "dropped before it was sent",
        }

    async def _drop(self, request: web.Request) -> web.Response:
        body = await read_json(request, DropBody)
        sender = self._front.sender(body.sender)
        if body.ids is None:
            letters = await self._shelf.newest(sender.portfolio_id, sender.id, SHOWN_MAX)
            dropped = [letter.key for letter in letters]
        else:
            places = [self._place(text, f"/ids/{at}") for at, text in enumerate(body.ids)]
            dropped = [key for portfolio, key in places if portfolio.id == sender.portfolio_id]
        jobs = await self._shelf.drop(sender.portfolio_id, sender.id, dropped)
        who = self._front.check(request, Role.ADMIN).name
        self._audit("dead_letters_dropped", who, {"sender": sender.id, "jobs": jobs})
        return as_json({"dropped": jobs, "more": body.ids is None and jobs == SHOWN_MAX})

    # -- doubts ------------------------------------------------------------------------------------

    async def _list_doubts(self, request: web.Request) -> web.Response:
        most = _limit(request)
        portfolios = self._front.registry.directory.portfolios
        named = request.query.get("portfolio")
        if named is not None and named not in portfolios:
            detail = f"there is no portfolio {named}"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found")
        shown: list[dict[str, object]] = []
        for portfolio in [portfolios[named]] if named else list(portfolios.values()):
            if len(shown) < most:
                doubts = await self._doubts.soonest(portfolio.id, most - len(shown))
                shown += [self._shown_doubt(portfolio, each) for each in doubts]
        return as_json({"doubts": shown})

    def _shown_doubt(self, portfolio: Portfolio, doubt: Doubtful) -> dict[str, object]:
        return {
            "id": self._front.job_ids.encode(portfolio.number, doubt.key),
            "sender": doubt.sender,
            "source": doubt.source,
            "template": doubt.template or None,
            "decided_at": rfc3339(doubt.decided_at_ms),
        }

    async def _resolve(self, request: web.Request) -> web.Response:
        """End a doubt as somebody knows it ended; what was decided meanwhile stays."""
        body = await read_json(request, ResolveBody)
        text = request.match_info["id"]
        portfolio, key = self._place(text)
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

    def _place(self, text: str, pointer: str = "") -> tuple[Portfolio, JobKey]:
        place = self._front.job_ids.decode(text)
        portfolio = self._front.registry.directory.portfolio_of_number(place[0]) if place else None
        if place is None or portfolio is None:
            detail = f"{text} is no job"
            errors = [FieldError(pointer, "not_found", detail)] if pointer else []
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found", errors=errors)
        return portfolio, place[1]


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(SHOWN_USUALLY))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= SHOWN_MAX:
        detail = f"limit is a number from 1 to {SHOWN_MAX}, not {text}"
        shown = FieldError("/limit", "invalid", detail)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="invalid", errors=[shown])
    return int(text)


def _not_in_doubt(state: JobState) -> Problem:
    detail = f"the job is {state.value}, not in doubt: there is nothing to resolve"
    return Problem(HTTPStatus.CONFLICT, detail, code="state")
