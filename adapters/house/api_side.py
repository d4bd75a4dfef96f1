"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from adapters.api.app import build_app
from adapters.api.front import Front, Operations
from adapters.house.shared import House, listen, terms_of
from adapters.house.templates import asking, calls_of, changes_of, counting, desk_of, naming
from adapters.house.waking import Evidence
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.management import Management, build_management_session
from adapters.meta.template_folding import TemplateFolding
from adapters.meta.trial import Trials
from engine.campaigns import Campaigns
from engine.intake import SendJobs
from engine.model import PortfolioId
from engine.receipts import ReceiptFolder

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
    front = Front(
        registry=registry,
        ledger=ledger,
        intake=SendJobs(house.recollection, registry.directory, house.recipients, house.emit),
        campaigns=Campaigns(
            registry,
            ledger,
            ledger,
            ledger,
            now_ms=house.clock.now_ms,
            span_ms=terms_of(settings).span_ms,
            moved=house.moved,
        ),
        job_ids=house.job_ids,
        now_ms=house.clock.now_ms,
        window_ms=settings.window_ms,
        templates=desk,
        upload_sample=calls.upload_sample,
        try_now=trials.send,
        count_arrival=counting(house),
        operations=Operations(house.metrics.render, house.objections),
    )
    news = TemplateFolding(registry, changes, house.clock.now_ms, naming(house))
    house.folding = Folding(house.inbox, _folder(house), ledger, registry, house.recipients, news)
    house.keep("fold", house.folding.fold_next)
    house.keep("templates", asking(desk))
    await listen(house, build_app(front, house.webhook.routes()), settings.listen_address)
    try:
        yield
    finally:
        await session.close()


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
