"""Several workers share the sends fairly, and whoever is busy or dies leaves them to the others.

They know nothing of each other: each asks the ledger in its own rhythm, and gets what is free then.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from adapters.memory.ledger import MemoryLedger
from engine.delivery import Delivery
from engine.events import Event
from engine.imprints import Imprint
from engine.letters import Letter
from engine.model import JobKey, JobState, PortfolioId, SenderId
from engine.opaque import OpaqueCodec
from engine.outcomes import Accepted, Outcome
from engine.pool import Pool
from engine.ports import Again, Answer, Ask, Batch, Rescued, Settled, Settlement
from engine.terms import Terms
from tests.builders import (
    LANE,
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

WORKERS = 4
FAIR = 0.25  # how far from its fair share a worker may end
NEAR_MS = (0.1, 0.5)  # to the ledger, there and back each
UNLIMITED = 10**9


@dataclass
class Fleet:
    """Portfolios with senders that have a second's work for each second, and workers."""

    loop: VirtualTimeLoop
    portfolios: int = 1
    senders: int = 1  # of each
    mps: int = 80
    seconds: int = 10
    concurrency: int = 512
    send_s: float = 0.1
    names: list[PortfolioId] = field(default_factory=list[PortfolioId])
    workers: list["Worker"] = field(default_factory=list["Worker"])

    async def begin(self, last_after_s: float = 0.0) -> None:
        """Furnish the ledger and start the workers, the last a little after the others."""
        self.ledger = MemoryLedger(Terms(), self.loop.now_ms)
        self.names = [PortfolioId(f"P{number}") for number in range(self.portfolios)]
        for portfolio in self.names:
            await self._furnish(portfolio)
        for number in range(WORKERS):
            if number == WORKERS - 1:
                await asyncio.sleep(last_after_s)
            self.add(Random(number))

    def add(self, rng: Random) -> "Worker":
        """Start one more."""
        worker = Worker(self, f"w{len(self.workers)}", rng)
        worker.pool.serve(self.names)
        worker.pool.start()
        self.workers.append(worker)
        return worker

    async def _furnish(self, portfolio: PortfolioId) -> None:
        ledger = self.ledger
        await ledger.put_portfolio(portfolio, a_portfolio(UNLIMITED))
        await ledger.put_template(portfolio, TEMPLATE, a_template())
        await ledger.put_source(portfolio, LANE.source, a_source())
        await ledger.put_content(portfolio, LANE.source, a_shared_message())
        each = self.mps * (self.seconds + 2)
        for number in range(self.senders):
            sender = SenderId(f"{portfolio}-{number}")
            await ledger.put_sender(portfolio, sender, a_sender(throughput_mps=self.mps))
            rows = [a_row(number * each + place + 1, content=1) for place in range(each)]
            await ledger.enqueue([Batch(portfolio, a_lane(sender=sender), rows)])

    def sent(self) -> list[int]:
        """Return how many messages each worker wrote."""
        return [worker.sent.total() for worker in self.workers]

    async def end(self) -> None:
        """Stop all."""
        for worker in self.workers:
            await worker.pool.abandon()


class Worker:
    """A pool, its way to the ledger, and its messenger."""

    def __init__(self, fleet: Fleet, name: str, rng: Random) -> None:
        self._fleet = fleet
        self._rng = rng
        self.way_ms = NEAR_MS
        self.send_s = fleet.send_s
        self.sent: Counter[SenderId] = Counter()
        delivery = Delivery(
            ledger=self,  # type: ignore[arg-type]  # the calls a pool makes
            contents=fleet.ledger,
            messenger=self,
            opaque=OpaqueCodec(b"secret"),
            emit=self.hear,
            now_us=fleet.loop.now_us,
            rng=rng,
            lease_ms=30_000,
        )
        self.pool = Pool(
            ledger=self,  # type: ignore[arg-type]  # the calls a pool makes
            delivery=delivery,
            worker=name,
            concurrency=fleet.concurrency,
            emit=self.hear,
            now_us=fleet.loop.now_us,
            rng=rng,
        )

    def hear(self, _event: Event) -> None:
        """Hear of nothing."""

    async def send(self, letter: Letter) -> Outcome:
        self.sent[letter.job.lane.sender] += 1
        await asyncio.sleep(self.send_s)
        return Accepted(f"wamid.{letter.job.key}")

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        await self._way()
        answers = await self._fleet.ledger.claim(asks)
        await self._way()
        return answers

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        await self._way()
        return await self._fleet.ledger.settle(portfolio, settlements)

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        return await self._fleet.ledger.rescue(portfolio)

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        return await self._fleet.ledger.imprints(portfolios)

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        return await self._fleet.ledger.again(portfolio, key, attempt)

    async def _way(self) -> None:
        await asyncio.sleep(self._rng.uniform(*self.way_ms) / 1_000)


def live(story: Callable[[Fleet], Awaitable[None]], **plan: int) -> Fleet:
    async def main(loop: VirtualTimeLoop) -> Fleet:
        fleet = Fleet(loop, **plan)  # type: ignore[arg-type]  # each case names a few numbers
        await story(fleet)
        await fleet.end()
        return fleet

    return run_virtual(main)


def assert_fair(shares: Sequence[int]) -> None:
    fair = sum(shares) / len(shares)
    assert min(shares) >= fair * (1 - FAIR), shares
    assert max(shares) <= fair * (1 + FAIR), shares


CASES = [
    pytest.param({"mps": 80, "seconds": 15}, id="one-slow-sender"),
    pytest.param({"mps": 1_000, "seconds": 1}, id="one-fast-sender"),
    pytest.param({"senders": 16, "mps": 80, "seconds": 2}, id="many-senders-of-one-portfolio"),
    pytest.param({"portfolios": 40, "mps": 20, "seconds": 2}, id="many-portfolios"),
    pytest.param(
        {"senders": 4, "mps": 500, "seconds": 1, "concurrency": 64}, id="too-much-for-all"
    ),
]


@pytest.mark.parametrize("last_after_s", [0.0, 0.003])
@pytest.mark.parametrize("plan", CASES)
def test_each_of_four_workers_gets_its_share(plan: dict[str, int], last_after_s: float) -> None:
    """However their rhythms stand to each other at the start: that must not last."""

    async def story(fleet: Fleet) -> None:
        await fleet.begin(last_after_s)
        await asyncio.sleep(fleet.seconds)

    fleet = live(story, **plan)
    assert_fair(fleet.sent())


def test_a_worker_that_is_full_leaves_the_rest_to_the_others() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.begin()
        fleet.workers[0].send_s = 3_600.0  # its answers do not come: it keeps what it has
        await asyncio.sleep(fleet.seconds)

    fleet = live(story, mps=500, seconds=5, concurrency=100)
    full, *others = fleet.sent()
    assert full <= 90, "a tenth of its room is for other priorities"
    assert_fair(others)
    assert sum(fleet.sent()) >= 500 * 5 * 0.99, "nobody waits for the one that is full"


def test_what_a_dead_worker_had_goes_to_the_others_at_once() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.begin()
        await asyncio.sleep(1)
        await fleet.workers[0].pool.abandon()
        before = fleet.sent()
        await asyncio.sleep(4)
        gained = [after - had for after, had in zip(fleet.sent(), before, strict=True)]
        assert gained[0] == 0
        assert_fair(gained[1:])
        assert sum(gained) >= 500 * 4 * 0.99
        states = (await fleet.ledger.counts(fleet.names[0], LANE.source)).states
        assert states[JobState.IN_FLIGHT] <= 500, "only what it held waits for its lease"

    live(story, mps=500, seconds=5)


def test_a_worker_that_comes_later_gets_its_share() -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.begin()
        await asyncio.sleep(1)
        before = fleet.sent()
        fleet.add(Random(99))
        await asyncio.sleep(4)
        *old, new = fleet.sent()
        gained = [after - had for after, had in zip(old, before, strict=True)]
        assert_fair([*gained, new])

    live(story, mps=500, seconds=5)
