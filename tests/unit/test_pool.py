"""The workers: never more than there is room for, nothing lost, and an orderly end."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from engine.errors import LedgerAwayError
from engine.events import (
    Event,
    GateClosed,
    JobBroke,
    JobsClaimed,
    JobsRescued,
    JobsSettled,
    LedgerFailed,
    PoolDrained,
    SettlementGivenUp,
)
from engine.model import Gate, JobState, PortfolioId, SenderId, SourceState
from engine.outcomes import Deferred, InDoubt
from engine.ports import FOREVER_MS, Answer, Ask
from tests.builders import (
    LANE,
    a_sender,
    a_source,
)
from tests.unit.pool_world import CODES, P, World, live


def test_all_jobs_are_sent_once_and_settled_in_batches() -> None:
    async def story(world: World) -> None:
        await world.feed(200)
        await asyncio.sleep(4)
        assert await world.states() == {JobState.ACCEPTED: 200}

    world = live(story, mps=1_000)
    assert len(world.sent) == 200
    assert world.settles <= 60
    assert sum(len(event.journeys) for event in world.told(JobsSettled)) == 200


def test_a_busy_pool_tells_what_has_ended_along_with_its_wishes() -> None:
    async def story(world: World) -> None:
        await world.feed(1_000)
        await asyncio.sleep(3)
        assert await world.states() == {JobState.ACCEPTED: 1_000}

    world = live(story, concurrency=100, mps=1_000)
    assert world.told_along >= 900, "one call a batch, not two"
    assert world.settles <= 25


def test_what_rode_along_with_a_lost_wish_is_told_again_and_no_room_is_lost() -> None:
    async def story(world: World) -> None:
        await world.feed(300)
        await asyncio.sleep(0.1)
        world.lose_claims = 5
        await asyncio.sleep(20)
        assert await world.states() == {JobState.ACCEPTED: 300}
        assert world.pool.unrecorded == 0

    world = live(story, concurrency=100, mps=1_000)
    assert len(world.sent) == 300
    assert world.open_most <= 100
    assert {event.call for event in world.told(LedgerFailed)} == {"claim"}
    assert sum(len(event.journeys) for event in world.told(JobsSettled)) == 300


def test_a_poisonous_outcome_among_the_riders_costs_only_itself() -> None:
    async def story(world: World) -> None:
        await world.feed(300)
        await asyncio.sleep(0.1)
        world.poison = "wamid.150"
        await asyncio.sleep(20)
        states = await world.states()
        assert states == {JobState.ACCEPTED: 299, JobState.IN_FLIGHT: 1}, "its lease will end"

    world = live(story, concurrency=100, mps=1_000)
    assert len(world.sent) == 300
    assert world.open_most <= 100
    assert [event.attempt for event in world.told(SettlementGivenUp)] == [1]


def test_never_more_is_claimed_than_there_is_room_for() -> None:
    async def story(world: World) -> None:
        world.took_s = 1.0
        await world.feed(200)
        await asyncio.sleep(30)
        assert await world.states() == {JobState.ACCEPTED: 200}

    world = live(story, concurrency=20, mps=1_000)
    assert world.open_most == 18, "a tenth is kept for those who wait at a login"


def test_a_code_leaves_at_once_while_a_campaign_fills_the_pool() -> None:
    async def story(world: World) -> None:
        world.took_s = 5.0
        await world.feed(200)
        await asyncio.sleep(2)
        began_s = world.loop.time()
        await world.feed(1, CODES)
        await asyncio.sleep(1)
        at_s = next(at_s for at_s, source in world.sent if source == CODES.source)
        assert at_s - began_s < 0.025

    live(story, mps=1_000)


def test_a_full_pool_does_not_spin_when_only_low_priorities_wait() -> None:
    async def story(world: World) -> None:
        world.took_s = 10.0
        await world.feed(200)
        await asyncio.sleep(1)
        before = world.claims
        await asyncio.sleep(5)
        assert world.claims - before <= 5 * 1_000 / 20
        assert len(world.sent) == 18, "it is full, and nothing has ended yet"

    live(story, mps=1_000)


def test_a_busy_pool_looks_within_a_second_after_what_a_dead_worker_held() -> None:
    """Its own wishes tell nothing of the leases of others."""

    async def story(world: World) -> None:
        await world.ledger.put_source(P, LANE.source, a_source(state=SourceState.PAUSED))
        await world.feed(1, CODES)
        [answer] = await world.ledger.claim([Ask(P, "gone", 1, 1, 1, 0)])
        assert len(answer.jobs) == 1, "taken before the pool woke"
        await world.ledger.put_source(P, LANE.source, a_source())
        await world.feed(800, first=2)
        await asyncio.sleep(29.9)
        assert world.claims > 100, "it never rests"
        assert not world.told(JobsRescued)
        await asyncio.sleep(1.2)
        [rescued] = world.told(JobsRescued)
        assert rescued.doubted == [answer.jobs[0].key]

    live(story, mps=20)


def test_an_idle_pool_hardly_asks() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(1)
        before = world.claims
        await asyncio.sleep(600)
        assert world.claims - before <= 20
        assert world.sent == []
        await world.feed(1)
        await asyncio.sleep(1)
        assert await world.states() == {JobState.ACCEPTED: 1}, "it idles, it does not sleep"

    assert len(live(story).sent) == 1


@pytest.mark.parametrize("jobs", [1, 20_000])
def test_jobs_behind_a_closed_gate_expire_within_a_second(jobs: int) -> None:
    async def story(world: World) -> None:
        await world.ledger.put_source(P, LANE.source, a_source(state=SourceState.PAUSED))
        await asyncio.sleep(100)  # it is quiet: nobody looks often
        await world.feed(jobs, expires_at_ms=world.loop.now_ms() + 50_000)
        await asyncio.sleep(49.9)
        assert await world.states() == {JobState.WAITING: jobs}
        before = world.claims
        await asyncio.sleep(1)
        assert await world.states() == {JobState.EXPIRED: jobs}
        assert world.claims - before <= 3

    assert live(story).sent == []


def test_jobs_leave_at_their_send_times() -> None:
    async def story(world: World) -> None:
        await world.feed(20)
        await asyncio.sleep(4)

    world = live(story, mps=10)
    times = [at_s for at_s, _ in world.sent]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.0999
    assert max(gaps) <= 0.103


def test_a_lost_claim_is_asked_again_and_loses_nothing() -> None:
    async def story(world: World) -> None:
        world.lose_claims = 2
        await world.feed(10)
        await asyncio.sleep(5)
        assert await world.states() == {JobState.ACCEPTED: 10}

    world = live(story)
    assert len(world.sent) == 10
    assert {event.call for event in world.told(LedgerFailed)} == {"claim"}


def test_outcomes_are_kept_until_they_are_recorded() -> None:
    async def story(world: World) -> None:
        world.lose_settles = 6
        await world.feed(10)
        await asyncio.sleep(20)
        assert await world.states() == {JobState.ACCEPTED: 10}
        assert world.pool.unrecorded == 0

    assert len(live(story).sent) == 10


@pytest.mark.parametrize("lost", ["lose_settles", "lose_claims"])
def test_what_an_answer_closed_is_told_though_the_reply_that_said_so_is_lost(lost: str) -> None:
    async def story(world: World) -> None:
        world.outcome = Deferred(Gate.ACCOUNT, 80007, FOREVER_MS, "slow")
        await world.feed(60)
        await asyncio.sleep(0.02)
        setattr(world, lost, 2)
        await asyncio.sleep(20)

    closed = live(story).told(GateClosed)
    assert {(event.gate, event.key) for event in closed} == {(Gate.ACCOUNT, "W")}
    assert any(event.causes for event in closed)


def test_an_error_of_ours_in_one_send_is_a_doubt_and_the_others_go_on() -> None:
    async def story(world: World) -> None:
        world.broken = ZeroDivisionError("ours")
        await world.feed(1)
        await asyncio.sleep(1)
        world.broken = None
        await world.feed(5, first=2)
        await asyncio.sleep(1)
        assert await world.states() == {JobState.ACCEPTED: 5, JobState.IN_DOUBT: 1}

    world = live(story)
    assert [type(event.outcome) for event in world.told(JobBroke)] == [InDoubt]


def test_a_listener_that_raises_stops_nothing() -> None:
    async def story(world: World) -> None:
        heard: list[type[Event]] = []

        def raising(event: Event) -> None:
            heard.append(type(event))
            raise RuntimeError

        world.listener = raising
        await world.feed(5)
        await asyncio.sleep(1)
        assert await world.states() == {JobState.ACCEPTED: 5}
        assert {JobsClaimed, JobsSettled} <= set(heard)

    world = live(story)
    assert len(world.sent) == 5
    assert world.events == [], "nobody else was told"


def test_a_stop_gives_buffered_jobs_back() -> None:
    async def story(world: World) -> None:
        await world.feed(50, CODES)
        await asyncio.sleep(0.01)
        await world.ledger.put_source(P, CODES.source, a_source(state=SourceState.PAUSED))
        world.pool.stop_heard(P, CODES.source)
        before = len(world.sent)
        await asyncio.sleep(3)
        assert len(world.sent) == before
        states = await world.states(CODES)
        assert states == {JobState.ACCEPTED: before, JobState.WAITING: 50 - before}

    live(story, mps=10)


def test_a_drain_returns_what_was_not_begun_and_waits_for_what_was() -> None:
    async def story(world: World) -> None:
        world.took_s = 2.0
        await world.feed(50, CODES)
        await asyncio.sleep(0.15)
        await world.pool.drain(world.loop.now_ms() + 25_000)
        begun = len(world.sent)
        assert 0 < begun < 10
        assert await world.states(CODES) == {
            JobState.ACCEPTED: begun,
            JobState.QUEUED: 50 - begun,
        }
        assert world.loop.time() < 3

    world = live(story, mps=20)
    [drained] = world.told(PoolDrained)
    assert (drained.doubted, drained.unrecorded) == (0, 0)
    assert drained.returned > 0


def test_a_drain_ends_in_time_and_what_remains_is_in_doubt() -> None:
    async def story(world: World) -> None:
        world.took_s = 60.0
        await world.feed(5)
        await asyncio.sleep(0.2)
        deadline_ms = world.loop.now_ms() + 5_000
        await world.pool.drain(deadline_ms)
        assert world.loop.now_ms() <= deadline_ms
        assert await world.states() == {JobState.IN_DOUBT: 5}

    assert live(story).told(PoolDrained) == [PoolDrained(0, 5, 0)]


def test_a_drain_without_a_ledger_ends_in_time_and_says_what_it_could_not_record() -> None:
    async def story(world: World) -> None:
        await world.feed(5)
        world.lose_settles = 10**6
        await asyncio.sleep(1)
        deadline_ms = world.loop.now_ms() + 5_000
        await world.pool.drain(deadline_ms)
        assert world.loop.now_ms() <= deadline_ms + 1

    assert live(story).told(PoolDrained) == [PoolDrained(0, 0, 5)]


def test_a_portfolio_that_is_not_served_any_more_is_left_alone() -> None:
    async def story(world: World) -> None:
        world.pool.serve([])
        await world.feed(5)
        await asyncio.sleep(2)
        assert world.sent == []
        world.pool.serve([P])
        await asyncio.sleep(2)
        assert len(world.sent) == 5

    live(story)


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_the_smallest_pools_work_too(concurrency: int) -> None:
    async def story(world: World) -> None:
        await world.feed(10)
        await asyncio.sleep(5)
        assert await world.states() == {JobState.ACCEPTED: 10}

    live(story, concurrency=concurrency)


def test_a_portfolio_whose_ledger_fails_does_not_hold_up_the_others() -> None:
    other, sender = PortfolioId("Q"), SenderId("other")

    async def story(world: World) -> None:
        claim = world.claim

        async def failing(asks: Sequence[Ask]) -> list[Answer]:
            if any(ask.portfolio == other for ask in asks):
                raise LedgerAwayError("its node is away")
            return await claim(asks)

        world.claim = failing  # type: ignore[method-assign]
        world.pool._claimer._ledger = world  # type: ignore[assignment]
        await world.ledger.put_sender(other, sender, a_sender())
        world.pool.serve([P, other])
        await asyncio.sleep(1)
        await world.feed(10)
        await asyncio.sleep(1)
        assert await world.states() == {JobState.ACCEPTED: 10}

    live(story)
