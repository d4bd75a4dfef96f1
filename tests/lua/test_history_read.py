"""history_read: what the outcome log tells of one job."""

from __future__ import annotations

import pytest

from adapters.redis.pasts import RedisPasts
from engine.books import Move, Past
from engine.model import DeliveryStatus, JobKey
from engine.outcomes import Accepted, Retry
from engine.ports import PortfolioSpec
from tests.lua.slot_state import PORTFOLIO, START_MS, Slot

ONE, TWO, TWELVE = JobKey(1, 1), JobKey(1, 2), JobKey(1, 12)
RETRY_MS = 2_000


async def past(slot: Slot, key: JobKey = ONE, most: int = 100) -> Past:
    """Read one; asking changes nothing."""
    before = await slot.state(everything=True)
    pasts = RedisPasts(slot.ledger.scripts, slot.ledger.calls, lambda: slot.now_ms)
    found = await pasts.of(PORTFOLIO, key, most)
    assert await slot.changes(before, everything=True) == {}
    return found


async def a_life(slot: Slot) -> None:
    """Queue twelve jobs; the first is tried twice, accepted and delivered."""
    await slot.furnish()
    await slot.put_portfolio(PortfolioSpec(100))
    await slot.queue(*range(1, 13))
    slot.now_ms += 10
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + RETRY_MS, "not now"))
    slot.now_ms += RETRY_MS
    await slot.claim()
    await slot.settle(Accepted("w"), attempt=2)
    slot.now_ms += 5
    await slot.receive(DeliveryStatus.DELIVERED, attempt=2, wamid="w")


async def test_each_step_is_told_in_its_order(slot: Slot) -> None:
    await a_life(slot)
    found = await past(slot)
    assert found.since_ms is None
    assert [move.transition for move in found.moves] == [
        *("enqueued", "retry", "accepted", "delivered"),
    ]
    assert found.moves[0] == Move(START_MS, "enqueued")
    assert found.moves[2].at_ms == START_MS + 10 + RETRY_MS


@pytest.mark.parametrize("key", [TWO, TWELVE])
async def test_a_job_whose_name_is_part_of_another_has_its_own(slot: Slot, key: JobKey) -> None:
    await a_life(slot)
    assert [move.transition for move in (await past(slot, key)).moves] == ["enqueued"]


async def test_what_was_not_looked_at_is_said(slot: Slot) -> None:
    await a_life(slot)
    found = await past(slot, most=1)
    assert [move.transition for move in found.moves] == ["delivered"]
    assert found.since_ms == START_MS + 10 + RETRY_MS + 5
    assert (await past(slot, JobKey(1, 99))).moves == []
