"""`/v1/dead`: what failed for good; looked at, queued once more, or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol

import msgspec
from aiohttp import web

from adapters.api.aftermath import (
    SHOWN_MAX,
    SHOWN_USUALLY,
    Audit,
    Limit,
    TitleOf,
    limit_in,
    place_of,
)
from adapters.api.bodies import Moment, Strict, milliseconds, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.aftermath_answers import DeadAnswer, DroppedAnswer, ReplayedAnswer
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from engine.dead import DeadRow
from engine.directory import Portfolio, Role, Sender
from engine.model import JobKey, PortfolioId, SenderId
from engine.replaying import ReplayDead, Replayed

PAGE = 500  # letters looked through at once

Ids = Annotated[list[str], msgspec.Meta(min_length=1, max_length=SHOWN_MAX)]


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

    async def count(
        self, portfolio: PortfolioId, senders: Sequence[SenderId]
    ) -> Mapping[SenderId, int]:
        """Return how many there are of each sender."""
        ...

    async def newest(
        self, portfolio: PortfolioId, sender: SenderId, most: int, skip: int = 0
    ) -> Sequence[Letter]:
        """Return a sender's newest, but for the first `skip`."""
        ...

    async def drop(
        self, portfolio: PortfolioId, sender: SenderId, dropped: Sequence[JobKey]
    ) -> int:
        """Forget some; return how many there were."""
        ...


class DropBody(Strict):
    """Dead letters to forget."""

    sender: str
    ids: list[str] | None = None  # None: all of the sender's


class ReplayBody(Strict):
    """Dead letters to queue once more: named ones, or a sender's that a filter finds."""

    sender: str | None = None
    ids: Ids | None = None
    code: int | None = None  # the sender's with this number of Meta's only
    source: str | None = None  # … of this source only, `kind:id`
    expires_at: Moment | None = None  # in place of the time that each had
    limit: Limit = SHOWN_MAX


class DeadQuery(msgspec.Struct):
    """Which dead letters: a sender's, a code's, a source's only; at most so many."""

    sender: str | None = None
    code: int | None = None
    source: str | None = None
    limit: Limit = SHOWN_USUALLY


@dataclass(frozen=True, slots=True)
class Filter:
    """What letters are looked for."""

    code: int | None = None
    source: str | None = None

    @property
    def is_any(self) -> bool:
        """Return whether it keeps anything back."""
        return self.code is not None or self.source is not None

    def lets(self, letter: Letter, row: DeadRow) -> bool:
        """Return whether a letter is one of them."""
        if self.code is not None and letter.code != self.code:
            return False
        return self.source is None or (row.lane is not None and row.lane.source == self.source)


@dataclass(frozen=True, slots=True)
class Found:
    """A letter, whose it is, and what it may be replayed with."""

    sender: Sender
    letter: Letter
    row: DeadRow

    @property
    def at_ms(self) -> int:
        """Return when it was noted."""
        return self.letter.failed_at_ms


class Dead:
    """The routes of `/v1/dead`."""

    def __init__(
        self, front: Front, shelf: Shelf, replay: ReplayDead, title_of: TitleOf, audit: Audit
    ) -> None:
        self._front = front
        self._shelf = shelf
        self._replays = replay
        self._title_of = title_of
        self._audit = audit

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        may = self._front.may
        return [
            web.get("/v1/dead", may(Role.READ, self._list)),
            web.post("/v1/dead/replay", may(Role.ADMIN, self._replay)),
            web.post("/v1/dead/drop", may(Role.ADMIN, self._drop)),
        ]

    @described(
        "Jobs that failed for good, the newest first",
        gives=DeadAnswer,
        query=DeadQuery,
        refuses=(404, 422),
    )
    async def _list(self, request: web.Request) -> web.Response:
        most, named = limit_in(request), request.query.get("sender")
        wanted = Filter(_code_in(request), request.query.get("source") or None)
        newest: list[Found] = []
        for sender in [self._front.sender(named)] if named else await self._with_letters():
            since_ms = newest[-1].at_ms if len(newest) == most else 0
            newest += await self._find(sender, wanted, most, since_ms)
            newest = sorted(newest, key=lambda each: -each.at_ms)[:most]
        return as_json({"dead": [self._shown(each) for each in newest]})

    async def _with_letters(self) -> list[Sender]:
        """Return the senders that have any; those of a portfolio are asked at once."""
        senders: dict[PortfolioId, dict[SenderId, Sender]] = {}
        for each in self._front.registry.directory.senders.values():
            senders.setdefault(each.portfolio_id, {})[each.id] = each
        return [
            known[name]
            for portfolio, known in senders.items()
            for name, letters in (await self._shelf.count(portfolio, list(known))).items()
            if letters
        ]

    async def _find(
        self, sender: Sender, wanted: Filter, most: int, since_ms: int = 0
    ) -> list[Found]:
        """Return a sender's newest letters that a filter lets through, none before a moment."""
        portfolio = sender.portfolio_id
        size = PAGE if wanted.is_any else min(PAGE, most)
        letters = (await self._shelf.count(portfolio, [sender.id]))[sender.id]
        found: list[Found] = []
        for skip in range(0, letters, size):
            page = await self._shelf.newest(portfolio, sender.id, size, skip)
            page = [each for each in page if each.failed_at_ms >= since_ms]
            rows = await self._front.dead_rows.read(portfolio, [each.key for each in page])
            found += [
                Found(sender, letter, row)
                for letter, row in zip(page, rows, strict=True)
                if wanted.lets(letter, row)
            ]
            if len(found) >= most or (since_ms and not page):
                break
        return found[:most]

    def _shown(self, found: Found) -> dict[str, object]:
        letter, row = found.letter, found.row
        portfolio = self._front.registry.directory.portfolios[found.sender.portfolio_id]
        return {
            "id": self._front.job_ids.encode(portfolio.number, letter.key),
            "sender": found.sender.id,
            "source": row.lane.source if row.lane else None,
            "template": (row.lane.template or None) if row.lane else None,
            "at": rfc3339(letter.failed_at_ms),
            "attempt": letter.attempt,
            "code": letter.code or None,
            "title": self._title_of(letter.code) if letter.code else "dropped before it was sent",
            "replayable": row.why_not is None,
            "why_not": row.why_not.value if row.why_not else None,
        }

    @described(
        "Queue dead letters once more, each as a job of its own; each failure once",
        takes=ReplayBody,
        gives=ReplayedAnswer,
        refuses=(404, 429),
    )
    async def _replay(self, request: web.Request) -> web.Response:
        body = await read_json(request, ReplayBody)
        expires_ms = milliseconds(body.expires_at)
        if 0 < expires_ms <= self._front.now_ms():
            raise _refusal("/expires_at", "is over already; name a later moment")
        wanted, has_more = await self._wanted(body)
        done = [
            (portfolio, each)
            for portfolio, keys in wanted
            for each in await self._replays.run(portfolio.id, keys, expires_ms)
        ]
        for portfolio, sender, keys in _settled(done):
            await self._shelf.drop(portfolio, sender, keys)
        jobs = [self._shown_replay(*each) for each in done if each[1].job is not None]
        refused = [
            {"id": self._id(portfolio, each.key), "code": each.code, "detail": each.detail}
            for portfolio, each in done
            if each.job is None
        ]
        fresh = sum(each.is_new for _, each in done)
        who = self._front.check(request, Role.ADMIN).name
        told: dict[str, object] = {"jobs": fresh, "refused": len(refused)}
        self._audit("dead_letters_replayed", who, {"sender": body.sender} | told)
        known = len(jobs) - fresh
        answer = {"replayed": fresh, "known": known, "jobs": jobs, "refused": refused}
        return as_json(answer | {"more": has_more})

    async def _wanted(self, body: ReplayBody) -> tuple[list[tuple[Portfolio, list[JobKey]]], bool]:
        """Return which jobs of which portfolios, and whether the filter finds more of them."""
        if body.ids is not None:
            keys: dict[PortfolioId, tuple[Portfolio, list[JobKey]]] = {}
            for at, text in enumerate(body.ids):
                portfolio, key = place_of(self._front, text, f"/ids/{at}")
                keys.setdefault(portfolio.id, (portfolio, []))[1].append(key)
            return list(keys.values()), False
        if body.sender is None:
            raise _refusal("/sender", "name a sender, or the ids of jobs")
        sender = self._front.sender(body.sender)
        found = await self._find(sender, Filter(body.code, body.source), body.limit + 1)
        portfolio = self._front.registry.directory.portfolios[sender.portfolio_id]
        some = [each.letter.key for each in found[: body.limit]]
        return [(portfolio, some)], len(found) > body.limit

    def _shown_replay(self, portfolio: Portfolio, done: Replayed) -> dict[str, object]:
        assert done.job is not None
        return {
            "id": self._id(portfolio, done.key),
            "job": self._id(portfolio, done.job),
            "is_new": done.is_new,
        }

    def _id(self, portfolio: Portfolio, key: JobKey) -> str:
        return self._front.job_ids.encode(portfolio.number, key)

    @described("Forget dead letters", takes=DropBody, gives=DroppedAnswer, refuses=(404,))
    async def _drop(self, request: web.Request) -> web.Response:
        body = await read_json(request, DropBody)
        sender = self._front.sender(body.sender)
        if body.ids is None:
            letters = await self._shelf.newest(sender.portfolio_id, sender.id, SHOWN_MAX)
            dropped = [letter.key for letter in letters]
        else:
            places = [place_of(self._front, text, f"/ids/{at}") for at, text in enumerate(body.ids)]
            dropped = [key for portfolio, key in places if portfolio.id == sender.portfolio_id]
        jobs = await self._shelf.drop(sender.portfolio_id, sender.id, dropped)
        who = self._front.check(request, Role.ADMIN).name
        self._audit("dead_letters_dropped", who, {"sender": sender.id, "jobs": jobs})
        return as_json({"dropped": jobs, "more": body.ids is None and jobs == SHOWN_MAX})


def _settled(
    done: Sequence[tuple[Portfolio, Replayed]],
) -> list[tuple[PortfolioId, SenderId, list[JobKey]]]:
    """Return what need not be looked at any more, by portfolio and sender."""
    found: dict[tuple[PortfolioId, SenderId], list[JobKey]] = {}
    for portfolio, each in done:
        if each.job is not None and each.sender is not None:
            found.setdefault((portfolio.id, each.sender), []).append(each.key)
    return [(portfolio, sender, keys) for (portfolio, sender), keys in found.items()]


def _code_in(request: web.Request) -> int | None:
    text = request.query.get("code", "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= len(str(2**32))):
        raise _refusal("/code", f"is a number of Meta's, not {text}")
    return int(text) if text else None


def _refusal(pointer: str, detail: str) -> Problem:
    shown = FieldError(pointer, "invalid", detail)
    whole = f"{pointer.removeprefix('/')} {detail}"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, whole, code="invalid", errors=[shown])
