"""job_cancel: a job that waits ends as cancelled; one that may have left stays as it is."""

from __future__ import annotations

import pytest

from engine.model import Category, JobKey, JobState, SourceState
from engine.outcomes import Accepted, InDoubt, Retry, Unwritten
from engine.ports import Cancelled
from tests.builders import a_row, a_source
from tests.lua.slot_state import DOUBT_MS, GONE, PORTFOLIO, SOURCE, End, Packed, Slot


async def cancel(slot: Slot, sequence: int, lane: int = 1) -> Cancelled:
    """Cancel one job; what it says, the job's state says, too."""
    became = await slot.ledger.cancel_job(PORTFOLIO, JobKey(lane, sequence))
    view = await slot.ledger.job(PORTFOLIO, JobKey(lane, sequence))
    assert (view is not None and view.state is JobState.CANCELLED) == (became is Cancelled.DONE)
    assert await slot.ledger.audit(PORTFOLIO) == []
    return became


async def test_a_queued_job_ends_and_the_others_go(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2, 3)
    before = await slot.state()
    assert await cancel(slot, 2) is Cancelled.DONE
    assert await slot.changes(before) == {
        "q:1": [Packed(1, 1), Packed(3, 3)],
        "done:1:0 2": End("C", fence=0),
        f"src:{SOURCE} s:cancelled": 1,
    }
    assert await slot.take() == [1, 3]
    assert await slot.books() == {"in_flight": 2, "cancelled": 1}


async def test_the_last_one_leaves_an_empty_lane_that_wakes_again(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    assert await cancel(slot, 1) is Cancelled.DONE
    assert await slot.take() == []
    await slot.queue(2)
    assert await slot.take() == [2]


async def test_a_parked_job_ends_and_the_next_gets_the_place(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2, 3)
    assert await slot.take() == [1]
    assert await cancel(slot, 2) is Cancelled.DONE
    await slot.settle(Retry(131000, slot.now_ms + 60_000, "gives its place back"))
    assert await slot.take() == [3]


async def test_a_retrying_and_a_scheduled_job_end(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.queue(2, not_before_ms=slot.now_ms + 900)
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"))
    before = await slot.state()
    assert await cancel(slot, 1) is Cancelled.DONE
    assert await cancel(slot, 2) is Cancelled.DONE
    assert await slot.changes(before) == {
        "aside 1.1": GONE,
        "aside 1.2": GONE,
        "later 1.1": GONE,
        "later 1.2": GONE,
        "done:1:0 1": End("C"),
        "done:1:0 2": End("C", fence=0),
        f"src:{SOURCE} s:cancelled": 2,
        f"src:{SOURCE} w:retry": 0,
        f"src:{SOURCE} w:schedule": 0,
    }
    slot.now_ms += 1_000
    assert await slot.take() == []


async def test_twice_is_once_and_a_cancelled_source_has_done_it_already(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    assert [await cancel(slot, 1), await cancel(slot, 1)] == [Cancelled.DONE, Cancelled.DONE]
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    assert await cancel(slot, 2) is Cancelled.DONE
    assert await slot.books() == {"cancelled": 2}


async def test_its_key_stays_known(slot: Slot) -> None:
    await slot.furnish()
    row = a_row(1, dedupe=b"k" * 8, fingerprint=b"f" * 8)
    await slot.enqueue(row)
    assert await cancel(slot, 1) is Cancelled.DONE
    again = await slot.enqueue(row)
    assert (again.accepted, again.not_new[0].known) == (0, JobKey(1, 1))


async def test_what_is_or_was_under_way_stays_as_it_is(slot: Slot) -> None:
    await slot.furnish(category=Category.UTILITY)
    await slot.queue(1, 2, repeats_max=1)
    await slot.claim()
    before = await slot.state(everything=True)
    assert await cancel(slot, 1) is Cancelled.IN_FLIGHT
    await slot.settle(InDoubt("silence"))
    assert await cancel(slot, 1) is Cancelled.IN_DOUBT
    await slot.settle(Accepted("wamid.2"), job=2)
    assert await cancel(slot, 2) is Cancelled.ENDED
    slot.now_ms += DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == [JobKey(1, 1)]
    after = await slot.state(everything=True)
    assert await cancel(slot, 1) is Cancelled.REPEATING
    assert after == await slot.state(everything=True) != before


async def test_a_job_that_came_back_to_the_front_is_found(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*range(1, 301))
    taken = await slot.take(100)
    for sequence in reversed(taken[50:]):
        await slot.settle(Unwritten("late"), job=sequence)
    assert await cancel(slot, 100) is Cancelled.DONE
    assert await cancel(slot, 300) is Cancelled.DONE


async def test_a_row_that_stands_out_of_order_in_a_long_lane_is_found(slot: Slot) -> None:
    await slot.furnish()
    for start in range(1, 3_001, 500):
        await slot.queue(*range(start, start + 500))
    queue = "ps:{acme}:q:1"
    rows = await slot.client.lrange(queue, 0, -1)
    await slot.client.delete(queue)
    await slot.client.rpush(queue, *rows[1_500:], *rows[:1_500])
    assert [await cancel(slot, sequence) for sequence in (1, 1_499, 1_500, 2_999)] == [
        Cancelled.DONE
    ] * 4


@pytest.mark.parametrize(("lane", "sequence"), [(0, 1), (2, 1), (1, 0), (1, 2)])
async def test_there_is_no_job_outside_the_lanes(slot: Slot, lane: int, sequence: int) -> None:
    await slot.furnish()
    await slot.queue(1)
    before = await slot.state(everything=True)
    assert await cancel(slot, sequence, lane) is Cancelled.NO_JOB
    assert await slot.changes(before, everything=True) == {}
