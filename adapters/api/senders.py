"""`/v1/senders`: the numbers that send; their tokens go in and never come out."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web

from adapters.api.bodies import ALIAS, Name, Strict, id_in, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import SenderAnswer, SendersAnswer, SenderStateAnswer
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem
from adapters.api.told import shown_closures, shown_facts
from adapters.api.warnings import sender_warnings, senders_of, twins_of
from adapters.breath import breathe
from engine.books import Depth
from engine.directory import Role, Sender
from engine.facts import of_account, of_sender
from engine.model import Gate, PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.profiles import numbers_max
from engine.senders import (
    ANSWER,
    CEILING,
    GIVEN,
    NAME,
    PAUSE,
    PAUSED,
    QUALITY,
    REVIEW,
    STATUS,
    TOKEN,
    account_closures,
    value_of,
)
from engine.template_changes import spec_of

Kept = msgspec.UnsetType  # what is not given keeps its value
REASON_MAX = 200
NUMBER_PATTERN = re.compile(r"[0-9]{1,32}")
TOKEN_PATTERN = re.compile(r"[\x21-\x7e]+")  # what a header may carry
NUMBER_DETAIL = "a sender is called by its phone_number_id of Meta's: 1 to 32 digits"
NOBODY = (PortfolioId(""), WabaId(""), "")  # what a new sender has to name
UNRULED = {"alias", "throughput"}  # what no rule about several numbers looks at


class SenderBody(Strict):
    """A business number; its token is write-only. Of a known one, what is left out stays."""

    portfolio_id: str | Kept = msgspec.UNSET
    waba_id: Name | Kept = msgspec.UNSET
    display_phone_number: Annotated[str, msgspec.Meta(max_length=64)] | Kept = msgspec.UNSET
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)] | None = None
    throughput: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | Kept = msgspec.UNSET
    alias: Annotated[str, msgspec.Meta(pattern=ALIAS)] | Kept = msgspec.UNSET


class PauseBody(Strict):
    """Why a sender is paused, for whoever asks later."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_MAX)] = ""


class SenderRoutes:
    """The routes of `/v1/senders`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/senders", may(Role.READ, self._list))
        router.add_put("/v1/senders/{id}", may(Role.ADMIN, self._put))
        router.add_get("/v1/senders/{id}", may(Role.READ, self._get))
        router.add_post("/v1/senders/{id}/pause", may(Role.ADMIN, self._pause))
        router.add_post("/v1/senders/{id}/resume", may(Role.ADMIN, self._resume))
        router.add_post("/v1/senders/{id}/refresh", may(Role.ADMIN, self._refresh))

    @described(
        "Add a sender or change it; without a token the one it has stays",
        takes=SenderBody,
        is_optional=True,
        gives=SenderAnswer,
        also={201: SenderAnswer},
        refuses=(409,),
    )
    async def _put(self, request: web.Request) -> web.Response:
        name = SenderId(id_in(request, NUMBER_PATTERN, NUMBER_DETAIL))
        body = await read_json(request, SenderBody)
        registry, added_at_ms = self._front.registry, self._front.now_ms()
        changes = {
            field: value
            for field, value in msgspec.structs.asdict(body).items()
            if value is not msgspec.UNSET and field != "access_token"
        }

        def changed(known: Sender | None) -> Sender:
            self._check(body, known)
            sender = replace(known or Sender(name, *NOBODY, added_at_ms=added_at_ms), **changes)
            self._refuse_shared(sender, known)
            self._refuse_unruly(sender, known)
            return sender

        await registry.refresh()
        known = registry.directory.senders.get(name)
        await self._prepare(changed(known), body.access_token)
        is_ruled = known is None or bool(changes.keys() - UNRULED)
        sender = await registry.change(Sender, name, changed, alone=is_ruled)
        keeper = self._front.keeper
        if body.throughput is not msgspec.UNSET:
            await keeper.order(of_sender(name, CEILING), str(body.throughput))
        if body.access_token is not None:
            await keeper.order(of_sender(name, TOKEN), GIVEN)
        await self._reopen(name)
        await keeper.obey_account(sender.waba_id)
        if known is None or body.access_token is not None:
            self._front.ask_soon(name)
        status = HTTPStatus.OK if known else HTTPStatus.CREATED
        return as_json(shown_sender(self._front.sender(name)), status)

    def _check(self, body: SenderBody, known: Sender | None) -> None:
        """Raise the problem of a body that cannot be taken."""
        if known is None:
            told = msgspec.structs.asdict(body)
            for field in ("portfolio_id", "waba_id", "display_phone_number"):
                if told[field] is msgspec.UNSET:
                    raise _refusal(f"/{field}", "missing", f"a new sender needs its {field}")
        if body.portfolio_id is not msgspec.UNSET:
            if body.portfolio_id not in self._front.registry.directory.portfolios:
                detail = "is no portfolio we know; add it with penstock portfolio add"
                raise _refusal("/portfolio_id", "unknown_portfolio", detail)
            if known is not None and known.portfolio_id != body.portfolio_id:
                detail = f"the sender belongs to portfolio {known.portfolio_id}; its jobs are there"
                raise _refusal("/portfolio_id", "conflict", detail, HTTPStatus.CONFLICT)
        number = body.display_phone_number
        if number is not msgspec.UNSET and not any(map(str.isdecimal, number)):
            detail = "has no digits; write the number as Meta shows it, such as +1 555 078 3881"
            raise _refusal("/display_phone_number", "not_a_number", detail)
        if body.access_token is not None and not TOKEN_PATTERN.fullmatch(body.access_token):
            detail = "holds spaces, line ends or other than ASCII characters; give the token alone"
            raise _refusal("/access_token", "not_a_token", detail)
        if known is None and body.access_token is None:
            detail = "a new sender needs its access token"
            raise _refusal("/access_token", "missing", detail)

    def _refuse_shared(self, sender: Sender, known: Sender | None) -> None:
        """Raise the problem of an account that is in another portfolio already.

        Meta counts one limit for all of an account's numbers; two windows would allow it twice.
        """
        directory = self._front.registry.directory
        others = [*directory.portfolios_of_waba(sender.waba_id)]
        others = [each for each in others if each != sender.portfolio_id]
        if others and (known is None or known.waba_id != sender.waba_id):
            detail = f"WABA {sender.waba_id} is in portfolio {others[0]}; an account is in one"
            raise _refusal("/waba_id", "conflict", detail, HTTPStatus.CONFLICT)

    def _refuse_unruly(self, sender: Sender, known: Sender | None) -> None:
        """Raise the problem of a number that may not be registered, where the rules are strict."""
        front = self._front
        twins = twins_of(sender, front.registry.directory)
        if front.rules.distinct and twins:
            detail = f"sender {twins[0]} has this number; each number may be only one sender"
            raise _refusal("/display_phone_number", "conflict", detail, HTTPStatus.CONFLICT)
        if known is not None or not front.rules.distinct:
            return
        others = senders_of(sender.portfolio_id, front.registry.directory)
        most = numbers_max(front.rules, front.keeper.facts, sender.portfolio_id, others)
        if len(others) >= most:
            detail = (
                f"the portfolio has {len(others)} numbers, {most} is the most until a display "
                "name is approved; `penstock sender refresh` asks Meta whether one is"
            )
            raise _refusal("/portfolio_id", "conflict", detail, HTTPStatus.CONFLICT)

    async def _prepare(self, sender: Sender, token: str | None) -> None:
        """Store what a sender needs before it may send: its token, the templates of its WABA."""
        if token is not None:
            await self._front.registry.put_token(sender.id, token)
        for template in self._front.registry.directory.templates.values():
            if template.waba_id == sender.waba_id:
                spec = replace(spec_of(template), lifts=False)  # what answers closed stays so
                await self._front.ledger.put_template(sender.portfolio_id, template.key, spec)

    async def _reopen(self, name: SenderId) -> None:
        """Lift what an answer of Meta closed: whoever sets a sender wants it tried again."""
        if value_of(self._front.keeper.facts, of_sender(name, ANSWER)):
            await self._front.keeper.order(of_sender(name, ANSWER), "")
        else:
            await self._front.keeper.obey_sender(name)

    @described(
        "Close a sender until it is resumed",
        takes=PauseBody,
        is_optional=True,
        gives=SenderStateAnswer,
    )
    async def _pause(self, request: web.Request) -> web.Response:
        """Close a sender until it is resumed; its jobs keep their places."""
        sender = self._front.sender(request.match_info["id"])
        body = await read_json(request, PauseBody)
        reason = " ".join(body.reason.split())
        name = of_sender(sender.id, PAUSE)
        await self._front.keeper.order(name, PAUSED, FOREVER_MS, reason)
        return await self._get(request)

    @described("Open what an operator or an answer closed", gives=SenderStateAnswer)
    async def _resume(self, request: web.Request) -> web.Response:
        """Open what an operator or an answer closed; what Meta told of it stays in force."""
        sender = self._front.sender(request.match_info["id"])
        if value_of(self._front.keeper.facts, of_sender(sender.id, PAUSE)):
            await self._front.keeper.order(of_sender(sender.id, PAUSE), "")
        await self._reopen(sender.id)
        return await self._get(request)

    @described("Ask Meta about a sender", gives=SenderStateAnswer, refuses=(502,))
    async def _refresh(self, request: web.Request) -> web.Response:
        """Ask Meta what it knows of the number, and obey."""
        await self._front.refresh_sender(self._front.sender(request.match_info["id"]))
        return await self._get(request)

    @described("All senders", gives=SendersAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        shown: list[dict[str, object]] = []
        for place, each in enumerate(list(self._front.registry.directory.senders.values())):
            shown.append(shown_sender(each) | self._shown_world(each))
            await breathe(place)
        return as_json({"senders": shown})

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
        told = shown_facts(self._front.keeper.facts, "sender", sender.id)
        more: dict[str, object] = {
            "quota": shown,
            "rate_limit": rate,
            "queue": shown_queue(depth),
            "told": told,
            "warnings": sender_warnings(self._front, sender),
        }
        return as_json(shown_sender(sender) | self._shown_world(sender) | more)

    def _shown_world(self, sender: Sender) -> dict[str, object]:
        """Return what is known of a number, and what of it closes a gate."""
        keeper, facts = self._front.keeper, self._front.keeper.facts
        closures = [
            *keeper.closures_of(sender.id),
            *account_closures(facts, sender.waba_id),
        ]
        return {
            "quality": value_of(facts, of_sender(sender.id, QUALITY)) or None,
            "throughput_set": int(value_of(facts, of_sender(sender.id, CEILING)) or 0) or None,
            "quality_share": keeper.share_of(sender.id),
            "status": value_of(facts, of_sender(sender.id, STATUS)) or None,
            "name_status": value_of(facts, of_sender(sender.id, NAME)) or None,
            "review": value_of(facts, of_account(sender.waba_id, REVIEW)) or None,
            "closed_by": shown_closures(closures, self._front.now_ms()),
        }


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
