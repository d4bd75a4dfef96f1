"""comebacks_read: when the next of the jobs that are kept aside comes back, gate by gate."""

from __future__ import annotations

from adapters.redis.comebacks import RedisComebacks
from engine.model import Gate, SenderId
from engine.outcomes import Deferred, Retry
from tests.builders import a_lane
from tests.lua.slot_state import LANE, PORTFOLIO, Slot


async def following(slot: Slot, source: str = "", sender: str = "") -> dict[Gate, int]:
    """Read them; asking changes nothing."""
    before = await slot.state(everything=True)
    comebacks = RedisComebacks(slot.ledger.scripts, slot.ledger.calls, lambda: slot.now_ms)
    found = await comebacks.next_ms(PORTFOLIO, source, sender)
    assert await slot.changes(before, everything=True) == {}
    return {gate: at_ms - slot.now_ms for gate, at_ms in found.items()}


async def test_each_gate_has_the_moment_of_its_first(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.queue(3, not_before_ms=slot.now_ms + 9_000)
    await slot.queue(4, not_before_ms=slot.now_ms + 8_000)
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + 3_000, "not now"))
    await slot.settle(Deferred(Gate.PAIR, 131056, slot.now_ms + 6_000, ""), job=2)
    assert await following(slot) == {Gate.RETRY: 3_000, Gate.PAIR: 6_000, Gate.SCHEDULE: 8_000}


async def test_others_are_left_out(slot: Slot) -> None:
    await slot.furnish()
    other = a_lane(source="journey:b", sender=SenderId("t"))
    await slot.queue(1, not_before_ms=slot.now_ms + 100, lane=other)
    await slot.queue(2, not_before_ms=slot.now_ms + 700)
    assert await following(slot) == {Gate.SCHEDULE: 100}
    assert await following(slot, source=LANE.source) == {Gate.SCHEDULE: 700}
    assert await following(slot, sender=LANE.sender) == {Gate.SCHEDULE: 700}
    assert await following(slot, source="journey:none") == {}
