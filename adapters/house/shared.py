"""What the sides of a process share: clock, ledger, registry, metrics, and their upkeep."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

from adapters.api.job_ids import JobIds
from adapters.clock import Clock
from adapters.house.closings import Closings
from adapters.house.exporting import exporting
from adapters.house.keeping import build_keeper, guard_of
from adapters.house.keys import first_key, open_registry, recipient_keys
from adapters.house.listening import Ears, build_ears
from adapters.house.meeting import meet, time_of
from adapters.house.people import Persons
from adapters.house.pulsing import pulsing
from adapters.house.quieting import LostTails, build_quiet, keeping_quiet
from adapters.house.telling import Teller
from adapters.house.waking import WakingLedger
from adapters.house.watching import build_metrics, watch_process
from adapters.house.webhooks import build_webhook, counted
from adapters.meta.folding import Folding
from adapters.meta.webhook import Webhook
from adapters.prometheus.metrics import Metrics
from adapters.redis.attendance import Attendance
from adapters.redis.connect import Client, connect, connect_blocking, disconnect
from adapters.redis.dead_letters import DeadLetters
from adapters.redis.letterbox import Hints, Inbox
from adapters.redis.preferences import RedisSlots
from adapters.redis.registry import RedisRegistry
from adapters.redis.speaker import Speaker
from adapters.redis.writing import Writing
from adapters.settings import Settings
from engine.delivery import Delivery
from engine.directory import Campaign, Journey
from engine.errors import EngineError
from engine.events import Event, GateClosed, JobsEnqueued, LoopFailed
from engine.keeper import Keeper
from engine.model import Category, PortfolioId, SourceState
from engine.opaque import OpaqueCodec
from engine.pool import Pool
from engine.quiet_keeper import QuietKeeper
from engine.recipients import RecipientKeys
from engine.recollection import Recollection
from engine.terms import Terms

REFRESH_EVERY_S: Final = 1.0
CLOCK_EVERY: Final = 5  # refreshes between two samples of the ledger's clock
AGAIN_S: Final = 0.5  # after a loop met an error
REGISTRY: Final = ""  # among hints of portfolios: the registry changed
HINT_BLOCK_MS: Final = 1_000
KEYS_HOLD_MS: Final = 4_000  # a revoked key ends everywhere within 5 s, also when Redis is away
STOPS: Final = (SourceState.PAUSED, SourceState.STOPPED, SourceState.CANCELLED)

log = structlog.get_logger("penstock")


@dataclass(slots=True)
class House:
    """What the API side and the worker side of one process share."""

    settings: Settings
    clock: Clock
    client: Client
    registry: RedisRegistry
    ledger: WakingLedger
    recollection: Recollection
    recipients: RecipientKeys
    opaque: OpaqueCodec
    job_ids: JobIds
    hints: Hints
    inbox: Inbox
    metrics: Metrics
    attendance: Attendance
    webhook: Webhook
    dead_letters: DeadLetters
    speaker: Speaker
    keeper: Keeper = field(init=False)
    quiet: QuietKeeper = field(init=False)
    lost_tails: LostTails = field(init=False)
    closings: Closings = field(init=False)
    ears: Ears = field(init=False)
    persons: Persons = field(init=False)
    teller: Teller = field(init=False)
    writing: Writing = field(init=False)
    pool: Pool | None = None
    delivery: Delivery | None = None
    folding: Folding | None = None
    made_key: str = ""  # the bootstrap key, when this start made one
    is_draining: bool = False
    refreshed_at_ms: int = 0  # when the registry was last seen to be as others know it
    woken: set[str] = field(default_factory=set[str])
    served: set[str] = field(default_factory=set[str])
    has_woken: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    runners: list[web.AppRunner] = field(default_factory=list[web.AppRunner])

    def __post_init__(self) -> None:
        settings, now_ms = self.settings, self.clock.now_ms
        self.teller = Teller(now_ms)
        self.writing = Writing(self.client, now_ms)
        self.keeper = build_keeper(settings, self.registry, self.ledger, self.emit, now_ms)
        self.closings = Closings(self.registry, self.keeper)
        self.quiet = build_quiet(self.registry, self.ledger, now_ms)
        self.lost_tails = LostTails(self.quiet)
        senses = (self.client, self.inbox, self.keeper, self.registry.directory, self.metrics)
        self.ears = build_ears(*senses, settings.silence_ms)
        slots = RedisSlots(self.ledger.scripts, self.ledger.calls, now_ms, self.wake)
        known = (self.registry.directory, now_ms)
        self.persons = Persons(self.client, slots, *known, self.closings.note_border)

    def emit(self, event: Event) -> None:
        """Count an event; wake whom it concerns; write the line it deserves."""
        self.metrics(event)
        self.persons.heard(event)
        self.lost_tails.heard(event)
        self.teller.tell(event)
        match event:
            case JobsEnqueued(accepted=accepted) if accepted:
                self.wake(event.portfolio)
            case GateClosed():
                self.closings.add(event)
            case _:
                pass

    def wake(self, portfolio: PortfolioId) -> None:
        """Tell the pool of this process now, and those of the others with the next hint."""
        if self.pool is not None:
            self.pool.wake(portfolio, self.clock.now_ms())
        self.woken.add(portfolio)
        self.has_woken.set()

    def registry_changed(self) -> None:
        """Serve who is new, and have the other processes look at the registry before they claim."""
        self.serve_all()
        self.woken.add(REGISTRY)
        self.has_woken.set()

    def serve_all(self) -> None:
        """Let the pool of this process serve every portfolio that is known."""
        known = self.registry.directory.portfolios
        if self.pool is not None and self.served != known.keys():
            self.served = set(known)
            self.pool.serve(each.id for each in known.values())

    async def moved(self, source: Campaign | Journey) -> None:
        """Tell all processes of a source's new state: in force now rather than in a second."""
        if source.state in STOPS:
            await self.took_back(source)
        else:
            self.wake(source.portfolio_id)

    async def took_back(self, source: Campaign | Journey) -> None:
        """Have all processes give back what they claimed of a source and did not write yet."""
        if self.pool is not None:
            self.pool.stop_heard(source.portfolio_id, source.source)
        await self.hints.stop(source.portfolio_id, source.source)

    def keep(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Repeat `step` until the house is closed, whatever it meets."""
        self.tasks.append(asyncio.create_task(self._keep(name, step), name=name))

    async def _keep(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (told; the loop goes on)
                self.emit(LoopFailed(name, error))
                await asyncio.sleep(AGAIN_S)

    def drains(self) -> bool:
        """Return whether this process is giving back its work to stop."""
        return self.is_draining

    def keys_are_current(self) -> bool:
        """Return whether a key that was revoked elsewhere KEYS_HOLD_MS ago is known to be."""
        return self.clock.now_ms() - self.refreshed_at_ms <= KEYS_HOLD_MS

    async def objections(self) -> list[str]:
        """Return why this process is not ready for work; empty when it is."""
        found = ["draining"] if self.is_draining else []
        try:
            await self.registry.refresh()
            await self.writing.require(self.registry.directory.portfolios)
            for portfolio in list(self.registry.directory.portfolios.values())[:1]:
                await self.ledger.quota(portfolio.id)  # a script: missing ones are loaded by it
        except EngineError as error:
            found.append(str(error))
        return found


@asynccontextmanager
async def open_house(
    settings: Settings, redis_url: str, *, makes_key: bool = True
) -> AsyncGenerator[House]:
    """Build what both sides share; close it at the end. `makes_key`: the first one, if need be."""
    reader = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(3)}"
    client = connect(redis_url)
    blocking = [connect_blocking(redis_url, block_ms=HINT_BLOCK_MS) for _ in range(2)]
    try:
        clock = Clock()
        await meet(client, clock, settings)
        registry = await open_registry(client, settings)
        ledger = build_ledger(client, clock, settings)
        await ledger.load()
        inbox = Inbox(client, blocking[0], reader)
        await inbox.open()
        webhook = build_webhook(settings, inbox)
        attendance = Attendance(client, clock.now_ms)
        dead_letters = DeadLetters(client, clock.now_ms, keep_ms=settings.keep_ms)
        outside = (client, attendance, dead_letters, guard_of(settings))
        metrics = build_metrics(registry.directory, ledger, clock, settings.concurrency, *outside)
        house = House(
            settings=settings,
            clock=clock,
            client=client,
            registry=registry,
            ledger=ledger,
            recollection=Recollection(ledger, ledger, ledger, clock.now_ms),
            recipients=await recipient_keys(registry, settings),
            opaque=OpaqueCodec(await registry.secret("opaque")),
            job_ids=JobIds(await registry.secret("job_ids")),
            hints=Hints(client, blocking[1]),
            inbox=inbox,
            metrics=metrics,
            attendance=attendance,
            webhook=webhook,
            dead_letters=dead_letters,
            speaker=Speaker(client, reader),
        )
        house.refreshed_at_ms = clock.now_ms()
        _tie(house)
        if makes_key:
            house.made_key = await first_key(registry, settings, clock.now_ms())
        _keep_up(house, reader)
        try:
            yield house
        finally:
            await _close(house)
    finally:
        for each in (client, *blocking):
            await disconnect(each)


def _tie(house: House) -> None:
    """Have the parts tell each other what concerns them."""
    house.ledger.wake = house.wake
    house.ledger.renewed = house.registry.refresh
    house.registry.changed = house.registry_changed

    def webhooks() -> dict[tuple[str, ...], int]:
        return counted(house.webhook, house.folding)

    def speaks() -> bool:
        return house.speaker.speaks

    watch_process(house.metrics, webhooks, house.recollection, house.drains, speaks)


def _keep_up(house: House, reader: str) -> None:
    """Begin all that goes on as long as the house is open."""
    house.keep("refresh", _refreshing(house))
    house.keep("hints", lambda: _tell_hints(house))
    house.keep("closings", house.closings.note_next)
    house.keep("persons", house.persons.note_next)
    house.keep("listen", house.ears.listen)
    house.keep("look", lambda: _look(house, reader))
    house.keep("speak", lambda: _speak(house))
    house.keep("pulse", pulsing(house.client, house.clock.now_ms, house.metrics))
    house.keep("quiet", keeping_quiet(house.quiet))
    directory = house.registry.directory
    export = exporting(
        *(house.client, reader, house.settings, house.dead_letters),
        directory.portfolios.values,
        house.clock.now_ms,
    )
    house.keep("export", export)


def build_ledger(client: Client, clock: Clock, settings: Settings) -> WakingLedger:
    """Return the ledger, under the terms that all its processes agree on."""
    keep_days = math.ceil(settings.keep_days)
    return WakingLedger(client, terms_of(settings), clock.now_ms, clock.now_us, keep_days=keep_days)


def terms_of(settings: Settings) -> Terms:
    """Return what all ledgers of this deployment agree on."""
    return Terms(
        window_ms=settings.window_ms,
        guard_ms=settings.guard_ms,
        lease_ms=settings.lease_ms,
        doubt_ms={category: settings.doubt_ms(category) for category in Category},
        queue_max=settings.queue_max,
        gates_off=settings.gates_switched_off,
    )


def _refreshing(house: House) -> Callable[[], Awaitable[None]]:
    """Return the step that keeps this process up to date, once a second."""
    turn = 0

    async def refresh() -> None:
        nonlocal turn
        await asyncio.sleep(REFRESH_EVERY_S)
        turn += 1
        await house.registry.refresh()
        house.refreshed_at_ms = house.clock.now_ms()
        house.serve_all()
        if turn % CLOCK_EVERY == 0:
            await house.clock.follow(lambda: time_of(house.client))

    return refresh


async def _look(house: House, reader: str) -> None:
    """Hear within a second when the ledger has lost what this process told it."""
    await asyncio.sleep(REFRESH_EVERY_S)
    await house.recollection.look(f"look-{reader}")


async def _speak(house: House) -> None:
    """Tell the gauges of the deployment where no other process does; not while it stops."""
    if house.is_draining:
        await house.speaker.leave()
    else:
        await house.speaker.look()
    await asyncio.sleep(REFRESH_EVERY_S)


async def _tell_hints(house: House) -> None:
    """Tell the other processes who has new jobs; what comes meanwhile goes along."""
    await house.has_woken.wait()
    house.has_woken.clear()
    woken, house.woken = sorted(house.woken), set()
    try:
        await house.hints.wake(woken)
    except EngineError:
        house.woken |= set(woken)  # with the next one
        house.has_woken.set()
        raise


async def _close(house: House) -> None:
    for runner in house.runners:
        await runner.cleanup()
    for task in house.tasks:
        task.cancel()
    await asyncio.gather(*house.tasks, return_exceptions=True)
    with suppress(EngineError):  # it is missed soon enough
        await house.speaker.leave()
