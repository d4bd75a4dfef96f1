"""Faults that random histories found in the ledger, each as the shortest story that shows it."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.memory.ledger import MemoryLedger
from engine.model import Category, DeliveryStatus, JobKey, JobState, PortfolioId, Priority
from engine.outcomes import Accepted, InDoubt
from engine.ports import Ask, Batch, Claimed, Receipt, Settlement
from engine.silence import Silences
from engine.terms import SILENT_LOOK_MS, Terms
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


class Quiet:
    """A story in which the process looks at its number every five seconds, as a house does."""

    def __init__(self, world: Story) -> None:
        self.world, self.silences = world, Silences()
        self.accepted = self.heard_at_ms = 0
        self.was_silent = False
        self.repeated: list[tuple[int, JobKey]] = []

    async def pass_time(self, for_ms: int) -> None:
        """Look, tell the ledger what was noticed, and rescue; webhooks come when they come."""
        for _ in range(for_ms // 5_000):
            self.world.now_ms += 5_000
            now_ms, name = self.world.now_ms, str(SENDER)
            heard_at_ms = {name: self.heard_at_ms}
            silent = self.silences.look(now_ms, {name: self.accepted}, heard_at_ms)
            if bool(silent) != self.was_silent:
                self.was_silent = bool(silent)
                spec = a_sender(throughput_mps=1_000, is_silent=self.was_silent)
                await self.world.ledger.put_sender(P, SENDER, spec)
            repeated = (await self.world.ledger.rescue(P)).repeated
            self.repeated += [(now_ms - START_MS, key) for key in repeated]

    async def hear(self, job: Claimed, status: DeliveryStatus = DeliveryStatus.SENT) -> None:
        now_ms = self.heard_at_ms = self.world.now_ms
        receipt = Receipt(job.key, job.attempt, job.recipient, status, now_ms, "wamid")
        await self.world.ledger.receive(P, [receipt])

    async def one_in_doubt_of_two(self) -> tuple[Claimed, Claimed]:
        """Have one message accepted and one in doubt; return them."""
        await self.world.begin(250)
        await self.pass_time(5_000)
        await self.world.put(2, repeats_max=1)
        taken, doubtful = await self.world.claim()
        outcomes = ((taken, Accepted("wamid")), (doubtful, InDoubt("timeout")))
        told = [Settlement(job.key, job.attempt, outcome) for job, outcome in outcomes]
        await self.world.ledger.settle(P, told)
        self.accepted += 1
        return taken, doubtful


def test_a_utility_message_that_arrived_is_not_repeated_because_webhooks_were_lost() -> None:
    async def story(world: Story) -> None:
        quiet = Quiet(world)
        taken, doubtful = await quiet.one_in_doubt_of_two()
        await quiet.pass_time(1_800_000)  # both arrived; the subscription is broken
        assert (quiet.was_silent, quiet.repeated) == (True, [])
        await quiet.hear(taken)  # it is mended, and what was missed comes one by one
        await quiet.pass_time(90_000)
        await quiet.hear(doubtful)
        await quiet.pass_time(7_200_000)
        assert quiet.repeated == []
        counts = await world.ledger.counts(P, LANE.source)
        assert counts.states == {JobState.ACCEPTED: 2}

    tell(story)


def test_a_utility_message_that_never_arrived_is_repeated_once_webhooks_had_their_time() -> None:
    async def story(world: Story) -> None:
        quiet = Quiet(world)
        taken, doubtful = await quiet.one_in_doubt_of_two()
        await quiet.pass_time(600_000)
        spoke_ms = world.now_ms - START_MS
        await quiet.hear(taken)
        await quiet.pass_time(600_000)
        [(repeated_ms, key)] = quiet.repeated
        assert key == doubtful.key
        assert 120_000 <= repeated_ms - spoke_ms <= 120_000 + SILENT_LOOK_MS + 5_000

    tell(story)


def test_while_webhooks_speak_a_doubt_is_repeated_after_its_time() -> None:
    async def story(world: Story) -> None:
        quiet = Quiet(world)
        taken, doubtful = await quiet.one_in_doubt_of_two()
        await quiet.hear(taken)
        await quiet.pass_time(120_000)
        assert [key for _, key in quiet.repeated] == [doubtful.key]

    tell(story)
