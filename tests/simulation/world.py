"""The world around one engine: callers, operators, Meta, workers that crash, and who listens."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random

from engine.delivery import Delivery
from engine.errors import LedgerError
from engine.events import (
    Event,
    GateClosed,
    JobBroke,
    JobsRescued,
    LoopFailed,
    PoolDrained,
    QuickRetried,
    SettlementGivenUp,
    StatusesReceived,
)
from engine.facts import of_portfolio
from engine.letters import Letter
from engine.model import (
    Category,
    Gate,
    JobKey,
    Lane,
    NowMs,
    PortfolioId,
    Priority,
    RecipientKey,
    Row,
    SenderId,
    SourceState,
    TemplateStatus,
)
from engine.opaque import OpaqueCodec
from engine.pool import Pool
from engine.ports import Answer, Batch, Rescued
from engine.quiet_keeper import QuietKeeper
from engine.receipts import ReceiptFolder, StatusSeen
from engine.senders import LIMIT
from engine.terms import Terms
from tests.builders import a_source
from tests.simulation import nights
from tests.simulation.faulty_ledger import FaultyLedger, WholeLedger
from tests.simulation.hearing import Hearing
from tests.simulation.judge import Judge, Write
from tests.simulation.known import KnownWorld
from tests.simulation.meta import THROTTLED, Faults, FaultyMeta
from tests.simulation.occupancy import Occupancy
from tests.simulation.truth import WABA, Truth
from tests.virtual_time import VirtualTimeLoop

Factory = Callable[[Terms, NowMs], WholeLedger]

PORTFOLIO = PortfolioId("P")
SENDERS = {SenderId("101"): 80, SenderId("102"): 20}
HOUR_S = 3_600.0
OPAQUE = OpaqueCodec(b"simulation")


@dataclass(frozen=True, slots=True)
class Line:
    """One source of the fortnight."""

    source: str
    priority: Priority
    category: Category
    repeats_max: int
    at_start: int  # jobs queued at once
    daily: int

    @property
    def template(self) -> str:
        return f"W/{self.priority.name.lower()}/en"


LINES = (
    Line("campaign:big", Priority.MARKETING, Category.MARKETING, 0, 700, 270),
    Line("campaign:doomed", Priority.MARKETING, Category.MARKETING, 0, 200, 20),
    Line("journey:orders", Priority.UTILITY, Category.UTILITY, 1, 10, 25),
    Line(nights.SOURCE, Priority.UTILITY, Category.UTILITY, 1, 4, 0),
    Line("direct:otp", Priority.AUTHENTICATION, Category.AUTHENTICATION, 2, 5, 20),
)
BY_SOURCE = {line.source: line for line in LINES}


class Fortnight:
    """The world around the engine: callers, operators, Meta, crashes and outages."""

    def __init__(self, loop: VirtualTimeLoop, seed: int, factory: Factory) -> None:
        self.loop = loop
        self.rng = Random(seed)
        self.seed = seed
        self.terms = Terms()
        doubt_ms = {line.priority.name: self.terms.doubt_ms[line.category] for line in LINES}
        self.judge = Judge(doubt_ms)
        self.occupancy = Occupancy()
        self.digest = hashlib.sha256()
        self.ledger = FaultyLedger(factory(self.terms, loop.now_ms), self._rng(), self._sample)
        self.ledger.reply_lost = self._reply_lost
        self.ledger.claimed = self._claimed
        self.ledger.rescued = self._rescued
        self.portfolio = PORTFOLIO
        templates = dict.fromkeys((line.template for line in LINES), TemplateStatus.APPROVED)
        self.truth = Truth(loop, self._rng(), self._post, templates, SENDERS)
        self.known = KnownWorld(self.judge, loop.now_ms, self._at)
        self.meta = FaultyMeta(
            loop=loop,
            rng=self._rng(),
            judge=self.judge,
            faults=Faults(),
            hear=self._hear,
            note=self.note,
            terms_of=self._terms_of,
            code_of=self.truth.code,
        )
        self.meta.crash = self._crash_soon
        self.folder = ReceiptFolder(
            receipts=self.ledger,
            opaque=OPAQUE,
            portfolio_of=lambda number: PORTFOLIO if number in SENDERS else None,
            key_of=lambda digits: key_of(f"+{digits}"),
            undelivered=lambda _code: True,
            throttled=lambda code: code == THROTTLED,
            emit=self.told,
        )
        self.quiet: QuietKeeper  # made when the world opens
        self.pools: list[Pool] = []
        self.incarnations = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.fed: dict[str, int] = {}
        self.keys: dict[str, list[JobKey]] = {}
        self.states: dict[str, SourceState] = {}
        self.is_calm = False
        self.hearing = Hearing(self, self.truth, self.known, self._rng())

    def _rng(self) -> Random:
        return Random(self.rng.random())

    # -- hearing ------------------------------------------------------------------------------

    def note(self, *facts: object) -> None:
        """Add a fact to the log whose digest two runs of a seed must share."""
        self.digest.update(repr((self.loop.now_us(), *facts)).encode())

    def told(self, event: Event) -> None:
        self.note(type(event).__name__)
        seen = self.judge.seen
        match event:
            case JobsRescued():
                seen.update({"rescue"} if event.doubted else ())
                seen.update({"repeat_allowed"} if event.repeated else ())
                seen.update({"unknown"} if event.unknown else ())
            case StatusesReceived():
                seen.update({"settled_by_status"} if event.settled else ())
                seen.update({"cancelled_repeat"} if event.cancelled_repeats else ())
            case GateClosed():
                if event.gate is not Gate.RATE:
                    self.hearing.gate_closed(event)
                    self.spawn(self.changed())
            case QuickRetried():
                seen.add("quick_retry")
            case PoolDrained():
                seen.add("drain")
            case LoopFailed() | JobBroke() | SettlementGivenUp():
                self.judge.breach(self.loop.now_ms(), "engine", repr(event))
            case _:
                pass

    def _reply_lost(self, call: str) -> None:
        self.judge.seen.add(f"lost_{call}")

    def _rescued(self, rescued: Rescued) -> None:
        since_ms = self.loop.now_ms() - self.terms.lease_ms
        for key in rescued.doubted:
            self.judge.told_doubt(str(key), since_ms)

    def _claimed(self, answers: Sequence[Answer]) -> None:
        has_jobs = any(answer.jobs for answer in answers) and not self.is_calm
        if has_jobs and self.rng.random() < self.meta.faults.crash:
            self.judge.seen.add("crash_after_claim")
            self._crash_soon()

    async def _sample(self) -> None:
        self.occupancy.sample(self.loop.now_ms(), await self.ledger.inner.quota(PORTFOLIO))

    def _terms_of(self, letter: Letter) -> tuple[list[str], int, int, bool]:
        lane = letter.job.lane
        gates = [lane.source, lane.template, lane.sender, WABA]
        if lane.source == nights.SOURCE:
            self.judge.told_night(
                nights.sleepers(lane.zone, self.loop.now_ms()), self.loop.now_ms()
            )
        return gates, SENDERS[lane.sender], BY_SOURCE[lane.source].repeats_max, True

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._spawned_ended)
        return task

    def _spawned_ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.judge.breach(self.loop.now_ms(), "world", repr(error))

    def _at(self, at_ms: int, do: Callable[[], None]) -> None:
        """Do something at a moment, and account for it."""

        def then() -> None:
            do()
            self.spawn(self.changed())

        self.loop.call_later((at_ms - self.loop.now_ms()) / 1_000, then)

    # -- webhooks -----------------------------------------------------------------------------

    def _post(self, body: bytes) -> None:
        self.hearing.post(body)

    def _hear(self, seen: StatusSeen, write: Write) -> None:
        self.spawn(self._receive(seen, write))

    async def _receive(self, seen: StatusSeen, write: Write | None) -> None:
        """Hand a status over until it is surely recorded, as Meta repeats its webhooks."""
        while True:
            try:
                answers = await self.folder.receive([seen])
            except LedgerError:
                await asyncio.sleep(5.0)
                continue
            break
        now_ms = self.loop.now_ms()
        self.note("status", seen.status, seen.opaque)
        at_ms = min(seen.at_s * 1_000 + 999, now_ms)
        if write is None:
            self.judge.told_foreign(f"+{seen.recipient_id}", at_ms, now_ms)
        else:
            self.judge.told_status(write, seen.status, at_ms, now_ms)
        for portfolio, answer in answers.items():
            self.wake(portfolio, answer.due_at_ms)

    # -- workers ------------------------------------------------------------------------------

    def open_pool(self) -> Pool:
        self.incarnations += 1
        delivery = Delivery(
            ledger=self.ledger,
            contents=self.ledger,
            messenger=self.meta,
            opaque=OPAQUE,
            emit=self.told,
            now_us=self.loop.now_us,
            rng=self._rng(),
            lease_ms=self.terms.lease_ms,
        )
        pool = Pool(
            ledger=self.ledger,
            delivery=delivery,
            worker=f"w{self.incarnations}",
            concurrency=16,
            emit=self.told,
            now_us=self.loop.now_us,
            rng=self._rng(),
            look_every_ms=180_000,
        )
        pool.serve([PORTFOLIO])
        pool.start()
        return pool

    def wake(self, portfolio: PortfolioId, due_at_ms: int) -> None:
        for pool in self.pools:
            pool.wake(portfolio, due_at_ms)

    def _crash_soon(self) -> None:
        if not self.is_calm:
            self.spawn(self._crash(self.rng.randrange(len(self.pools))))

    async def _crash(self, place: int) -> None:
        dead = self.pools[place]
        self.note("crash", place)
        if dead.in_flight:
            self.judge.seen.add("crash_in_flight")
        self.pools[place] = self.open_pool()
        await dead.abandon()

    async def deploy(self) -> None:
        for place, pool in enumerate(self.pools):
            self.pools[place] = self.open_pool()
            await pool.drain(self.loop.now_ms() + self.rng.choice((200, 25_000)))

    # -- operators ----------------------------------------------------------------------------

    async def lift_limit(self) -> None:
        """Say by an operator's word that there is no limit; nothing older undoes it."""
        self.truth.limit = -1  # for who asks meanwhile
        fact = await self.hearing.keeper.order(of_portfolio(PORTFOLIO, LIMIT), "-1")
        self.known.told_limit(-1, fact.at_ms)
        self.note("no limit")
        await self.changed()

    async def put_source(self, source: str, state: SourceState) -> None:
        await self.ledger.inner.put_source(PORTFOLIO, source, a_source(state=state))
        self.states[source] = state
        self.judge.told(source, self.loop.now_ms(), is_open=state is SourceState.RUNNING)
        self.note(source, state.value)
        await self.changed()
        if state is not SourceState.RUNNING:
            await asyncio.sleep(0.05)
            for pool in self.pools:
                pool.stop_heard(PORTFOLIO, source)

    async def set_away(self, *, is_away: bool) -> None:
        await self._sample()
        self.ledger.is_away = is_away
        self.judge.away_since_ms = self.loop.now_ms() if is_away else 0
        self.note("away", is_away)
        await self.changed()

    async def changed(self) -> None:
        """Account for the time until now, then decide who is hungry from now on."""
        await self._sample()
        self.occupancy.is_hungry = not self.is_calm and await self._is_hungry()
        self.wake(PORTFOLIO, self.loop.now_ms())

    async def _is_hungry(self) -> bool:
        """Return whether nothing but the limit holds back the big campaign."""
        big = LINES[0]
        if self.states.get(big.source) is not SourceState.RUNNING or self.ledger.is_away:
            return False
        gates = (big.template, WABA, *SENDERS)
        is_slow = any(quality != "GREEN" for _, quality in self.known.qualities.values())
        if is_slow or not all(self.known.is_open(gate) for gate in gates):
            return False
        held = {
            place
            for depth in await self.ledger.inner.depths(PORTFOLIO)
            for (priority, place), jobs in depth.jobs.items()
            if priority is big.priority and jobs
        }
        return not held & {Gate.SENDER, Gate.ACCOUNT, Gate.TEMPLATE}

    # -- callers ------------------------------------------------------------------------------

    async def feed(self, line: Line, jobs: int) -> None:
        """Queue jobs, asking again until the answer came; a few come twice."""
        first = self.fed.get(line.source, 0)
        self.fed[line.source] = first + jobs
        sender = self.rng.choice(list(SENDERS))
        zone = self.rng.choice(nights.ZONES) if line.source == nights.SOURCE else ""
        if line.source == nights.SOURCE:
            await self.quiet.know_lanes([Lane(line.source, sender, "", line.priority, zone)])
        lane = Lane(line.source, sender, line.template, line.priority, zone)
        rows = [self._row(line, number) for number in range(first, first + jobs)]
        batch = Batch(PORTFOLIO, lane, [*rows, rows[0]])
        while True:
            try:
                [answer] = await self.ledger.enqueue([batch])
            except LedgerError:
                await asyncio.sleep(1.0)
                continue
            break
        if answer.refused:
            self.fed[line.source] = first
            self.judge.seen.add(f"refused_{answer.refused}")
            return
        if len(answer.not_new) > 1:
            self.judge.seen.add("enqueued_twice")
        self.wake(PORTFOLIO, answer.due_at_ms)

    def _row(self, line: Line, number: int) -> Row:
        person = self.rng.randrange(9_000)
        to = f"+49151{person:07d}"
        dedupe = hashlib.blake2b(f"{line.source}:{number}".encode(), digest_size=8).digest()
        return Row(
            recipient=key_of(to),
            tail=f'{to}\x1fN{number}\x1f"{line.priority}"'.encode(),
            content=1,
            repeats_max=line.repeats_max,
            dedupe=dedupe,
            fingerprint=dedupe,
        )


def key_of(to: str) -> RecipientKey:
    """A person's key, as the simulation's intake makes it."""
    return RecipientKey(hashlib.blake2b(to.encode(), digest_size=8).digest())
