"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec

from adapters.api.app import build_app
from adapters.api.front import Front, Operations
from adapters.api.problems import Problem
from adapters.api.walls import walled_ledger, walled_registry
from adapters.house.shared import House, listen, terms_of
from adapters.house.waking import Evidence
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.listings import MetaTemplate
from adapters.meta.management import Management, build_management_session
from engine.campaigns import Campaigns
from engine.directory import Template
from engine.errors import EngineError
from engine.intake import SendJobs
from engine.model import Category, PortfolioId, WabaId
from engine.receipts import ReceiptFolder


@asynccontextmanager
async def open_api(house: House) -> AsyncGenerator[None]:
    """Serve the API, webhooks and metrics on `listen`, and fold what webhooks bring."""
    settings = house.settings
    registry, ledger = walled_registry(house.registry), walled_ledger(house.ledger)
    session = build_management_session()
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=house.clock.now_ms,
    )
    front = Front(
        registry=registry,
        ledger=ledger,
        intake=SendJobs(
            walled_ledger(house.recollection), registry.directory, house.recipients, house.emit
        ),
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
        fetch_templates=lambda waba: _fetch_templates(house, management, waba),
        operations=Operations(house.metrics.render, house.objections),
        keys_are_current=house.keys_are_current,
    )
    house.folding = Folding(
        house.inbox, _folder(house), house.ledger, house.registry, house.recipients
    )
    house.keep("fold", house.folding.fold_next)
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


async def _fetch_templates(
    house: House, management: Management, waba: WabaId
) -> Sequence[Template]:
    """Return all templates of an account, asked with the token of one of its senders."""
    senders = house.registry.directory.senders.values()
    sender = next(each for each in senders if each.waba_id == waba)
    try:
        found = await management.templates(waba, house.registry.token_of(sender.id))
    except EngineError as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, f"Meta: {error}", code="meta") from error
    return [_template(waba, each) for each in found if each.category.lower() in set(Category)]


def _template(waba: WabaId, found: MetaTemplate) -> Template:
    return Template(
        waba_id=waba,
        name=found.name,
        language=found.language,
        category=Category(found.category.lower()),
        status=found.status,
        components=msgspec.json.decode(found.components, type=list[dict[str, object]]),
        parameter_format=found.parameter_format or "POSITIONAL",
        meta_id=found.id,
        quality=found.quality,
    )
