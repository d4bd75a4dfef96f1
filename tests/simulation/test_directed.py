"""Faults that random histories found in the ledger, each as the shortest story that shows it."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.memory.ledger import MemoryLedger
from engine.model import Category, DeliveryStatus, PortfolioId, Priority
from engine.outcomes import Accepted, InDoubt
from engine.ports import Ask, Batch, Claimed, Receipt, Settlement
from engine.terms import Terms
from tests.builders import (
    LANE,
    SENDER,
    TEMPLATE,
    a_lane,
    a_portfolio,
    a_row,
    a_sender,
    a_source,
    a_template,
)
from tests.virtual_time import START_MS

P = PortfolioId("P")
UTILITY = a_lane(priority=Priority.UTILITY)


class Story:
    """A memory ledger, its clock, and one worker."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.counter = 0

    async def begin(self, places: int) -> None:
        await self.ledger.put_portfolio(P, a_portfolio(places))
        await self.ledger.put_sender(P, SENDER, a_sender(throughput_mps=1_000))
        await self.ledger.put_template(P, TEMPLATE, a_template(category=Category.UTILITY))
        await self.ledger.put_source(P, LANE.source, a_source())

    async def put(self, jobs: int, repeats_max: int = 0) -> None:
        rows = [a_row(number, repeats_max=repeats_max) for number in range(jobs)]
        await self.ledger.enqueue([Batch(P, UTILITY, rows)])

    async def claim(self, most: int = 50) -> list[Claimed]:
        self.counter += 1
        [answer] = await self.ledger.claim([Ask(P, "w", self.counter, most, most)])
        self.come_back_ms = answer.come_back_at_ms
        return answer.jobs

    async def used(self) -> int:
        return (await self.ledger.quota(P)).used

    async def deliver(self, job: Claimed, at_ms: int) -> None:
        receipt = Receipt(
            job.key, job.attempt, job.recipient, DeliveryStatus.DELIVERED, at_ms, "wamid"
        )
        await self.ledger.receive(P, [receipt])


def tell(story: Callable[[Story], Awaitable[None]]) -> None:
    async def whole() -> None:
        await story(Story())

    asyncio.run(whole())


def test_a_delivery_that_is_heard_after_unknown_counts_from_its_own_moment() -> None:
    async def story(world: Story) -> None:
        await world.begin(250)
        await world.put(1)
        [job] = await world.claim()
        await world.ledger.settle(P, [Settlement(job.key, job.attempt, InDoubt("timeout"))])
        world.now_ms += 120_000
        assert (await world.ledger.rescue(P)).unknown == [job.key]
        world.now_ms += 3_600_000
        await world.deliver(job, world.now_ms)
        world.now_ms = START_MS + Terms().span_ms
        assert await world.used() == 1
        world.now_ms += 120_000 + 3_600_000
        assert await world.used() == 0

    tell(story)


def test_parked_jobs_behind_a_raised_limit_are_all_served_however_small_the_wishes() -> None:
    async def story(world: Story) -> None:
        await world.begin(1)
        await world.put(20)
        claimed = len(await world.claim())
        await world.ledger.put_portfolio(P, a_portfolio(-1))
        for _ in range(40):
            claimed += len(await world.claim(most=1))
            assert claimed == 20 or world.come_back_ms <= world.now_ms + 10
            world.now_ms += 1
        assert claimed == 20

    tell(story)


def test_the_later_delivery_of_two_copies_is_what_counts() -> None:
    async def story(world: Story) -> None:
        await world.begin(250)
        await world.put(1, repeats_max=1)
        [first] = await world.claim()
        await world.ledger.settle(P, [Settlement(first.key, first.attempt, InDoubt("reset"))])
        world.now_ms += 120_000
        await world.ledger.rescue(P)
        [second] = await world.claim()
        await world.ledger.settle(P, [Settlement(second.key, second.attempt, Accepted("wamid"))])
        await world.deliver(first, world.now_ms)
        world.now_ms += 3_600_000
        await world.deliver(second, world.now_ms)
        world.now_ms += Terms().span_ms - 1
        assert await world.used() == 1

    tell(story)
