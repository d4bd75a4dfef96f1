"""The side that callers and Meta see: the API, webhooks and their folding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import ClientSession, web

from adapters.api.aftermath import Aftermath
from adapters.api.app import build_app
from adapters.api.dead import Dead
from adapters.api.front import Front, Operations
from adapters.api.problems import Problem
from adapters.api.walls import walled_ledger, walled_registry
from adapters.house.asking import Asking
from adapters.house.console_side import build_console
from adapters.house.deadlines import Deadlines, keeping_deadlines
from adapters.house.forgetting import erasing_of
from adapters.house.keeping import build_keeper
from adapters.house.keys import secret_keys
from adapters.house.pruning import pruning
from adapters.house.retelling import retold
from adapters.house.serving import listen, listening_at
from adapters.house.shared import House, log, terms_of
from adapters.house.templates import asking as asking_templates
from adapters.house.templates import (
    callers_changes_of,
    callers_desk_of,
    calls_of,
    changes_of,
    desk_of,
    giving,
    naming,
    taking,
)
from adapters.house.waking import Evidence, WakingLedger
from adapters.meta.codes import verdict
from adapters.meta.folding import Folding
from adapters.meta.management import Management, build_management_session
from adapters.meta.passage import Passage, build_passage_session
from adapters.meta.preferring import Preferring
from adapters.meta.template_calls import TemplateCalls
from adapters.meta.template_folding import TemplateFolding
from adapters.meta.trial import Trials
from adapters.redis.answers import RedisAnswers
from adapters.redis.arrivals import RedisArrivals
from adapters.redis.comebacks import RedisComebacks
from adapters.redis.cooldowns import RedisCooldowns
from adapters.redis.dead_rows import RedisDeadRows
from adapters.redis.doubts import Doubts
from adapters.redis.pasts import RedisPasts
from adapters.redis.registry import RedisRegistry
from adapters.redis.results import RedisResults
from adapters.redis.seal import Seal
from adapters.redis.speaker import API
from adapters.redis.traces import RedisTraces
from adapters.redis.uploads import RedisUploads
from adapters.redis.windows import RedisWindows
from engine.border_door import BorderDoor
from engine.campaigns import Campaigns
from engine.changes import CampaignChanges
from engine.countries import CountryRules
from engine.directory import Sender
from engine.errors import EngineError, LedgerError
from engine.front_door import FrontDoor
from engine.intake import SendJobs
from engine.journeys import JourneyDoor, Journeys
from engine.model import Gate, PortfolioId
from engine.profiles import RULES
from engine.quiet_keeper import QuietKeeper
from engine.receipts import ReceiptFolder
from engine.recollection import Recollection
from engine.replaying import ReplayDead
from engine.results import RetryFailed
from engine.revalidation import Revalidation
from engine.row_intake import CampaignRows
from engine.storms import Storm, StormWatch
from engine.template_changes import TemplateChanges
from engine.template_desk import TemplateDesk

PATIENCE_MS: Final = 20_000  # somebody waits for the answer: a longer wait is told instead
STORMS_EVERY_S: Final = 5.0
ABANDONED_EVERY_S: Final = 30.0


@asynccontextmanager
async def open_api(house: House) -> AsyncGenerator[None]:
    """Serve the API, webhooks and metrics on `listen`, and fold what webhooks bring."""
    async with build_management_session() as session, build_passage_session() as passing:
        asking = await _furnish(house, session, passing)
        try:
            yield
        finally:
            await asking.stop()


async def _furnish(house: House, session: ClientSession, passing: ClientSession) -> Asking:
    """Build what answers and what folds, and serve it; return who asks Meta about numbers."""
    settings = house.settings
    house.speaker.rank = API
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=house.clock.now_ms,
        patience_ms=PATIENCE_MS,
    )
    changes, calls = changes_of(house), calls_of(house, management)
    trials = Trials(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        token_of=walled_registry(house.registry).token_of,
    )
    asking = Asking(house.registry, house.keeper, management)
    callers_desk = callers_desk_of(house, callers_changes_of(house, changes), calls)
    front = _front(house, Doors(callers_desk, calls, trials, asking, passing))
    house.folding = _folding(house, changes, asking)
    await house.keeper.obey_guard()
    house.keep("fold", house.folding.fold_next)
    house.keep("fold again", _folding_again(house.folding))
    house.keep(
        "storms", _watching(house, _campaigns(house, house.registry, house.ledger, house.quiet))
    )
    asking.ask_about_unknown()
    house.keep("ask", asking.ask_next)
    asked = asking.soon, _debts(house)
    deadlines = Deadlines(RULES[settings.rules], house.registry, house.keeper, *asked)
    house.keep("deadlines", keeping_deadlines(deadlines))
    house.keep("rests", house.persons.end_rests)
    house.keep("prune", pruning(house))
    house.keep("templates", asking_templates(desk_of(house, changes, calls)))
    console = build_console(house, front)
    routes = [*house.webhook.routes(), *_aftermath(house, front), *console.routes()]
    app = build_app(front, routes)
    app.on_shutdown.append(console.close)
    with listening_at(settings.listen, "PENSTOCK_LISTEN (--listen)"):
        await listen(house, app, settings.listen_address)
    return asking


@dataclass(frozen=True, slots=True)
class Doors:
    """What stands between the API's handlers and Meta, and what keeps their answers."""

    desk: TemplateDesk
    calls: TemplateCalls
    trials: Trials
    asking: Asking
    passing: ClientSession


def _front(house: House, doors: Doors) -> Front:
    """Return what the API's handlers know: all of it stands behind the walls of the calling key."""
    settings, now_ms = house.settings, house.clock.now_ms
    registry, ledger = walled_registry(house.registry), walled_ledger(house.ledger)
    recollection = walled_ledger(house.recollection)
    results = walled_ledger(RedisResults(house.client, house.ledger))
    quiet = house.quiet.behind(registry, ledger)
    campaigns = _campaigns(house, registry, ledger, quiet)
    door = _front_door(house, recollection, registry, quiet)
    return Front(
        registry=registry,
        ledger=ledger,
        keeper=build_keeper(settings, registry, ledger, house.emit, now_ms),
        intake=_intake(house, door),
        rows=CampaignRows(door, results, registry),
        results=results,
        uploads=walled_ledger(RedisUploads(house.ledger.scripts, house.ledger.calls, now_ms)),
        retry_failed=RetryFailed(recollection, results, house.recipients, _reached_nobody),
        traces=walled_ledger(RedisTraces(house.client, now_ms)),
        pasts=walled_ledger(RedisPasts(house.ledger.scripts, house.ledger.calls, now_ms)),
        comebacks=walled_ledger(RedisComebacks(house.ledger.scripts, house.ledger.calls, now_ms)),
        dead_rows=walled_ledger(_dead_rows(house)),
        journeys=Journeys(registry, ledger, ledger, now_ms=now_ms, moved=house.moved, quiet=quiet),
        campaigns=campaigns,
        changes=_changes(house, registry, ledger, campaigns, results, quiet),
        quiet=quiet,
        job_ids=house.job_ids,
        recipients=house.recipients,
        suppressions=walled_ledger(house.persons.suppressions),
        resting=walled_ledger(house.persons.resting),
        erasing=walled_ledger(erasing_of(house)),
        now_ms=now_ms,
        window_ms=settings.window_ms,
        passage=Passage(doors.passing, graph_url=settings.graph_url),
        token_of=registry.token_of,
        refresh_sender=lambda sender: _refresh_sender(doors.asking, sender),
        ask_soon=doors.asking.soon,
        templates=doors.desk,
        upload_sample=doors.calls.upload_sample,
        try_now=doors.trials.send,
        take_place=taking(house),
        give_place=giving(house),
        operations=Operations(house.metrics.render, house.objections),
        answers=RedisAnswers(house.client, Seal(*secret_keys(settings))),
        rules=RULES[settings.rules],
        keys_are_current=house.keys_are_current,
    )


def _changes(
    house: House,
    registry: RedisRegistry,
    ledger: WakingLedger,
    campaigns: Campaigns,
    results: RedisResults,
    quiet: QuietKeeper,
) -> CampaignChanges:
    countries = CountryRules(house.settings.countries_without_marketing)
    revalidation = Revalidation(results, ledger, registry.directory, countries)
    return CampaignChanges(
        *(campaigns, registry, ledger, revalidation),
        now_ms=house.clock.now_ms,
        took_back=house.took_back,
        quiet=quiet,
    )


def _campaigns(
    house: House, registry: RedisRegistry, ledger: WakingLedger, quiet: QuietKeeper
) -> Campaigns:
    return Campaigns(
        registry,
        ledger,
        ledger,
        ledger,
        now_ms=house.clock.now_ms,
        span_ms=terms_of(house.settings).span_ms,
        moved=retold(house.moved, house.recollection.remember, house.ledger, house.registry),
        quiet=quiet,
        guard=house.keeper.guard,
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


def _front_door(
    house: House, recollection: Recollection, registry: RedisRegistry, quiet: QuietKeeper
) -> FrontDoor:
    """Return what all jobs pass, single ones and rows of campaigns."""
    directory, countries = registry.directory, house.settings.countries_without_marketing
    return FrontDoor(
        *(recollection, directory, house.recipients, house.emit),
        borders=BorderDoor(directory, house.clock.now_ms, CountryRules(countries)),
        leads=walled_ledger(house.persons.people),
        quiet=quiet,
    )


def _intake(house: House, door: FrontDoor) -> SendJobs:
    """Return the front door of single jobs."""
    now_ms = house.clock.now_ms
    cooldowns = walled_ledger(RedisCooldowns(house.client, now_ms))
    journeys = JourneyDoor(door.directory, cooldowns, now_ms)
    return SendJobs(door, journeys, walled_ledger(RedisTraces(house.client, now_ms)), now_ms)


def _folding(house: House, changes: TemplateChanges, asking: Asking) -> Folding:
    registry, ledger = house.registry, house.ledger
    return Folding(
        *(house.inbox, _folder(house), ledger, registry),
        Preferring(house.persons.suppressions, house.persons.resting, house.recipients),
        *(house.keeper, asking.soon),
        TemplateFolding(registry, changes, house.clock.now_ms, naming(house)),
        house.ears.heard,
        RedisArrivals(house.client),
        RedisWindows(house.client),
    )


def _folding_again(folding: Folding) -> Callable[[], Awaitable[None]]:
    """Return the step that folds what readers have left."""

    async def fold() -> None:
        await asyncio.sleep(ABANDONED_EVERY_S)
        await folding.fold_abandoned()

    return fold


def _aftermath(house: House, front: Front) -> list[web.RouteDef]:
    """Return the routes of dead letters and of doubts."""

    def audit(event: str, who: str, done: dict[str, object]) -> None:
        log.info(event, key=who, **done)

    settle = walled_ledger(house.recollection).settle
    doubts = Aftermath(front, walled_ledger(Doubts(house.client)), settle, audit=audit)
    replay = ReplayDead(front.dead_rows, front.intake, front.traces, front.now_ms)
    letters = walled_ledger(house.dead_letters)
    dead = Dead(front, letters, replay, lambda code: verdict(code).title, audit)
    return [*dead.routes(), *doubts.routes()]


def _dead_rows(house: House) -> RedisDeadRows:
    parts = (house.client, house.ledger.scripts, house.ledger.calls, house.clock.now_ms)
    return RedisDeadRows(*parts, keep_ms=house.settings.keep_ms)


def _reached_nobody(code: int) -> bool:
    """Return whether an error number that is told later proves that nobody got the message."""
    return verdict(code).undelivered


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
        undelivered=_reached_nobody,
        throttled=lambda code: verdict(code).gate is Gate.RATE,
        emit=house.emit,
    )


def _debts(house: House) -> Callable[[Sender], Awaitable[int]]:
    """Return what tells how many people count beyond the limit that holds for a number."""

    async def debt_of(sender: Sender) -> int:
        portfolio = house.registry.directory.portfolios[sender.portfolio_id]
        is_its_own = portfolio.quota_scope == "phone_number"
        quota = await house.ledger.quota(portfolio.id, sender.id if is_its_own else None)
        return quota.debt

    return debt_of


async def _refresh_sender(asking: Asking, sender: Sender) -> None:
    try:
        await asking.refresh(sender)
    except LedgerError:
        raise
    except EngineError as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, f"Meta: {error}", code="meta") from error
