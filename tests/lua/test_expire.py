"""rescue, with part_expire and part_expire_walk: waiting jobs end when their time is over."""

from __future__ import annotations

import pytest

from adapters.redis.keys import tag
from engine.model import Gate, JobKey, SourceState
from engine.outcomes import Accepted, Deferred, InDoubt, Unwritten
from engine.ports import FOREVER_MS, Rescued
from engine.terms import EXPIRE_EVERY_MS, EXPIRE_LANES_MAX
from tests.builders import a_lane, a_row, a_source
from tests.lua.slot_state import (
    DOUBT_MS,
    LANE,
    PORTFOLIO,
    SOURCE,
    START_MS,
    End,
    Packed,
    Slot,
)

SOON_MS, LATE_MS = START_MS + 1_000, START_MS + 50_000
BITE = 3


@pytest.fixture
async def small(slot: Slot) -> Slot:
    """A slot that looks at three rows of a lane in one step, its source paused."""
    slot = Slot(slot.client, expire_bite=BITE)
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.PAUSED))
    return slot


async def rescue(slot: Slot, at_ms: int | None = None) -> Rescued:
    """Rescue, at `at_ms` after the start."""
    slot.now_ms = slot.now_ms if at_ms is None else START_MS + at_ms
    return await slot.ledger.rescue(PORTFOLIO)


def sequences(answer: Rescued) -> list[int]:
    """Return which jobs of the first lane expired."""
    return [key.sequence for key in answer.expired]


async def queued(slot: Slot) -> list[int]:
    """Return the sequences that wait in the first lane, queued and parked."""
    state = await slot.state()
    return [row.sequence for name in ("q:1", "k:1") for row in state.get(name, [])]


async def test_a_parked_row_ends_and_its_lane_waits_no_more(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1)
    await slot.queue(2, expires_at_ms=SOON_MS)
    assert await slot.take() == [1]
    before, log = await slot.state(), await slot.client.xlen(tag(PORTFOLIO) + "log")
    assert sequences(await rescue(slot, 1_000)) == [2]
    assert await slot.changes(before) == {
        "k:1": None,
        "done:1:0 2": End("E", fence=0),
        f"src:{SOURCE} s:expired": 1,
    }
    assert not await slot.client.exists(tag(PORTFOLIO) + "wait::3", tag(PORTFOLIO) + "waiting")
    assert await slot.client.xlen(tag(PORTFOLIO) + "log") == log + 1
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_queued_row_ends_and_its_lane_leaves_the_ring(slot: Slot) -> None:
    await slot.furnish(mps=1)
    await slot.queue(1, 2, 3, 4, 5, expires_at_ms=SOON_MS)
    taken = await slot.take()
    assert sequences(await rescue(slot, 1_000)) == [n for n in range(1, 6) if n not in taken]
    assert await slot.client.zcard(tag(PORTFOLIO) + "ring:s:3") == 0
    assert await slot.client.hget(tag(PORTFOLIO) + "meta", "busy") == b"0|0|0|0|0"


async def test_nothing_expires_before_its_time_or_without_one(small: Slot) -> None:
    await small.queue(1, 2)
    await small.queue(3, expires_at_ms=SOON_MS)
    answer = await rescue(small, 999)
    assert (answer.expired, answer.rescue_at_ms) == ([], SOON_MS)
    assert sequences(await rescue(small, 1_000)) == [3]
    assert (await rescue(small, 9_000)).rescue_at_ms == FOREVER_MS


async def test_where_nothing_ever_expires_nothing_is_kept_for_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    assert not await slot.client.exists(tag(PORTFOLIO) + "expiring")
    assert "expiring" not in str(await slot.client.hget(tag(PORTFOLIO) + "meta", "has"))


async def test_rows_of_one_time_end_a_bite_at_once(small: Slot) -> None:
    await small.queue(*range(1, 9), expires_at_ms=SOON_MS)
    first = await rescue(small, 1_000)
    assert (sequences(first), first.rescue_at_ms) == ([1, 2, 3], small.now_ms)
    assert sequences(await rescue(small)) == [4, 5, 6]
    assert sequences(await rescue(small)) == [7, 8]
    assert (await rescue(small)).rescue_at_ms == FOREVER_MS
    assert (await small.books()) == {"expired": 8}


async def test_rows_behind_others_are_found_by_a_walk_from_the_end(small: Slot) -> None:
    await small.queue(1, 2, 3, expires_at_ms=LATE_MS)
    await small.queue(4, 5, expires_at_ms=SOON_MS)
    await small.queue(6, 7, 8)
    answer = await rescue(small, 1_000)
    assert (answer.expired, answer.rescue_at_ms) == ([], small.now_ms + EXPIRE_EVERY_MS)
    assert sequences(await rescue(small, 2_000)) == [4, 5]
    assert await queued(small) == [1, 2, 3, 6, 7, 8]
    for seconds in (3, 4, 5):
        answer = await rescue(small, seconds * 1_000)
    assert answer.rescue_at_ms == LATE_MS, "it is through, and knows when the next one expires"
    assert sequences(await rescue(small, 50_000)) == [1, 2, 3]
    assert await small.ledger.audit(PORTFOLIO) == []


async def test_rows_that_come_while_a_walk_is_under_way_are_met_by_the_next(small: Slot) -> None:
    await small.queue(*range(1, 8))
    await small.queue(8, expires_at_ms=SOON_MS)
    assert sequences(await rescue(small, 1_000)) == [8]
    await small.queue(9, expires_at_ms=small.now_ms + 100)
    await small.queue(*range(10, 18))
    found: list[int] = []
    for times in range(1, 14):
        found += sequences(await rescue(small, 1_000 + times * EXPIRE_EVERY_MS))
    assert found == [9]
    assert (await rescue(small)).rescue_at_ms == FOREVER_MS


async def test_what_leaves_and_comes_back_disturbs_no_walk(small: Slot) -> None:
    await small.queue(*range(1, 7))
    await small.queue(7, expires_at_ms=SOON_MS)
    await small.queue(8, 9, 10)
    await small.put_source(a_source())
    claimed = (await small.claim(2)).jobs
    await small.put_source(a_source(state=SourceState.PAUSED))
    assert (await rescue(small, 1_000)).expired == []
    for job in claimed:
        await small.settle(Unwritten("late"), job=job.key.sequence)
    assert sequences(await rescue(small, 2_000)) == [7]
    assert await queued(small) == [2, 1, 3, 4, 5, 6, 8, 9, 10]


async def test_a_row_that_came_back_expires(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=SOON_MS)
    await slot.claim()
    assert (await rescue(slot, 1_000)).expired == [], "it is in flight"
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await slot.settle(Unwritten("late"))
    assert sequences(await rescue(slot)) == [1]


async def test_what_waits_alone_comes_back_when_it_expires(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=SOON_MS)
    await slot.claim()
    await slot.settle(Deferred(Gate.PAIR, 131056, LATE_MS, "slow"))
    assert (await slot.state())["later 1.1"] == 1_000
    await slot.put_source(a_source(state=SourceState.PAUSED))
    slot.now_ms += 1_000
    await slot.claim()
    assert sequences(await rescue(slot)) == [1]


async def repeat_waits(slot: Slot) -> None:
    """Have a job that followed a doubt wait behind its source."""
    await slot.furnish()
    await slot.queue(1, repeats_max=1, expires_at_ms=START_MS + DOUBT_MS + 1_000)
    await slot.claim()
    await slot.settle(InDoubt("silence"))
    await slot.put_source(a_source(state=SourceState.PAUSED))
    assert (await rescue(slot, DOUBT_MS)).repeated == [JobKey(1, 1)]


async def test_of_a_job_that_followed_a_doubt_nobody_says_it_was_not_sent(slot: Slot) -> None:
    await repeat_waits(slot)
    before = await slot.state()
    assert sequences(await rescue(slot, DOUBT_MS + 1_000)) == [1]
    changes = await slot.changes(before)
    assert changes["done:1:0 1"] == End("U")
    assert changes["repeating 1.1"] is None


async def test_a_ghost_that_expires_ends_nothing(slot: Slot) -> None:
    await repeat_waits(slot)
    await slot.settle(Accepted("wamid.1"))
    before = await slot.state()
    assert before["q:1"] == [Packed(1, 1, fence=1, repeats=1)]
    assert (await rescue(slot, DOUBT_MS + 1_000)).expired == []
    assert await slot.changes(before) == {"q:1": None}
    assert await slot.books() == {"accepted": 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_rescue_looks_at_a_few_lanes_and_comes_back_for_the_rest(slot: Slot) -> None:
    await slot.furnish()
    for number in range(EXPIRE_LANES_MAX + 1):
        lane = a_lane(source=f"journey:{number}", sender=LANE.sender)
        await slot.queue(1, lane=lane, expires_at_ms=SOON_MS)
    answer = await rescue(slot, 1_000)
    assert (len(answer.expired), answer.rescue_at_ms) == (EXPIRE_LANES_MAX, SOON_MS)
    assert len((await rescue(slot)).expired) == 1


async def test_a_key_of_an_expired_job_stays_known(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.PAUSED))
    row = a_row(1, expires_at_ms=SOON_MS, dedupe=b"one     ", fingerprint=b"body    ")
    await slot.enqueue(row)
    assert sequences(await rescue(slot, 1_000)) == [1]
    again = await slot.enqueue(row)
    assert (again.accepted, again.not_new[0].known) == (0, JobKey(1, 1))
