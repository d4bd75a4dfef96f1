"""source_put, with part_rest and part_cancel: start, pause, schedule and cancel a source."""

from __future__ import annotations

import pytest

from engine.model import JobState, SourceState
from engine.outcomes import Accepted, InDoubt
from tests.builders import a_source
from tests.lua.slot_state import DOUBT_MS, GONE, PORTFOLIO, SOURCE, Slot


@pytest.mark.parametrize("state", list(SourceState))
async def test_only_a_running_source_sends(slot: Slot, state: SourceState) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.put_source(a_source(state=state, start_at_ms=slot.now_ms + 100))
    assert await slot.take() == ([1] if state is SourceState.RUNNING else [])


async def test_a_paused_source_holds_what_comes_later_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.put_source(a_source(state=SourceState.PAUSED))
    assert await slot.take() == []
    await slot.queue(2)
    assert await slot.take() == []
    before = await slot.state()
    await slot.put_source(a_source())
    assert await slot.changes(before) == {
        "src:campaign:a state": "running",
        f"asleep:source:{SOURCE} 1": GONE,
    }
    assert await slot.take() == [1, 2]


async def test_scheduling_writes_the_opening_and_another_state_takes_it_back(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state()
    start_ms = slot.now_ms + 700
    await slot.put_source(a_source(state=SourceState.SCHEDULED, start_at_ms=start_ms, weight=3))
    assert await slot.changes(before) == {
        "src:campaign:a state": "scheduled",
        "src:campaign:a weight": 3,
        "openings campaign:a": 700,
    }
    await slot.put_source(a_source(state=SourceState.PAUSED))
    slot.now_ms += 800
    await slot.queue(1)
    assert await slot.take() == []


async def test_cancelling_ends_all_that_wait_in_one_step(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2, 3)
    await slot.claim()
    await slot.queue(4)
    before = await slot.state()
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    assert await slot.changes(before) == {
        "q:1": GONE,
        "k:1": GONE,
        "src:campaign:a state": "cancelled",
        "src:campaign:a s:cancelled": 3,
    }
    assert await slot.books() == {JobState.IN_FLIGHT: 1, JobState.CANCELLED: 3}
    assert await slot.take() == []


async def test_a_cancelled_source_never_comes_back(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    before = await slot.state(everything=True)
    await slot.put_source(a_source())
    assert await slot.changes(before, everything=True) == {}


async def test_a_write_under_way_is_still_settled_after_the_cancel(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    assert (await slot.settle(Accepted("wamid.1"))).ignored == []
    assert await slot.books() == {JobState.ACCEPTED: 1}


async def test_a_repeat_that_waits_is_cancelled_and_evidence_comes_too_late(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, repeats_max=1)
    await slot.claim()
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    await slot.ledger.rescue(PORTFOLIO)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    await slot.settle(Accepted("wamid.1"))
    assert await slot.books() == {JobState.CANCELLED: 1}
    assert await slot.ledger.audit(PORTFOLIO) == []
