"""A ledger that lost its tail sends nothing until the living have told it again what they know."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.memory.ledger import MemoryLedger
from adapters.redis.ledger import RedisLedger
from engine.errors import LedgerAwayError
from engine.model import (
    Category,
    DeliveryStatus,
    JobKey,
    JobState,
    Lane,
    PortfolioId,
    Priority,
    RecipientKey,
    Row,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Accepted
from engine.ports import (
    Answer,
    Ask,
    Batch,
    Claimed,
    Enqueued,
    Ledger,
    PortfolioSpec,
    Receipt,
    SenderSpec,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.recollection import REMEMBER_MS, Recollection
from engine.terms import RECOVER_MS, Terms
from tests.builders import a_recipient
from tests.contract.erasing import erase

P, S = PortfolioId("acme"), SenderId("1001")
LANE = Lane("campaign:a", S, "w/t/en", Priority.MARKETING)


AnyLedger = MemoryLedger | RedisLedger
LoseTail = Callable[[], Awaitable[None]]
World = tuple[AnyLedger, "Clock", Callable[[], Awaitable[LoseTail]]]


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.ms = 1_764_000_000_000

    def __call__(self) -> int:
        return self.ms


async def _snapshot(client: Redis) -> LoseTail:
    """Return a step that puts the whole server back to this moment: what a failover loses."""
    names = await client.keys("ps:*")
    dumps = [(name, await client.dump(name)) for name in names]

    async def lose_tail() -> None:
        await client.flushall()
        for name, dump in dumps:
            await client.restore(name, 0, dump or b"")

    return lose_tail


def _rows(first: int, last: int) -> list[Row]:
    numbers = [n.to_bytes(8, "big") for n in range(first, last + 1)]
    return [Row(RecipientKey(n), b"+1", dedupe=n) for n in numbers]


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, redis_client: Redis) -> World:
    """A ledger, its clock, and a way to lose what happens from a moment on."""
    clock, terms = Clock(), Terms()
    client = redis_client
    if request.param == "memory":
        memory = MemoryLedger(terms, clock)

        async def snapshot() -> LoseTail:
            kept = copy.deepcopy(memory._slots)

            async def lose_tail() -> None:
                memory._slots = kept

            return lose_tail

        ledger: AnyLedger = memory
    else:
        ledger = RedisLedger(client, terms, clock, tolerance_ms=0)

        async def snapshot() -> LoseTail:
            return await _snapshot(client)

    await ledger.put_portfolio(P, PortfolioSpec(250))
    await ledger.put_sender(P, S, SenderSpec(WabaId("w"), 1_000))
    await ledger.put_template(
        P, "w/t/en", TemplateSpec(TemplateStatus.APPROVED, Category.MARKETING)
    )
    return ledger, clock, snapshot


class FailingOnce:
    """A Recovery whose first call does not come through."""

    def __init__(self, ledger: AnyLedger) -> None:
        self.ledger, self.calls = ledger, 0
        self.restored: list[Claimed] = []

    async def restore_enqueued(self, batch: Batch, answer: Enqueued) -> None:
        self.calls += 1
        if self.calls == 1:
            raise LedgerAwayError("failed over")
        await self.ledger.restore_enqueued(batch, answer)

    async def restore_claimed(self, portfolio: PortfolioId, jobs: Sequence[Claimed]) -> int:
        self.restored += jobs
        return await self.ledger.restore_claimed(portfolio, jobs)


async def _claim_all(ledger: Ledger, worker: str, counter: int) -> Answer:
    [answer] = await ledger.claim([Ask(P, worker, counter, 100, 100)])
    return answer


async def test_nothing_is_sent_twice_and_nothing_lost_after_a_lost_tail(world: World) -> None:
    """Claims, settles and enqueues after the snapshot are told again before sending goes on."""
    ledger, clock, snapshot = world
    living = Recollection(ledger, ledger, ledger, clock)
    await living.enqueue([Batch(P, LANE, _rows(1, 10))])
    lose_tail = await snapshot()
    first = await _claim_all(living, "w", 1)
    settled, open_jobs = first.jobs[:6], first.jobs[6:]
    await living.settle(P, [Settlement(j.key, j.attempt, Accepted("wamid.1")) for j in settled])
    await living.enqueue([Batch(P, LANE, _rows(11, 15))])
    await lose_tail()

    answer = await _claim_all(living, "w", 2)
    assert answer.refused == "recovering"
    assert not answer.jobs
    assert living.lost == 0
    books = await ledger.counts(P, "campaign:a")
    assert books.enqueued == 15
    assert books.states[JobState.ACCEPTED] == 6
    assert books.states[JobState.IN_FLIGHT] == len(open_jobs)
    assert await ledger.audit(P) == []

    clock.ms += RECOVER_MS
    later = await _claim_all(living, "w", 3)
    sent_before = {job.key for job in first.jobs}
    assert later.jobs
    assert not sent_before & {job.key for job in later.jobs}
    again = await living.settle(
        P, [Settlement(j.key, j.attempt, Accepted("wamid.2")) for j in open_jobs]
    )
    assert again.ignored == []
    assert await ledger.audit(P) == []


async def test_a_loss_is_noticed_though_settlements_have_counted_past_it(world: World) -> None:
    """Two steps are lost, and two settlements come before the next wish: the count is the same."""
    ledger, clock, snapshot = world
    living = Recollection(ledger, ledger, ledger, clock)
    await living.enqueue([Batch(P, LANE, _rows(1, 10))])
    first = await _claim_all(living, "w", 1)
    lose_tail = await snapshot()
    done = [Settlement(job.key, job.attempt, Accepted("wamid.1")) for job in first.jobs]
    for settlement in done[:2]:
        await living.settle(P, [settlement])
    await lose_tail()
    for settlement in done[2:4]:
        await living.settle(P, [settlement])

    answer = await _claim_all(living, "w", 2)
    assert answer.refused == "recovering"
    assert (await ledger.counts(P, "campaign:a")).states[JobState.ACCEPTED] == 4
    assert await ledger.audit(P) == []


async def test_a_worker_that_knows_nothing_more_waits_too(world: World) -> None:
    """The pause holds for every worker, and a re-assertion is made once."""
    ledger, clock, snapshot = world
    living = Recollection(ledger, ledger, ledger, clock)
    await living.enqueue([Batch(P, LANE, _rows(1, 3))])
    lose_tail = await snapshot()
    await _claim_all(living, "w", 1)
    await lose_tail()
    assert (await _claim_all(living, "w", 2)).refused == "recovering"
    assert (await _claim_all(ledger, "other", 1)).refused == "recovering"
    clock.ms += RECOVER_MS
    assert (await _claim_all(ledger, "other", 2)).refused == ""


async def test_jobs_that_nobody_can_find_are_counted(world: World) -> None:
    """A claim of a job whose enqueue nobody remembers is counted as lost, not invented."""
    ledger, clock, snapshot = world
    forgetful = Recollection(ledger, ledger, ledger, clock)
    lose_tail = await snapshot()
    await ledger.enqueue([Batch(P, LANE, _rows(1, 3))])
    answer = await _claim_all(forgetful, "w", 1)
    await lose_tail()
    await _claim_all(forgetful, "w", 2)
    assert forgetful.lost == len(answer.jobs)


async def test_a_process_that_only_queues_hears_of_the_loss_and_tells(world: World) -> None:
    """It looks with a wish for nothing; what it queued since is there again, under its old keys."""
    ledger, clock, snapshot = world
    front = Recollection(ledger, ledger, ledger, clock)
    await front.enqueue([Batch(P, LANE, _rows(1, 2))])
    lose_tail = await snapshot()
    [answer] = await front.enqueue([Batch(P, LANE, _rows(3, 5))])
    await lose_tail()
    await front.look("front")
    books = await ledger.counts(P, "campaign:a")
    assert books.enqueued == 5
    assert (await ledger.job(P, JobKey(answer.lane, answer.first))) is not None
    assert await ledger.audit(P) == []


async def test_a_job_is_never_put_back_into_another_lane_of_its_number(world: World) -> None:
    ledger, clock, snapshot = world
    living = Recollection(ledger, ledger, ledger, clock)
    lose_tail = await snapshot()
    await ledger.enqueue([Batch(P, LANE, _rows(1, 2))])  # nobody that lives remembers it
    assert len((await _claim_all(living, "w", 1)).jobs) == 2
    await lose_tail()
    other = replace(LANE, source="campaign:b")
    await ledger.enqueue([Batch(P, other, _rows(1, 2))])
    assert (await _claim_all(living, "w", 2)).refused == "recovering"
    assert living.lost == 2
    clock.ms += RECOVER_MS
    assert [job.lane for job in (await _claim_all(living, "w", 3)).jobs] == [other, other]
    assert await ledger.audit(P) == []


async def test_what_was_half_told_is_told_again_at_once(world: World) -> None:
    """A ledger that failed over once may well fail while it is told."""
    ledger, clock, snapshot = world
    recovery = FailingOnce(ledger)
    living = Recollection(ledger, ledger, recovery, clock)
    lose_tail = await snapshot()
    await living.enqueue([Batch(P, LANE, _rows(1, 3))])
    await lose_tail()
    with pytest.raises(LedgerAwayError):
        await _claim_all(living, "w", 1)
    assert (await _claim_all(living, "w", 2)).refused == "recovering"
    assert (await ledger.counts(P, "campaign:a")).enqueued == 3


async def test_a_cancellation_and_an_erasure_are_not_undone_by_a_lost_tail(world: World) -> None:
    """They are ordered again after what was queued has been told again."""
    ledger, clock, snapshot = world
    living = Recollection(ledger, ledger, ledger, clock)
    other = replace(LANE, source="campaign:b")
    await living.enqueue([Batch(P, LANE, _rows(1, 3)), Batch(P, other, _rows(4, 6))])
    lose_tail = await snapshot()
    await living.enqueue([Batch(P, LANE, _rows(7, 8))])
    forgotten = RecipientKey((4).to_bytes(8, "big"))
    cancelled = SourceSpec(SourceState.CANCELLED)
    orders: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.put_source(P, LANE.source, cancelled),
        lambda: erase(ledger, P, [forgotten]),
    ]
    for order in orders:
        await order()
        living.remember(P, order)
    await living.look("front")
    await lose_tail()
    await living.look("front")
    clock.ms += RECOVER_MS
    answer = await _claim_all(living, "w", 1)
    assert {job.recipient for job in answer.jobs} == {row.recipient for row in _rows(5, 6)}
    assert (await ledger.counts(P, LANE.source)).states == {JobState.CANCELLED: 5}
    assert (await ledger.counts(P, other.source)).states[JobState.SUPPRESSED] == 1
    assert await ledger.audit(P) == []


async def test_an_order_is_forgotten_after_a_minute(world: World) -> None:
    ledger, clock, _ = world
    living = Recollection(ledger, ledger, ledger, clock)
    told: list[int] = []

    async def order() -> None:
        told.append(clock.ms)

    living.remember(P, order)
    await living.look("front")
    clock.ms += REMEMBER_MS + 1
    await ledger.claim([Ask(P, "w", 1, 1, 1, known_sequence=10**9)])  # it is recovering now
    await living.enqueue([Batch(P, LANE, _rows(1, 1))])
    await living.look("front")
    assert told == []


async def test_what_was_received_is_forgotten_after_a_minute_and_looked_after_no_more(
    world: World,
) -> None:
    ledger, clock, _ = world
    living = Recollection(ledger, ledger, ledger, clock)
    await living.receive(P, [Receipt(None, 0, a_recipient(1), DeliveryStatus.DELIVERED, clock.ms)])
    wishes: list[Ask] = []
    claim = ledger.claim

    async def counted(asks: Sequence[Ask]) -> list[Answer]:
        wishes.extend(asks)
        return await claim(asks)

    ledger.claim = counted  # type: ignore[method-assign]
    await living.look("front")
    assert len(wishes) == 1
    clock.ms += REMEMBER_MS + 1
    await living.look("front")
    assert len(wishes) == 1


async def test_a_claim_of_long_ago_is_not_told_again(world: World) -> None:
    """Its job has ended, and may be forgotten: then it would count as lost."""
    ledger, clock, _ = world
    recovery = FailingOnce(ledger)
    recovery.calls = 1
    living = Recollection(ledger, ledger, recovery, clock)
    await living.enqueue([Batch(P, LANE, _rows(1, 1))])
    [job] = (await _claim_all(living, "w", 1)).jobs
    await living.settle(P, [Settlement(job.key, job.attempt, Accepted("wamid.1"))])
    clock.ms += REMEMBER_MS + 1
    await ledger.claim([Ask(P, "v", 1, 1, 1, known_sequence=10**9)])  # it is recovering now
    assert (await _claim_all(living, "w", 2)).refused == "recovering"
    assert (recovery.restored, living.lost) == ([], 0)


async def test_of_what_is_received_only_the_latest_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many statuses come in a minute, what is remembered of them does not fill memory."""
    ledger, clock, snapshot = world
    monkeypatch.setattr("engine.recollection.REMEMBER_RECEIPTS", 5)
    living = Recollection(ledger, ledger, ledger, clock)
    lose_tail = await snapshot()
    for number in range(4):
        people = [a_recipient(2 * number + 1), a_recipient(2 * number + 2)]
        arrived = DeliveryStatus.DELIVERED
        await living.receive(P, [Receipt(None, 0, each, arrived, clock.ms) for each in people])
    assert (await ledger.quota(P)).used == 8
    await lose_tail()
    assert (await _claim_all(living, "w", 1)).refused == "recovering"
    assert (await ledger.quota(P)).used == 4
