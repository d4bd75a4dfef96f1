"""What every part of the API shares: the use cases behind it, and who may call them."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial, wraps
from http import HTTPStatus
from typing import Protocol

import msgspec
from aiohttp import web

from adapters.api.answered import Answers, is_asked_once, once
from adapters.api.job_ids import JobIds
from adapters.api.openapi.described import ROLE
from adapters.api.patience import STILL
from adapters.api.problems import Handler, Problem
from adapters.api.queries import check_query, refuse_body
from adapters.api.walls import enter
from engine.books import Books, Comebacks, Pasts
from engine.campaigns import Campaigns
from engine.changes import CampaignChanges
from engine.dead import DeadRows
from engine.directory import ApiKey, Registry, Role, Sender, Template, Vault
from engine.erasing import Erasing
from engine.errors import UnknownNameError
from engine.intake import SendJobs
from engine.journeys import Journeys
from engine.keeper import Keeper
from engine.model import NowMs, PortfolioId, SenderId, WabaId
from engine.ports import Cancellation, Catalog
from engine.profiles import TODAY, Rules
from engine.quiet_keeper import QuietKeeper
from engine.recipients import RecipientKeys
from engine.resting import Resting
from engine.results import Results, RetryFailed, UploadStore
from engine.row_intake import CampaignRows
from engine.suppressions import Suppressions
from engine.template_desk import TemplateDesk
from engine.template_ports import Place, TemplateJobs
from engine.tracing import Traces

KEY_PREFIX = "psk_"
BOOTSTRAP = "bootstrap"  # the id of the key an operator set himself
RANKS = {Role.READ: 0, Role.SEND: 1, Role.ADMIN: 2}
_KEY = re.compile(r"psk_([0-9a-f]{8})_[A-Za-z0-9_\-]{20,}")

RefreshSender = Callable[[Sender], Awaitable[None]]  # has Meta asked; a Problem when it is mute
# account, file name, kind, content -> Meta's handle
UploadSample = Callable[[WabaId, str, str, bytes], Awaitable[str]]
# sender, recipient, message -> Meta's whole response
TryNow = Callable[[SenderId, str, Mapping[str, object]], Awaitable[dict[str, object]]]
# sender, canonical recipient, template: a place and a send time, or the gate that refuses
TakePlace = Callable[[Sender, str, Template], Awaitable[Place]]
# the same and what was taken: the send surely reached nobody
GivePlace = Callable[[Sender, str, Template, Place], Awaitable[None]]


class Ledgers(Books, Catalog, Cancellation, TemplateJobs, Protocol):
    """What the API reads and sets of the ledger."""


class Passed(Protocol):
    """An answer of Meta while it is read."""

    status: int
    content_type: str
    length: int | None

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body; EngineError when it breaks off."""
        ...


class Passage(Protocol):
    """The road to Meta for calls that are passed on; EngineError when there is no answer."""

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> AbstractAsyncContextManager[Passed]:
        """Make a call of the Graph API."""
        ...

    def file(self, address: str, *, token: str) -> AbstractAsyncContextManager[Passed]:
        """Fetch a file from the address that Meta gave."""
        ...


@dataclass(slots=True)
class Operations:
    """How this process is, for probes and scrapes."""

    render_metrics: Callable[[str], Awaitable[tuple[bytes, str]]]  # of an Accept header
    objections: Callable[[], Awaitable[list[str]]]  # why it is not ready; empty when it is


@dataclass(slots=True)
class Front:
    """Everything behind the API's doors."""

    registry: Vault
    ledger: Ledgers
    keeper: Keeper
    intake: SendJobs
    rows: CampaignRows
    campaigns: Campaigns
    changes: CampaignChanges
    journeys: Journeys
    quiet: QuietKeeper
    results: Results
    retry_failed: RetryFailed
    uploads: UploadStore
    traces: Traces
    pasts: Pasts
    comebacks: Comebacks
    dead_rows: DeadRows
    job_ids: JobIds
    recipients: RecipientKeys
    suppressions: Suppressions
    resting: Resting
    erasing: Erasing
    now_ms: NowMs
    window_ms: int
    passage: Passage
    token_of: Callable[[SenderId], str]  # a sender's access token; empty when it has none
    refresh_sender: RefreshSender
    templates: TemplateDesk
    upload_sample: UploadSample
    try_now: TryNow
    take_place: TakePlace
    give_place: GivePlace
    operations: Operations
    answers: Answers
    rules: Rules = TODAY
    ask_soon: Callable[[SenderId], None] = lambda _: None  # Meta, about a number, in its turn
    keys_are_current: Callable[[], bool] = lambda: True  # False: a revoked one may be among them

    def sender(self, name: str) -> Sender:
        """Return a sender; UnknownNameError when there is none."""
        sender = self.registry.directory.senders.get(name)
        if sender is None:
            raise UnknownNameError(f"there is no sender {name}")
        return sender

    def portfolio_of_waba(self, waba: str) -> PortfolioId | None:
        """Return the portfolio whose senders are in this WABA; None while it has none."""
        return self.registry.directory.portfolio_of_waba(waba)

    def may(self, role: Role, handler: Handler) -> Handler:
        """Return the handler, open only to who has `role` or a higher one."""

        @wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            self.check(request, role)
            check_query(request, handler)
            await refuse_body(request, handler)
            if is_asked_once(request, handler):
                return await once(self.answers, request, handler)
            return await handler(request)

        vars(guarded)[ROLE] = role
        return guarded

    def check(self, request: web.Request, role: Role) -> ApiKey:
        """Return whose call it is; raise the problem when it may not be."""
        if not self.keys_are_current():
            detail = "keys cannot be checked while the ledger is away; send the same request again"
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, detail, code="ledger_away", retry_after_s=1
            )
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = None
        if scheme.lower() == "bearer" and token:
            key = find_key(self.registry, token.strip())
        if key is None:
            detail = "send `Authorization: Bearer KEY` with a key of `penstock key create`"
            raise Problem(HTTPStatus.UNAUTHORIZED, detail, code="unauthorized")
        if RANKS[key.role] < RANKS[role]:
            detail = f"this needs a key with role {role.value}, yours has {key.role.value}"
            raise Problem(HTTPStatus.FORBIDDEN, detail, code="forbidden")
        enter(key.portfolio, self.registry.directory)
        request.setdefault(STILL, partial(self.check, request, role))
        return key


def find_key(registry: Registry, token: str) -> ApiKey | None:
    """Return the key a bearer token is, in constant time for each id."""
    found = _KEY.fullmatch(token)
    return registry.directory.key_of(found.group(1) if found else BOOTSTRAP, hash_of(token))


def hash_of(token: str) -> bytes:
    """Return what is stored of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def make_key(
    name: str, role: Role, now_ms: int, portfolio: str = "", key_id: str = ""
) -> tuple[str, ApiKey]:
    """Return a new key as its owner has to write it, shown once, and what is stored of it."""
    key_id = key_id or secrets.token_hex(4)
    token = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return token, ApiKey(key_id, name, role, hash_of(token), now_ms, portfolio)


def as_json(content: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a JSON answer."""
    body = msgspec.json.encode(content)
    return web.Response(status=status, body=body, content_type="application/json")
