"""A wish that tells how earlier writes ended: part_settlements, part_told and part_accepted.

The same outcomes, told along or by settle before the wish, leave the same slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from engine.model import JobKey
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Answer, Ask, Settlement
from tests.lua.slot_state import LANE, PORTFOLIO, Slot

FIRST = 6  # jobs in flight when the wish is made
ACCEPTED, GONE = Accepted("wamid"), Dropped(131026, "never")
LATER = Retry(131000, 0, "late")


def told(outcomes: Sequence[Outcome], attempt: int = 1) -> list[Settlement]:
    """Return outcomes of the first jobs, in their order."""
    return [Settlement(JobKey(1, at + 1), attempt, each) for at, each in enumerate(outcomes)]


async def wish(slot: Slot, settlements: list[Settlement], *, counter: int = 2) -> Answer:
    """Ask for jobs, and tell how others ended."""
    ask = Ask(PORTFOLIO, "w", counter, 3, 3, settlements=settlements)
    return (await slot.ledger.claim([ask]))[0]


async def in_flight(slot: Slot) -> None:
    """Have the first jobs under way, and as many waiting."""
    await slot.furnish(places=100)
    await slot.queue(*range(1, 2 * FIRST + 1))
    assert len(await slot.take(FIRST)) == FIRST
    slot.now_ms += 100


async def told_and_asked(client: Redis, outcomes: list[Outcome], *, along: bool) -> list[object]:
    """Tell outcomes along with a wish, or before it; return what was answered and what is left."""
    await client.flushall()
    slot = Slot(client)
    await in_flight(slot)
    before = [] if along else [await slot.ledger.settle(PORTFOLIO, told(outcomes))]
    answer = await wish(slot, told(outcomes) if along else [])
    ends = before[0] if before else answer
    left = await slot.state(everything=True)
    del left["meta has"]  # begins with a stamp that never comes twice
    keys = [job.key for job in answer.jobs]
    return [ends.ignored, ends.closed, keys, answer.sequence, answer.come_back_at_ms, left]


@pytest.mark.parametrize(
    "outcomes",
    [
        [ACCEPTED] * FIRST,
        [ACCEPTED, GONE, ACCEPTED, ACCEPTED],
        [Unwritten("late"), ACCEPTED, InDoubt("silence"), ACCEPTED],
        [InDoubt("silence"), LATER, GONE],
    ],
)
async def test_told_along_is_told_before(redis_client: Redis, outcomes: list[Outcome]) -> None:
    along = await told_and_asked(redis_client, outcomes, along=True)
    assert along == await told_and_asked(redis_client, outcomes, along=False)


async def test_an_outcome_told_twice_in_one_wish_is_ignored_once(slot: Slot) -> None:
    await in_flight(slot)
    answer = await wish(slot, told([ACCEPTED]) * 2)
    assert answer.ignored == [JobKey(1, 1)]
    assert (await slot.books())["accepted"] == 1


async def test_a_wish_asked_again_gives_what_is_still_leased_of_it(slot: Slot) -> None:
    await in_flight(slot)
    first = await wish(slot, told([ACCEPTED]))
    again = await wish(slot, [Settlement(first.jobs[0].key, 1, ACCEPTED)])
    assert [job.key for job in again.jobs] == [job.key for job in first.jobs[1:]]
    assert (await slot.books())["accepted"] == 2


async def test_a_stale_wish_still_tells(slot: Slot) -> None:
    await in_flight(slot)
    await wish(slot, [], counter=9)
    answer = await wish(slot, told([ACCEPTED, GONE]))
    assert (answer.refused, answer.jobs) == ("stale", [])
    assert (await slot.books())["accepted"] == 1
    assert (await slot.books())["failed"] == 1


async def test_another_attempt_than_the_one_told_of_is_left_alone(slot: Slot) -> None:
    await in_flight(slot)
    answer = await wish(slot, told([GONE], attempt=2))
    assert answer.ignored == [JobKey(1, 1)]
    assert "failed" not in await slot.books()


async def test_lanes_of_one_batch_are_each_told_of(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(1, 2)
    await slot.queue(3, 4, lane=replace(LANE, source="campaign:b"))
    jobs = (await slot.claim()).jobs
    slot.now_ms += 100
    settlements = [Settlement(job.key, 1, Accepted(f"wamid.{at}")) for at, job in enumerate(jobs)]
    assert (await wish(slot, settlements)).ignored == []
    for source in ("campaign:b", LANE.source):
        counts = await slot.ledger.counts(PORTFOLIO, source)
        assert {str(state): n for state, n in counts.states.items() if n} == {"accepted": 2}
