"""dead_read: what failed jobs may be replayed with; part_dead: which rows are kept, how many."""

from __future__ import annotations

import pytest

from adapters.redis import keys
from adapters.redis.dead_rows import RedisDeadRows
from engine.dead import DEAD_MAX, DeadRow, Links, WhyNot
from engine.model import DeliveryStatus, JobKey
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome, Retry
from tests.lua.slot_state import LANE, PORTFOLIO, START_MS, Slot

ONE, TWO = JobKey(1, 1), JobKey(1, 2)
NEVER = Dropped(131026, "never")
KEEP_MS = 7 * 86_400_000


def dead_rows(slot: Slot) -> RedisDeadRows:
    parts = (slot.client, slot.ledger.scripts, slot.ledger.calls, lambda: slot.now_ms)
    return RedisDeadRows(*parts, keep_ms=KEEP_MS)


async def read(slot: Slot, key: JobKey = ONE) -> DeadRow:
    """Read one; asking changes nothing."""
    before = await slot.state(everything=True)
    [row] = await dead_rows(slot).read(PORTFOLIO, [key])
    assert await slot.changes(before, everything=True) == {}
    return row


async def test_a_dropped_job_is_kept_as_it_was_queued(slot: Slot) -> None:
    await slot.furnish()
    expires_ms = START_MS + 50_000
    await slot.queue(1, tail=b"+1\x1f{}", repeats_max=2, expires_at_ms=expires_ms)
    await slot.claim()
    await slot.settle(NEVER)
    assert await read(slot) == DeadRow(ONE, LANE, b"+1\x1f{}", 2, expires_ms)


async def test_a_last_try_that_failed_is_kept(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=START_MS + 1_000)
    await slot.claim()
    await slot.settle(Retry(131000, START_MS + 2_000, "no time for another"))
    assert (await read(slot)).why_not is None


async def test_what_a_status_failed_is_kept_unless_somebody_may_have_been_reached(
    slot: Slot,
) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.claim()
    for job in (1, 2):
        await slot.settle(InDoubt("silence"), job=job)
        failed = DeliveryStatus.UNDELIVERED
        await slot.receive(failed, job=job, wamid="w", code=131026, undelivered=job == 1)
    assert (await read(slot)).why_not is None
    assert (await read(slot, TWO)).why_not is WhyNot.REACHED


@pytest.mark.parametrize("outcome", [Accepted("wamid.1"), InDoubt("silence")])
async def test_what_did_not_fail_is_told(slot: Slot, outcome: Outcome) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(outcome)
    expected = WhyNot.NOT_FAILED if isinstance(outcome, Accepted) else WhyNot.NO_JOB
    assert (await read(slot)).why_not is expected
    assert (await read(slot, JobKey(9, 9))).why_not is WhyNot.NO_JOB
    assert await slot.client.exists(keys.dead_rows(PORTFOLIO)) == 0


@pytest.mark.parametrize("how", ["outcome", "sent", "delivered"])
async def test_evidence_after_a_failure_forbids_a_replay(slot: Slot, how: str) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(NEVER)
    if how == "outcome":
        await slot.settle(Accepted("wamid.1"))
    else:
        await slot.receive(DeliveryStatus(how))
    assert (await read(slot)).why_not is WhyNot.REACHED


async def test_rows_of_campaigns_and_of_doubts_are_not_kept(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, content=1)
    await slot.queue(2, repeats_max=1)
    await slot.claim()
    await slot.settle(NEVER)
    await slot.settle(InDoubt("silence"), job=2)
    slot.now_ms += 60_000
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == [TWO]
    await slot.claim()
    await slot.settle(NEVER, job=2, attempt=2)
    assert (await read(slot)).why_not is WhyNot.NOT_KEPT
    assert (await read(slot, TWO)).why_not is WhyNot.NOT_FAILED  # it ended as unknown


async def test_the_oldest_give_way_and_all_go_with_their_time(slot: Slot) -> None:
    await slot.furnish()
    old = {f"2.{number}": START_MS - 1 - number for number in range(DEAD_MAX)}
    await slot.client.zadd(keys.dead_at(PORTFOLIO), old)
    await slot.client.hset(keys.dead_rows(PORTFOLIO), mapping=dict.fromkeys(old, b"row"))
    await slot.queue(1, 2)
    await slot.claim()
    await slot.settle(NEVER)
    assert await slot.client.zcard(keys.dead_at(PORTFOLIO)) == DEAD_MAX
    assert await slot.client.hlen(keys.dead_rows(PORTFOLIO)) == DEAD_MAX
    assert not await slot.client.hexists(keys.dead_rows(PORTFOLIO), f"2.{DEAD_MAX - 1}")
    assert 0 < await slot.client.pttl(keys.dead_rows(PORTFOLIO)) <= KEEP_MS
    slot.now_ms += KEEP_MS - 5_000  # all before are older than is kept now
    await slot.settle(NEVER, job=2)
    assert await slot.client.zcard(keys.dead_at(PORTFOLIO)) <= DEAD_MAX
    assert (await read(slot)).why_not is None


async def test_a_replay_ties_two_jobs_and_takes_the_row(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(NEVER)
    rows = dead_rows(slot)
    await rows.replayed(PORTFOLIO, {})
    await rows.replayed(PORTFOLIO, {ONE: TWO})
    assert (await read(slot)).why_not is WhyNot.NOT_KEPT
    assert await rows.links(PORTFOLIO, ONE) == Links(replayed_as=TWO)
    assert await rows.links(PORTFOLIO, TWO) == Links(replays=ONE)
    assert await rows.links(PORTFOLIO, JobKey(1, 3)) == Links()
    assert await slot.client.zcard(keys.dead_at(PORTFOLIO)) == 0
