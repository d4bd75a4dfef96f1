"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import msgspec

from adapters.api.aftermath import Aftermath
from adapters.api.app import build_app
from adapters.api.front import Front, Operations
from adapters.api.problems import Problem
from adapters.house.shared import House, listen, log, terms_of
from adapters.house.waking import Evidence
from adapters.house.world import Asking
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.listings import MetaTemplate
from adapters.meta.management import Management, build_management_session
from adapters.meta.passage import Passage, build_passage_session
from adapters.meta.preferring import Preferring
from adapters.redis.cooldowns import RedisCooldowns
from adapters.redis.doubts import Doubts
from adapters.redis.preferences import RedisPreferences
from adapters.redis.results import RedisResults
from engine.campaigns import Campaigns
from engine.changes import CampaignChanges
from engine.directory import Sender, Template
from engine.errors import EngineError, LedgerError
from engine.intake import SendJobs
from engine.journeys import JourneyDoor, Journeys
from engine.model import Category, PortfolioId, WabaId
from engine.profiles import RULES
from engine.receipts import ReceiptFolder
from engine.results import RetryFailed
from engine.storms import Storm, StormWatch

STORMS_EVERY_S: Final = 5.0


@asynccontextmanager
async def open_api(house: House) -> AsyncGenerator[None]:
    """Serve the API, webhooks and metrics on `listen`, and fold what webhooks bring."""
    settings, registry, ledger = house.settings, house.registry, house.ledger
    session, passing = build_management_session(), build_passage_session()
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=house.clock.now_ms,
    )
    results = RedisResults(house.client, ledger)
    campaigns = _campaigns(house)
    asking = Asking(registry, house.keeper, management)
    front = Front(
        registry=registry,
        ledger=ledger,
        keeper=house.keeper,
        intake=_intake(house, results),
        results=results,
        retry_failed=RetryFailed(house.recollection, results, house.recipients),
        journeys=Journeys(registry, ledger, ledger, now_ms=house.clock.now_ms, moved=house.moved),
        campaigns=campaigns,
        changes=CampaignChanges(campaigns, registry, ledger, ledger, ledger),
        job_ids=house.job_ids,
        now_ms=house.clock.now_ms,
        window_ms=settings.window_ms,
        fetch_templates=lambda waba: _fetch_templates(house, management, waba),
        passage=Passage(passing, graph_url=settings.graph_url),
        token_of=registry.token_of,
        refresh_sender=lambda sender: _refresh_sender(asking, sender),
        operations=Operations(house.metrics.render, house.objections),
        rules=RULES[settings.rules],
    )
    house.folding = Folding(
        *(house.inbox, _folder(house), ledger, registry),
        Preferring(RedisPreferences(house.client), ledger, house.recipients),
        *(house.keeper, asking.soon),
    )
    await house.keeper.obey_guard()
    house.keep("fold", house.folding.fold_next)
    house.keep("storms", _watching(house, campaigns))
    house.keep("ask", asking.ask_next)
    routes = [*house.webhook.routes(), *_aftermath(house, front).routes()]
    await listen(house, build_app(front, routes), settings.listen_address)
    try:
        yield
    finally:
        await session.close()
        await passing.close()


def _campaigns(house: House) -> Campaigns:
    return Campaigns(
        house.registry,
        house.ledger,
        house.ledger,
        house.ledger,
        now_ms=house.clock.now_ms,
        span_ms=terms_of(house.settings).span_ms,
        moved=house.moved,
    )


def _watching(house: House, campaigns: Campaigns) -> Callable[[], Awaitable[None]]:
    """Return the step that pauses campaigns in an error storm."""

    def tell(storm: Storm) -> None:
        campaign = storm.campaign.id
        log.warning("campaign_paused", campaign=campaign, failed=storm.failed, ended=storm.ended)

    watch = StormWatch(
        campaigns, house.registry.directory, house.ledger, now_ms=house.clock.now_ms, told=tell
    )

    async def look() -> None:
        await asyncio.sleep(STORMS_EVERY_S)
        await watch.look()

    return look


def _intake(house: House, results: RedisResults) -> SendJobs:
    """Return the front door of all jobs."""
    directory, now_ms = house.registry.directory, house.clock.now_ms
    door = JourneyDoor(directory, RedisCooldowns(house.client, now_ms), now_ms)
    return SendJobs(house.recollection, directory, house.recipients, house.emit, door, results)


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
