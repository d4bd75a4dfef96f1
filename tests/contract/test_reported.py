"""What both ledgers or one of them once did wrong, each as the shortest history that shows it.

All of them guard defects that are mended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.memory.ledger import MemoryLedger
from adapters.redis.ledger import RedisLedger
from engine.model import (
    DeliveryStatus,
    JobKey,
    JobState,
    PortfolioId,
    RecipientKey,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome
from engine.ports import FOREVER_MS, Ask, Batch, PortfolioSpec, Receipt, Settlement
from tests.builders import (
    LANE,
    SENDER,
    TEMPLATE,
    a_portfolio,
    a_recipient,
    a_row,
    a_sender,
    a_source,
    a_template,
)
from tests.contract.small_world import START_MS, short_terms

P = PortfolioId("acme")
ONE = JobKey(1, 1)
SPAN_MS = 60_200
Either = MemoryLedger | RedisLedger


class World:
    """One ledger and its time."""

    def __init__(self, kind: str, client: Redis) -> None:
        self.now_ms = START_MS
        self.ledger: Either
        if kind == "memory":
            self.ledger = MemoryLedger(short_terms(), lambda: self.now_ms)
        else:
            self.ledger = RedisLedger(client, short_terms(), lambda: self.now_ms, tolerance_ms=0)
        self._wishes = 0

    async def furnish(self, spec: PortfolioSpec, *, places: int = 0) -> None:
        """Make a world in which everything may be sent."""
        await self.ledger.put_portfolio(P, spec)
        await self.ledger.put_sender(P, SENDER, a_sender(throughput_mps=1_000, places=places))
        await self.ledger.put_template(P, TEMPLATE, a_template())
        await self.ledger.put_source(P, LANE.source, a_source())

    async def queue(self, *numbers: int, **changes: int) -> None:
        """Queue one row for each recipient."""
        rows = [replace(a_row(number), **changes) for number in numbers]  # type: ignore[arg-type]
        await self.ledger.enqueue([Batch(P, LANE, rows)])

    async def take(self) -> list[int]:
        """Claim, and return the sequences that may be written."""
        self._wishes += 1
        (answer,) = await self.ledger.claim([Ask(P, "w", self._wishes, 100, 100)])
        return [job.key.sequence for job in answer.jobs]

    async def settle(self, attempt: int, outcome: Outcome) -> int:
        """Settle the first job; return when a claim may find something."""
        answer = await self.ledger.settle(P, [Settlement(ONE, attempt, outcome)])
        return answer.due_at_ms

    async def receive(self, status: DeliveryStatus) -> None:
        """Receive a status of the first job, of now."""
        receipt = Receipt(ONE, 1, a_recipient(1), status, self.now_ms)
        await self.ledger.receive(P, [receipt])

    async def let_doubt_pass(self) -> None:
        """Wait until the doubt is settled by its policy."""
        self.now_ms += 9_000
        await self.ledger.rescue(P)


@pytest.fixture(params=["memory", "redis"])
def world(request: pytest.FixtureRequest, redis_client: Redis) -> World:
    return World(request.param, redis_client)


async def test_a_place_given_back_is_due_at_once(world: World) -> None:
    await world.furnish(a_portfolio(1))
    await world.queue(1, 2)
    assert await world.take() == [1]
    assert await world.settle(1, Dropped(131026, "never")) < FOREVER_MS


async def test_a_late_acceptance_of_an_earlier_copy_ends_the_doubt(world: World) -> None:
    await world.furnish(a_portfolio())
    await world.queue(1, repeats_max=2)
    await world.take()
    await world.settle(1, InDoubt("silence"))
    await world.let_doubt_pass()
    await world.take()
    await world.settle(2, InDoubt("silence"))
    await world.settle(1, Accepted("wamid.1"))
    await world.let_doubt_pass()
    assert await world.take() == [], "a third copy of a message known to be accepted"


async def test_reading_a_message_does_not_hold_its_place_longer(world: World) -> None:
    await world.furnish(a_portfolio(1))
    await world.queue(1)
    await world.take()
    await world.settle(1, Accepted("wamid.1"))
    await world.receive(DeliveryStatus.DELIVERED)
    world.now_ms += 50_000
    await world.receive(DeliveryStatus.READ)
    world.now_ms = START_MS + SPAN_MS
    assert (await world.ledger.quota(P)).used == 0


async def test_jobs_that_come_back_together_keep_their_order(world: World) -> None:
    await world.furnish(a_portfolio())
    await world.queue(1, 2, 3, not_before_ms=START_MS + 100)
    world.now_ms += 100
    assert await world.take() == [1, 2, 3]


async def state_after(world: World, wait_ms: int) -> JobState:
    """Return the state of the second job after a rescue at its time."""
    world.now_ms += wait_ms
    await world.ledger.rescue(P)
    view = await world.ledger.job(P, JobKey(1, 2))
    assert view is not None
    return view.state


async def test_a_parked_job_expires_in_time(world: World) -> None:
    await world.furnish(a_portfolio(1))
    await world.queue(1)
    await world.queue(2, expires_at_ms=START_MS + 1_000)
    await world.take()
    assert await state_after(world, 999) is JobState.WAITING
    assert await state_after(world, 1) is JobState.EXPIRED


@pytest.mark.parametrize("gate", ["template", "source", "sender", "account"])
async def test_a_job_behind_a_closed_gate_expires_in_time(world: World, gate: str) -> None:
    await world.furnish(a_portfolio())
    match gate:
        case "template":
            await world.ledger.put_template(P, TEMPLATE, a_template(status=TemplateStatus.PAUSED))
        case "source":
            await world.ledger.put_source(P, LANE.source, a_source(state=SourceState.PAUSED))
        case "sender":
            await world.ledger.put_sender(P, SENDER, a_sender(closed_until_ms=FOREVER_MS))
        case _:
            await world.ledger.close_account(P, WabaId("W"), FOREVER_MS)
    await world.queue(1)
    await world.queue(2, expires_at_ms=START_MS + 1_000)
    assert await world.take() == []
    assert await state_after(world, 999) is JobState.WAITING
    assert await state_after(world, 1) is JobState.EXPIRED
    assert (await world.ledger.job(P, ONE)).state is JobState.WAITING  # type: ignore[union-attr]
    assert await world.ledger.audit(P) == []


async def test_who_queues_behind_a_closed_gate_is_told_when_to_look(world: World) -> None:
    await world.furnish(a_portfolio())
    await world.ledger.put_source(P, LANE.source, a_source(state=SourceState.PAUSED))
    await world.take()
    rows = [a_row(1, expires_at_ms=START_MS + 1_000)]
    (queued,) = await world.ledger.enqueue([Batch(P, LANE, rows)])
    assert queued.due_at_ms <= START_MS + 1_000
    world.now_ms += 500
    (answer,) = await world.ledger.claim([Ask(P, "w", 99, 100, 100)])
    assert answer.rescue_at_ms == START_MS + 1_000
    world.now_ms += 500
    assert (await world.ledger.rescue(P)).rescue_at_ms == FOREVER_MS


async def test_a_quick_retry_does_not_go_to_somebody_suppressed_meanwhile(world: World) -> None:
    await world.furnish(a_portfolio())
    await world.queue(1)
    await world.take()
    await world.ledger.suppress(P, a_recipient(1), None)
    assert (await world.ledger.again(P, ONE, 1)).gate is not None


async def answers_differ(
    client: Redis, play: Callable[[World], Awaitable[object]]
) -> tuple[object, object]:
    """Play the same on both ledgers and return both answers."""
    return await play(World("memory", client)), await play(World("redis", client))


async def lift_headroom(world: World) -> object:
    """Lift the headroom of a portfolio whose sender has its own limit."""
    await world.furnish(PortfolioSpec(10, "phone_number", 0.5), places=10)
    await world.ledger.put_portfolio(P, PortfolioSpec(10, "phone_number"))
    await world.queue(*range(1, 9))
    return await world.take()


async def ask_for_a_sender(world: World) -> object:
    """Ask for a sender's account where the window is the portfolio's."""
    await world.furnish(a_portfolio(10))
    await world.queue(1)
    await world.take()
    return await world.ledger.quota(P, SenderId(SENDER))


async def create_cancelled(world: World) -> object:
    """Create a source that is cancelled from the start."""
    await world.furnish(a_portfolio(10))
    await world.ledger.put_source(P, "campaign:new", a_source(state=SourceState.CANCELLED))
    return await world.ledger.enqueue(
        [Batch(P, LANE, [a_row(1, recipient=RecipientKey(b"8" * 8))])]
    )


@pytest.mark.parametrize("play", [lift_headroom, ask_for_a_sender, create_cancelled])
async def test_both_ledgers_answer_the_same(
    redis_client: Redis, play: Callable[[World], Awaitable[object]]
) -> None:
    expected, answer = await answers_differ(redis_client, play)
    assert answer == expected
