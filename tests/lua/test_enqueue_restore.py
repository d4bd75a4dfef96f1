"""enqueue_restore: rows that a lost tail held are queued again, under their old keys."""

from __future__ import annotations

from engine.ports import Batch, Enqueued, NotNew
from engine.terms import RECOVER_MS
from tests.builders import a_row
from tests.lua.slot_state import LANE, PORTFOLIO, Packed, Slot

ROWS = [a_row(number, dedupe=number.to_bytes(8)) for number in (1, 2, 3)]


async def restore(slot: Slot, answer: Enqueued, rows: int = 3) -> None:
    """Tell the slot again of a batch it answered."""
    await slot.ledger.restore_enqueued(Batch(PORTFOLIO, LANE, ROWS[:rows]), answer)


async def test_a_slot_that_lost_the_lane_gets_it_back_with_its_number(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state()
    await restore(slot, Enqueued(1, 1, 3, []))
    assert await slot.changes(before) == {
        "q:1": [Packed(1, 1), Packed(2, 2), Packed(3, 3)],
        "seen:campaign:a 1": True,
        "seen:campaign:a 2": True,
        "seen:campaign:a 3": True,
        "src:campaign:a enqueued": 3,
    }
    slot.now_ms += RECOVER_MS
    assert await slot.take() == [1, 2, 3]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_what_the_slot_still_has_is_not_queued_twice(slot: Slot) -> None:
    await slot.furnish()
    answer = await slot.enqueue(*ROWS[:2])
    await restore(slot, Enqueued(answer.lane, answer.first, 3, []))
    assert (await slot.state())["q:1"] == [Packed(1, 1), Packed(2, 2), Packed(3, 3)]
    await restore(slot, Enqueued(answer.lane, answer.first, 3, []))
    assert (await slot.state())["src:campaign:a enqueued"] == 3


async def test_a_row_that_was_not_new_then_is_not_new_now(slot: Slot) -> None:
    await slot.furnish()
    await restore(slot, Enqueued(1, 1, 2, [NotNew(1, None, conflict=False)]))
    assert (await slot.state())["q:1"] == [Packed(1, 1), Packed(2, 3)]


async def test_a_lane_whose_number_another_has_taken_is_left_alone(slot: Slot) -> None:
    await slot.furnish()
    await slot.run("enqueue", 0, "campaign:b", "s", "W/promo/en", 3, "", 0, 0, 0, "")
    before = await slot.state()
    await restore(slot, Enqueued(1, 1, 3, []))
    assert "q:1" not in await slot.changes(before)
