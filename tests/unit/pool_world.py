"""A pool of workers over a memory ledger with a fault or two, on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Any

from adapters.memory.ledger import MemoryLedger
from engine.delivery import Delivery
from engine.errors import LedgerAwayError, LedgerError
from engine.events import (
    Event,
)
from engine.imprints import Imprint
from engine.letters import Letter
from engine.model import JobState, Lane, PortfolioId, Priority
from engine.opaque import OpaqueCodec
from engine.outcomes import Accepted, Outcome
from engine.pool import Pool
from engine.ports import Answer, Ask, Batch, Rescued, Settled, Settlement
from engine.terms import Terms
from tests.builders import (
    LANE,
    SENDER,
    TEMPLATE,
    a_lane,
    a_portfolio,
    a_row,
    a_sender,
    a_shared_message,
    a_source,
    a_template,
)
from tests.virtual_time import VirtualTimeLoop, run_virtual

P = PortfolioId("P")
CODES = a_lane(source="direct:codes", priority=Priority.AUTHENTICATION)


class World:
    """A memory ledger with a fault or two, a messenger that takes its time, and one pool."""

    def __init__(self, loop: VirtualTimeLoop, concurrency: int) -> None:
        self.loop = loop
        self.ledger = MemoryLedger(Terms(), loop.now_ms)
        self.events: list[Event] = []
        self.listener: Callable[[Event], None] = self.events.append
        self.sent: list[tuple[float, str]] = []
        self.claims = 0
        self.settles = 0
        self.rescues = self.looks = 0
        self.blind: LedgerError | None = None  # instead of imprints
        self.away: set[PortfolioId] = set()  # whose rescues fail
        self.imprinted: Imprint | None = None  # of every portfolio, whatever happened there
        self.lose_claims = 0
        self.lose_settles = 0
        self.poison = ""
        self.told_along = 0
        self.open = self.open_most = 0
        self.took_s = 0.1
        self.broken: Exception | None = None
        self.outcome: Outcome | None = None  # of every write; none accepts it
        delivery = Delivery(
            ledger=self.ledger,
            contents=self.ledger,
            messenger=self,
            opaque=OpaqueCodec(b"secret"),
            emit=self.emit,
            now_us=loop.now_us,
            rng=Random(1),
            lease_ms=30_000,
        )
        self.pool = Pool(
            ledger=self,  # type: ignore[arg-type]  # the calls a pool makes
            delivery=delivery,
            worker="w1",
            concurrency=concurrency,
            emit=self.emit,
            now_us=loop.now_us,
            rng=Random(2),
        )

    def emit(self, event: Event) -> None:
        self.listener(event)

    async def send(self, letter: Letter) -> Outcome:
        self.sent.append((self.loop.time(), letter.job.lane.source))
        if self.broken is not None:
            raise self.broken
        await asyncio.sleep(self.took_s)
        return self.outcome or Accepted(f"wamid.{len(self.sent)}")

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        self.claims += 1
        self.taste(settlement for ask in asks for settlement in ask.settlements)
        self.told_along += sum(len(ask.settlements) for ask in asks)
        answers = await self.ledger.claim(asks)
        if self.lose_claims:
            self.lose_claims -= 1
            raise LedgerAwayError("the reply got lost")
        self.open -= sum(len(ask.settlements) for ask in asks)
        self.open += sum(len(answer.jobs) for answer in answers)
        self.open_most = max(self.open_most, self.open)
        return answers

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        self.settles += 1
        self.taste(settlements)
        settled = await self.ledger.settle(portfolio, settlements)
        if self.lose_settles:
            self.lose_settles -= 1
            raise LedgerAwayError("the reply got lost")
        self.open -= len(settlements)
        return settled

    def taste(self, settlements: Iterable[Settlement]) -> None:
        """Break as a ledger does that cannot read what it is told."""
        outcomes = [each.outcome for each in settlements]
        if any(isinstance(each, Accepted) and each.wamid == self.poison for each in outcomes):
            raise LedgerError("what is that?")

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        self.rescues += 1
        if portfolio in self.away:
            raise LedgerAwayError("its server is away")
        return await self.ledger.rescue(portfolio)

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        self.looks += 1
        if self.blind is not None:
            raise self.blind
        if self.imprinted is not None:
            return [self.imprinted for _ in portfolios]
        return await self.ledger.imprints(portfolios)

    async def prepare(self, mps: int = 80) -> None:
        await self.ledger.put_portfolio(P, a_portfolio(1_000))
        await self.ledger.put_sender(P, SENDER, a_sender(throughput_mps=mps))
        await self.ledger.put_template(P, TEMPLATE, a_template())
        for lane in (LANE, CODES):
            await self.ledger.put_source(P, lane.source, a_source())
            await self.ledger.put_content(P, lane.source, a_shared_message())

    async def feed(
        self, jobs: int, lane: Lane = LANE, first: int = 1, expires_at_ms: int = 0
    ) -> None:
        rows = [
            a_row(number, content=1, expires_at_ms=expires_at_ms)
            for number in range(first, first + jobs)
        ]
        [answer] = await self.ledger.enqueue([Batch(P, lane, rows)])
        self.pool.wake(P, answer.due_at_ms)

    def run(self) -> None:
        self.pool.serve([P])
        self.pool.start()

    async def states(self, lane: Lane = LANE) -> dict[JobState, int]:
        return (await self.ledger.counts(P, lane.source)).states

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def live(story: Callable[[World], Awaitable[None]], concurrency: int = 20, mps: int = 80) -> World:
    async def main(loop: VirtualTimeLoop) -> World:
        world = World(loop, concurrency)
        await world.prepare(mps)
        world.run()
        await story(world)
        await world.pool.abandon()
        return world

    return run_virtual(main)
