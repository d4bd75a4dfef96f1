"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from adapters.api.aftermath import Aftermath
from adapters.api.app import build_app
from adapters.api.front import Front, Operations
from adapters.api.problems import Problem
    house.keep("templates", asking_templates(desk))
    console = build_console(house, front)
    routes = [*house.webhook.routes(), *_aftermath(house, front).routes(), *console.routes()]
    app = build_app(front, routes)
    app.on_shutdown.append(console.close)
    await listen(house, app, settings.listen_address)
from adapters.house.waking import Evidence
from adapters.house.world import Asking
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.management import Management, build_management_session
from adapters.meta.preferring import Preferring
from adapters.meta.template_folding import TemplateFolding
from adapters.meta.trial import Trials
from adapters.redis.doubts import Doubts
from adapters.redis.preferences import RedisPreferences
from engine.campaigns import Campaigns
from engine.directory import Sender
from engine.errors import EngineError, LedgerError
from engine.intake import SendJobs
from engine.model import PortfolioId
from engine.profiles import RULES
from engine.receipts import ReceiptFolder
from engine.template_changes import TemplateChanges

PATIENCE_MS: Final = 20_000  # somebody waits for the answer: a longer wait is told instead


@asynccontextmanager
async def open_api(house: House) -> AsyncGenerator[None]:
    """Serve the API, webhooks and metrics on `listen`, and fold what webhooks bring."""
    settings, registry, ledger = house.settings, house.registry, house.ledger
    session = build_management_session()
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=house.clock.now_ms,
        patience_ms=PATIENCE_MS,
    )
    changes, calls = changes_of(house), calls_of(house, management)
    desk = desk_of(house, changes, calls)
    trials = Trials(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        token_of=registry.token_of,
    )
    asking = Asking(registry, house.keeper, management)
    front = Front(
        registry=registry,
        ledger=ledger,
        keeper=house.keeper,
        intake=SendJobs(house.recollection, registry.directory, house.recipients, house.emit),
        campaigns=_campaigns(house),
        job_ids=house.job_ids,
        now_ms=house.clock.now_ms,
        window_ms=settings.window_ms,
        refresh_sender=lambda sender: _refresh_sender(asking, sender),
        templates=desk,
        upload_sample=calls.upload_sample,
        try_now=trials.send,
        count_arrival=counting(house),
        operations=Operations(house.metrics.render, house.objections),
        rules=RULES[settings.rules],
    )
    house.folding = _folding(house, changes, asking)
    await house.keeper.obey_guard()
    house.keep("fold", house.folding.fold_next)
    house.keep("ask", asking.ask_next)
<<<<<<< HEAD
    console = build_console(house, front)
    app = build_app(front, [*house.webhook.routes(), *console.routes()])
    app.on_shutdown.append(console.close)
    await listen(house, app, settings.listen_address)
=======
    house.keep("templates", asking_templates(desk))
    routes = [*house.webhook.routes(), *_aftermath(house, front).routes()]
    await listen(house, build_app(front, routes), settings.listen_address)
>>>>>>> main
    try:
        yield
    finally:
        await session.close()


def _campaigns(house: House) -> Campaigns:
    ledger = house.ledger
    return Campaigns(
        house.registry,
        ledger,
        ledger,
        ledger,
        now_ms=house.clock.now_ms,
        span_ms=terms_of(house.settings).span_ms,
        moved=house.moved,
    )


def _folding(house: House, changes: TemplateChanges, asking: Asking) -> Folding:
    registry, ledger = house.registry, house.ledger
    return Folding(
        *(house.inbox, _folder(house), ledger, registry),
        Preferring(RedisPreferences(house.client), ledger, house.recipients),
        *(house.keeper, asking.soon),
        TemplateFolding(registry, changes, house.clock.now_ms, naming(house)),
    )


def _aftermath(house: House, front: Front) -> Aftermath:
    def audit(event: str, who: str, done: dict[str, object]) -> None:
        log.info(event, key=who, **done)

    return Aftermath(
        front,
        house.dead_letters,
        Doubts(house.client),
        house.recollection.settle,
        title_of=lambda code: verdict(code).title,
        audit=audit,
    )


def _folder(house: House) -> ReceiptFolder:
    senders = house.registry.directory.senders

    def portfolio_of(sender: str) -> PortfolioId | None:
        known = senders.get(sender)
        return known.portfolio_id if known else None

    return ReceiptFolder(
        receipts=Evidence(house.recollection, house.ledger),
        opaque=house.opaque,
        portfolio_of=portfolio_of,
        key_of=house.recipients.key,
        undelivered=lambda code: verdict(code).undelivered,
        emit=house.emit,
    )


async def _refresh_sender(asking: Asking, sender: Sender) -> None:
    try:
        await asking.refresh(sender)
    except LedgerError:
        raise
    except EngineError as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, f"Meta: {error}", code="meta") from error
