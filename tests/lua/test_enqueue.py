"""enqueue: new rows get the next places in their lane, known ones are named.

With it its parts: part_rows, part_known, part_number, part_lanes,
part_sources, part_standing.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from engine.model import JobKey, SenderId, SourceState
from engine.ports import FOREVER_MS, NotNew
from engine.quota import DAY_MS
from tests.builders import a_row, a_source
from tests.lua.slot_state import LANE, Packed, Slot, State


def one(number: int) -> bytes:
    """Return a dedupe value."""
    return number.to_bytes(8)


async def test_rows_are_appended_and_only_what_is_new_is_written(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state()
    answer = await slot.queue(1, 2)
    assert (answer.lane, answer.first, answer.accepted, answer.not_new) == (1, 1, 2, [])
    assert (answer.refused, answer.due_at_ms) == ("", slot.now_ms)
    assert await slot.changes(before) == {
        "q:1": [Packed(1, 1), Packed(2, 2)],
        "src:campaign:a enqueued": 2,
    }


async def test_the_lane_enters_the_ring_of_its_sender_and_wakes_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.claim()  # looks at the sender and finds nothing
    before = await slot.state(everything=True)
    await slot.queue(1)
    changes = await slot.changes(before, everything=True)
    assert changes["ring:s:3 00000001"] == 0
    assert changes["due s"] == 0
    assert changes["src:campaign:a ring:s:3"] == 1
    assert changes["log"] == 1


async def test_a_row_for_later_is_kept_aside_until_then(slot: Slot) -> None:
    await slot.furnish()
    await slot.claim()
    before = await slot.state()
    answer = await slot.queue(1, not_before_ms=slot.now_ms + 700)
    assert answer.due_at_ms == slot.now_ms + 700
    assert await slot.changes(before) == {
        "aside 1.1": ("S", Packed(1, 1)),
        "later 1.1": 700,
        "src:campaign:a enqueued": 1,
        "src:campaign:a w:schedule": 1,
    }


@pytest.mark.parametrize(
    ("after_ms", "waits"),
    [pytest.param(0, False, id="now is not later"), pytest.param(1, True, id="a moment is")],
)
async def test_a_row_waits_only_for_a_moment_to_come(
    slot: Slot, after_ms: int, *, waits: bool
) -> None:
    await slot.furnish()
    await slot.queue(1, not_before_ms=slot.now_ms + after_ms)
    assert ("later 1.1" in await slot.state()) == waits


async def test_a_value_known_to_the_source_is_a_duplicate_in_all_its_lanes(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, dedupe=one(1)))
    before = await slot.state()
    other = replace(LANE, sender=SenderId("t"))
    answer = await slot.enqueue(a_row(1, dedupe=one(1)), a_row(2, dedupe=one(2)), lane=other)
    assert (answer.lane, answer.first, answer.accepted) == (2, 1, 1)
    assert answer.not_new == [NotNew(0, None, conflict=False)]
    assert await slot.changes(before) == {
        "q:2": [Packed(1, 2)],
        "seen:campaign:a 2": True,
        "src:campaign:a enqueued": 2,
    }


async def test_the_same_value_twice_in_one_batch_is_one_job(slot: Slot) -> None:
    answer = await slot.enqueue(a_row(1, dedupe=one(1)), a_row(2, dedupe=one(1)))
    assert (answer.accepted, answer.not_new) == (1, [NotNew(1, None, conflict=False)])


async def test_another_source_does_not_know_the_value(slot: Slot) -> None:
    await slot.enqueue(a_row(1, dedupe=one(1)))
    other = replace(LANE, source="campaign:b")
    assert (await slot.enqueue(a_row(1, dedupe=one(1)), lane=other)).accepted == 1


@pytest.mark.parametrize(
    ("body", "conflict"),
    [
        pytest.param(b"A", False, id="the same body is a duplicate"),
        pytest.param(b"B", True, id="another body is a conflict"),
    ],
)
async def test_a_key_with_a_body_names_the_job_it_repeats(
    slot: Slot, body: bytes, *, conflict: bool
) -> None:
    keyed = replace(LANE, source="journey:j")
    await slot.enqueue(a_row(1, dedupe=one(1), fingerprint=b"A" * 8), lane=keyed)
    again = a_row(1, dedupe=one(1), fingerprint=body * 8)
    answer = await slot.enqueue(again, lane=keyed)
    assert answer.not_new == [NotNew(0, JobKey(1, 1), conflict)]
    assert answer.accepted == 0


@pytest.mark.parametrize(
    ("after_ms", "known"),
    [
        pytest.param(DAY_MS, True, id="a day later it is known"),
        pytest.param(2 * DAY_MS - 1, True, id="to the end of the next day"),
        pytest.param(2 * DAY_MS, False, id="then it is forgotten"),
    ],
)
async def test_a_key_is_remembered_for_the_day_after_its_own(
    slot: Slot, after_ms: int, *, known: bool
) -> None:
    keyed = replace(LANE, source="journey:j")
    row = a_row(1, dedupe=one(1), fingerprint=b"A" * 8)
    slot.now_ms -= slot.now_ms % DAY_MS
    await slot.enqueue(row, lane=keyed)
    slot.now_ms += after_ms
    assert ((await slot.enqueue(row, lane=keyed)).accepted == 0) == known


async def test_a_cancelled_source_takes_nothing(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    before = await slot.state(everything=True)
    answer = await slot.queue(2)
    assert (answer.refused, answer.accepted, answer.lane) == ("cancelled", 0, 0)
    assert await slot.changes(before, everything=True) == {}


async def test_a_full_portfolio_takes_a_batch_whole_or_not_at_all(redis_client: Redis) -> None:
    slot = Slot(redis_client, queue_max=2)
    await slot.furnish()
    assert (await slot.queue(1, 2, 3)).refused == "full"
    assert (await slot.queue(1, 2)).accepted == 2
    assert (await slot.queue(3)).refused == "full"
    assert await slot.take(most=1) == [1]
    assert (await slot.queue(3)).refused == "full"  # in flight is not ended


async def test_a_lane_of_an_unknown_sender_waits_without_being_due(slot: Slot) -> None:
    await slot.put_source(a_source())
    await slot.queue(1)
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], FOREVER_MS)


async def test_an_empty_batch_changes_no_book(slot: Slot) -> None:
    await slot.furnish()
    before: State = await slot.state()
    assert (await slot.enqueue()).accepted == 0
    assert "q:1" not in await slot.changes(before)
