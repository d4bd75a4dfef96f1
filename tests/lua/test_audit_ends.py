"""audit_ends: what one bucket of a lane says of its ended jobs."""

from __future__ import annotations

from tests.lua.slot_state import SOURCE, Slot
from tests.lua.test_audit_read import TAG, busy


async def test_a_bucket_tells_each_end_and_what_became_of_it(slot: Slot) -> None:
    await busy(slot)
    source, gone, *flat = await slot.run("audit_ends", 1, 0)
    told = dict(zip(flat[::2], flat[1::2], strict=True))
    assert (source.decode(), gone, told) == (SOURCE, 0, {b"s:accepted": 2, b"d:delivered": 1})


async def test_one_that_is_gone_says_so_and_a_lane_that_is_forgotten_nothing(slot: Slot) -> None:
    await busy(slot)
    await slot.client.delete(f"{TAG}done:1:0")
    assert await slot.run("audit_ends", 1, 0) == [SOURCE.encode(), 1]
    assert await slot.run("audit_ends", 7, 0) == []
