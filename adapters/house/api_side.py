"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from aiohttp import ClientSession

from adapters.api.app import build_app
from adapters.api.front import Front, Operations
from adapters.api.problems import Problem
from adapters.house.shared import House, listen, terms_of
from adapters.house.waking import Evidence
from adapters.house.world import Asking
from adapters.knobs import parts_of
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.listings import MetaTemplate
from adapters.meta.management import Management, build_management_session
from adapters.meta.preferring import Preferring
from engine.campaigns import Campaigns
from engine.countries import CountryRules
from engine.directory import Sender, Template
from engine.errors import EngineError, LedgerError
from engine.intake import SendJobs
from engine.model import Category, PortfolioId, WabaId
from engine.profiles import RULES
from engine.receipts import ReceiptFolder


@asynccontextmanager
async def open_api(house: House) -> AsyncGenerator[None]:
    """Serve the API, webhooks and metrics on `listen`, and fold what webhooks bring."""
    settings, registry, ledger = house.settings, house.registry, house.ledger
    session = build_management_session()
    management = _management(house, session)
    asking = Asking(registry, house.keeper, management)
    front = Front(
        registry=registry,
        ledger=ledger,
        keeper=house.keeper,
        intake=SendJobs(
            *(house.recollection, registry.directory, house.recipients, house.emit),
            CountryRules(parts_of(settings.no_marketing)),
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
        recipients=house.recipients,
        suppressions=house.persons.suppressions,
        resting=house.persons.resting,
        erasing=house.persons.erasing,
        now_ms=house.clock.now_ms,
        window_ms=settings.window_ms,
        fetch_templates=lambda waba: _fetch_templates(house, management, waba),
        refresh_sender=lambda sender: _refresh_sender(asking, sender),
        operations=Operations(house.metrics.render, house.objections),
        rules=RULES[settings.rules],
    )
    house.folding = Folding(
        *(house.inbox, _folder(house), ledger, registry),
        Preferring(house.persons.suppressions, house.persons.resting, house.recipients),
        *(house.keeper, asking.soon),
    )
    await house.keeper.obey_guard()
    house.keep("fold", house.folding.fold_next)
    house.keep("ask", asking.ask_next)
    house.keep("rests", house.persons.end_rests)
    await listen(house, build_app(front, house.webhook.routes()), settings.listen_address)
    try:
        yield
    finally:
        await session.close()


def _management(house: House, session: ClientSession) -> Management:
    return Management(
        session,
        graph_url=house.settings.graph_url,
        graph_version=house.settings.graph_version,
        now_ms=house.clock.now_ms,
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
