"""`/v1/senders`: the numbers that send; their tokens go in and never come out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web

from adapters.api.bodies import Name, Strict, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import SenderAnswer, SendersAnswer, SenderStateAnswer
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from engine.books import Depth
from engine.directory import Role, Sender
from engine.model import Gate, PortfolioId, SenderId, WabaId
from engine.ports import SenderSpec, TemplateSpec


class SenderBody(Strict):
    """A business number; its token is write-only."""

    portfolio_id: str
    waba_id: Name
    display_phone_number: str
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)] | None = None
    throughput: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 80
    alias: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{0,64}$")] = ""


class SenderRoutes:
    """The routes of `/v1/senders`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/senders", may(Role.READ, self._list))
        router.add_put(r"/v1/senders/{id:[0-9]{1,32}}", may(Role.ADMIN, self._put))
        router.add_get("/v1/senders/{id}", may(Role.READ, self._get))

    @described(
        "Add a sender or change it; without a token the one it has stays",
        takes=SenderBody,
        gives=SenderAnswer,
        also={201: SenderAnswer},
        refuses=(409,),
    )
    async def _put(self, request: web.Request) -> web.Response:
        body = await read_json(request, SenderBody)
        name = SenderId(request.match_info["id"])
        directory = self._front.registry.directory
        known = directory.senders.get(name)
        if body.portfolio_id not in directory.portfolios:
            detail = "is no portfolio we know; add it with penstock portfolio add"
            raise _refusal("/portfolio_id", "unknown_portfolio", detail)
        if known is not None and known.portfolio_id != body.portfolio_id:
            detail = f"the sender belongs to portfolio {known.portfolio_id}; its jobs are there"
            raise _refusal("/portfolio_id", "conflict", detail, HTTPStatus.CONFLICT)
        if known is None and body.access_token is None:
            detail = "a new sender needs its access token"
            raise _refusal("/access_token", "missing", detail)
        sender = Sender(
            id=name,
            portfolio_id=PortfolioId(body.portfolio_id),
            waba_id=WabaId(body.waba_id),
            display_phone_number=body.display_phone_number,
            throughput=body.throughput,
            alias=body.alias,
        )
        await self._store(sender, body.access_token)
        status = HTTPStatus.OK if known else HTTPStatus.CREATED
        return as_json(shown_sender(sender), status)

    async def _store(self, sender: Sender, token: str | None) -> None:
        """Store a sender, with its token first and the templates of its WABA beside it."""
        if token is not None:
            await self._front.registry.put_token(sender.id, token)
        ledger = self._front.ledger
        spec = SenderSpec(sender.waba_id, sender.throughput)
        await ledger.put_sender(sender.portfolio_id, sender.id, spec)
        for template in self._front.registry.directory.templates.values():
            if template.waba_id == sender.waba_id:
                await ledger.put_template(
                    sender.portfolio_id,
                    template.key,
                    TemplateSpec(template.status, template.category),
                )
        await self._front.registry.put(sender)

    @described("All senders", gives=SendersAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        senders = self._front.registry.directory.senders.values()
        return as_json({"senders": [shown_sender(each) for each in senders]})

    @described("A sender, its rate, its queue and its quota", gives=SenderStateAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        sender = self._front.sender(request.match_info["id"])
        ledger = self._front.ledger
        quota = await ledger.quota(sender.portfolio_id, sender.id)
        depths = await ledger.depths(sender.portfolio_id)
        depth = next((each for each in depths if each.sender == sender.id), None)
        shown: dict[str, object] = {
            "limit": quota.limit,
            "used": quota.used,
            "available": quota.available,
            "next_free_at": rfc3339(quota.next_free_at_ms),
        }
        rate = depth.rate_mps if depth else None
        more = {"quota": shown, "rate_limit": rate, "queue": shown_queue(depth)}
        return as_json(shown_sender(sender) | more)


def shown_sender(sender: Sender) -> dict[str, object]:
    """Return a sender for the outside: without its token."""
    return {
        "id": sender.id,
        "portfolio_id": sender.portfolio_id,
        "waba_id": sender.waba_id,
        "display_phone_number": sender.display_phone_number,
        "throughput": sender.throughput,
        "alias": sender.alias,
    }


def shown_queue(depth: Depth | None) -> dict[str, dict[str, object]]:
    """Return jobs that have not ended, by priority and state; those that wait, by gate."""
    queue: dict[str, dict[str, object]] = {}
    for (priority, word), jobs in sorted(depth.jobs.items() if depth else ()):
        states = queue.setdefault(priority.name.lower(), {})
        if isinstance(word, Gate):
            waiting = states.setdefault("waiting", {})
            assert isinstance(waiting, dict)
            waiting[word.value] = jobs
        else:
            states[word.value] = jobs
    return queue


def _refusal(
    pointer: str, code: str, detail: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY
) -> Problem:
    return Problem(status, detail, code=code, errors=[FieldError(pointer, code, detail)])
