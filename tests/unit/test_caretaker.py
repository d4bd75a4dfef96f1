"""Looks at portfolios in which nothing happens cost next to nothing, and miss nothing."""

import asyncio
from itertools import pairwise

import pytest

from engine.caretaker import QUIET_TIMES, TRUSTED_MS
from engine.errors import LedgerAwayError
from engine.events import JobsRescued, LedgerFailed
from engine.model import JobState, PortfolioId, SourceState
from engine.ports import Ask, Batch
from engine.served import TROUBLE_FIRST_MS, TROUBLE_MOST_MS
from tests.builders import LANE, a_row, a_source
from tests.unit.pool_world import CODES, P, World, live

NOT_FOR_AN_HOUR_MS = 3_600_000


async def park(world: World) -> None:
    """Have one job wait behind a closed gate, with an end: the portfolio is not quiet."""
    await world.ledger.put_source(P, LANE.source, a_source(state=SourceState.PAUSED))
    await world.feed(1, expires_at_ms=world.loop.now_ms() + NOT_FOR_AN_HOUR_MS)
    await asyncio.sleep(2)


async def enqueue_unheard(world: World) -> None:
    """Queue a code as another process does, and nobody tells the pool of it."""
    await world.ledger.enqueue([Batch(P, CODES, [a_row(99, content=1)])])


def test_where_nothing_happens_a_look_is_no_rescue() -> None:
    async def story(world: World) -> None:
        await park(world)
        rescues, looks = world.rescues, world.looks
        await asyncio.sleep(240)
        assert world.rescues == rescues
        assert 230 <= world.looks - looks <= 250, "every second, as always"

    live(story)


def test_a_hint_that_was_lost_costs_a_second_where_jobs_wait() -> None:
    async def story(world: World) -> None:
        await park(world)
        await asyncio.sleep(60)
        await enqueue_unheard(world)
        await asyncio.sleep(1.1 + world.took_s)
        assert await world.states(CODES) == {JobState.ACCEPTED: 1}

    live(story)


def test_and_half_a_minute_where_none_does() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(100)
        rescues = world.rescues
        await asyncio.sleep(100)
        assert world.rescues == rescues
        await enqueue_unheard(world)
        await asyncio.sleep(QUIET_TIMES + 1 + world.took_s)
        assert await world.states(CODES) == {JobState.ACCEPTED: 1}

    live(story)


def test_what_a_dead_worker_took_of_an_idle_pool_is_doubted_when_its_lease_ends() -> None:
    async def story(world: World) -> None:
        await park(world)
        world.pool.serve([])  # it hears of the job too late
        await enqueue_unheard(world)
        [answer] = await world.ledger.claim([Ask(P, "gone", 1, 1, 1, 0)])
        world.pool.serve([P])
        await asyncio.sleep(29.9)
        assert not world.told(JobsRescued)
        await asyncio.sleep(0.3)
        [rescued] = world.told(JobsRescued)
        assert rescued.doubted == [answer.jobs[0].key]

    live(story)


def test_jobs_of_an_idle_portfolio_expire_when_their_time_is_over() -> None:
    async def story(world: World) -> None:
        await park(world)
        await asyncio.sleep(NOT_FOR_AN_HOUR_MS / 1_000 - 2)
        assert await world.states() == {JobState.WAITING: 1}
        await asyncio.sleep(0.2)
        assert await world.states() == {JobState.EXPIRED: 1}

    live(story)


def test_an_imprint_is_believed_for_ten_minutes_and_no_longer() -> None:
    """A ledger that lost its tail may tell the same sequence of another history."""

    async def story(world: World) -> None:
        await park(world)
        [world.imprinted] = await world.ledger.imprints([P])
        await enqueue_unheard(world)
        await asyncio.sleep(200)
        assert await world.states(CODES) == {JobState.QUEUED: 1}
        await asyncio.sleep(TRUSTED_MS / 1_000 - 200)
        assert await world.states(CODES) == {JobState.ACCEPTED: 1}

    live(story)


@pytest.mark.parametrize("seconds", [1, 60])
def test_without_imprints_each_portfolio_is_asked_by_itself(seconds: int) -> None:
    """In a cluster one server may be away while those of other portfolios answer."""

    async def story(world: World) -> None:
        await park(world)
        world.blind = LedgerAwayError("a server is away")
        rescues = world.rescues
        await asyncio.sleep(seconds)
        assert abs(world.rescues - rescues - seconds) <= 1 + seconds // 10, "once a second"
        await enqueue_unheard(world)
        await asyncio.sleep(TROUBLE_MOST_MS / 1_000 + world.took_s)
        assert await world.states(CODES) == {JobState.ACCEPTED: 1}

    live(story)


def test_a_ledger_that_fails_is_left_alone_while_others_are_looked_at() -> None:
    """Whoever is due soon is looked at along with the others; not who is being left alone."""
    other = PortfolioId("Q")

    async def story(world: World) -> None:
        world.pool.serve([P, other])
        await park(world)
        failed: list[float] = []

        def listen(event: object) -> None:
            if isinstance(event, LedgerFailed) and event.call == "rescue":
                failed.append(world.loop.time())

        world.listener = listen
        world.away.add(P)
        world.blind = LedgerAwayError("a server is away")
        await asyncio.sleep(60)
        gaps = [late - early for early, late in pairwise(failed)]
        assert len(gaps) > 10
        assert min(gaps) >= 2 * TROUBLE_FIRST_MS / 1_000
        world.away.clear()
        world.blind = None
        await enqueue_unheard(world)
        await asyncio.sleep(TROUBLE_MOST_MS / 1_000 + world.took_s + 1)
        assert await world.states(CODES) == {JobState.ACCEPTED: 1}

    live(story)
