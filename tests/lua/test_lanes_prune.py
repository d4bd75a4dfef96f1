"""lanes_prune: a lane is forgotten when nothing is left of it, and its number is nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.redis.keys import tag
from engine.model import DeliveryStatus, JobKey, SourceState
from engine.outcomes import Accepted, InDoubt, Retry
from engine.ports import FOREVER_MS, Cancelled, Receipt
from tests.builders import a_lane, a_portfolio, a_recipient, a_sender, a_source
from tests.lua.slot_state import LANE, PORTFOLIO, SENDER, SOURCE, START_MS, Slot

KEEP_MS = 86_400_000  # as Slot.run says it
ONE = JobKey(1, 1)


async def prune(slot: Slot, after: int = 0) -> int:
    """Run it once."""
    return int(await slot.run("lanes_prune", after))


async def days_pass(slot: Slot) -> None:
    """Let ended jobs go, as their keys do by themselves, and look twice with a day between."""
    ends = [key async for key in slot.client.scan_iter(match=tag(PORTFOLIO) + "done:*")]
    if ends:
        await slot.client.delete(*ends)
    await prune(slot)
    slot.now_ms += KEEP_MS
    await prune(slot)


async def lanes(slot: Slot) -> Any:  # noqa: ANN401 (redis-py's replies)
    """Return the numbers that are in use."""
    return await slot.client.zrange(tag(PORTFOLIO) + "numbers", 0, -1)


async def accepted(slot: Slot) -> None:
    """Have one job accepted."""
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Accepted("wamid.1"))


async def test_a_lane_goes_with_all_that_was_its_own(slot: Slot) -> None:
    await accepted(slot)
    await days_pass(slot)
    left = [key.decode() async for key in slot.client.scan_iter(match=tag(PORTFOLIO) + "*")]
    names = sorted(name.removeprefix(tag(PORTFOLIO)).partition(":")[0] for name in left)
    gone = {"lane", "lanes", "lanes_of", "numbers", "done", "q", "k", "ring", "wait", "asleep"}
    assert not gone & set(names), names
    assert await slot.client.zscore(tag(PORTFOLIO) + "idle_sources", SOURCE) == slot.now_ms


async def test_a_lane_stays_while_the_ends_of_its_jobs_are_known(slot: Slot) -> None:
    await accepted(slot)
    for _ in range(3):
        await prune(slot)
        slot.now_ms += KEEP_MS
    assert await lanes(slot) == [b"1"]


async def test_a_lane_stays_until_it_was_idle_for_long_enough(slot: Slot) -> None:
    await accepted(slot)
    await slot.client.delete(tag(PORTFOLIO) + "done:1:0")
    await prune(slot)
    slot.now_ms += KEEP_MS - 1
    await prune(slot)
    assert await lanes(slot) == [b"1"]
    await slot.queue(2)
    await prune(slot)
    slot.now_ms += KEEP_MS
    assert await slot.take() == [2]
    await slot.settle(Accepted("wamid.2"), job=2)
    await slot.client.delete(tag(PORTFOLIO) + "done:1:0")
    await prune(slot)
    assert await lanes(slot) == [b"1"], "it was used meanwhile: its time begins again"


@pytest.mark.parametrize("stays", ["queued", "parked", "in flight", "in doubt", "aside"])
async def test_a_lane_with_jobs_stays(slot: Slot, stays: str) -> None:
    await slot.furnish(places=0 if stays == "parked" else 10)
    await slot.queue(1)
    if stays != "queued":
        await slot.claim()
    if stays == "in doubt":
        await slot.settle(InDoubt("silence"))
    if stays == "aside":
        await slot.settle(Retry(131000, FOREVER_MS, "later"))
    await days_pass(slot)
    await days_pass(slot)
    assert await lanes(slot) == [b"1"]


async def test_a_number_is_never_given_twice(slot: Slot) -> None:
    await accepted(slot)
    await days_pass(slot)
    again = await slot.queue(2)
    assert (again.lane, again.first) == (2, 1)
    assert await slot.ledger.job(PORTFOLIO, ONE) is None
    assert await slot.ledger.cancel_job(PORTFOLIO, ONE) is Cancelled.NO_JOB
    assert not await slot.client.exists(tag(PORTFOLIO) + "idle_sources"), "it has a lane again"
    assert await slot.take() == [1]


async def test_what_comes_late_for_a_forgotten_lane_harms_nothing(slot: Slot) -> None:
    await slot.put_portfolio(a_portfolio(10, scope="phone_number"))
    await slot.put_sender(a_sender())
    await accepted(slot)
    await days_pass(slot)
    assert (await slot.settle(Accepted("wamid.1"))).ignored == [ONE]
    late = Receipt(*(ONE, 1, a_recipient(1), DeliveryStatus.DELIVERED, slot.now_ms), sender=SENDER)
    assert (await slot.ledger.receive(PORTFOLIO, [late])).settled == []
    assert (await slot.ledger.quota(PORTFOLIO, SENDER)).used == 1, "somebody was reached"
    assert (await slot.ledger.rescue(PORTFOLIO)).rescue_at_ms == FOREVER_MS
    assert await slot.ledger.audit(PORTFOLIO) == []
    assert await slot.ledger.depths(PORTFOLIO) != []


async def test_a_lane_that_slept_wakes_nobody_when_its_gate_opens(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await slot.queue(1, expires_at_ms=START_MS + 1_000)
    await slot.claim()
    slot.now_ms += 1_000
    assert (await slot.ledger.rescue(PORTFOLIO)).expired == [ONE]
    await days_pass(slot)
    await slot.put_source(a_source())
    assert not await slot.client.exists(tag(PORTFOLIO) + "lane:1")


async def test_a_cancelled_source_is_known_as_such_for_as_long(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    await prune(slot)
    slot.now_ms += KEEP_MS - 1
    await prune(slot)
    assert (await slot.ledger.job(PORTFOLIO, ONE)) is not None
    slot.now_ms += 1
    await prune(slot)
    assert (await slot.ledger.job(PORTFOLIO, ONE)) is None


async def test_lanes_are_looked_at_some_at_a_time(slot: Slot) -> None:
    await slot.furnish()
    for number in range(25):
        await slot.queue(1, lane=a_lane(source=f"journey:{number}", sender=LANE.sender))
    assert await prune(slot) == 20
    assert await prune(slot, 20) == 0
