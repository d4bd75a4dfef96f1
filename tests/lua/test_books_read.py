"""books_read: each job of a source in exactly one state, waiting ones behind a named gate."""

from __future__ import annotations

import pytest

from engine.books import Counts
from engine.errors import UnknownNameError
from engine.model import DeliveryStatus, Gate, JobState, SourceState, TemplateStatus
from engine.outcomes import Accepted, Dropped, Retry
from tests.builders import a_source, a_template
from tests.lua.slot_state import PORTFOLIO, SOURCE, Slot


async def busy(slot: Slot) -> None:
    """Have eight jobs, as different as a slot of five places lets them be."""
    await slot.furnish(places=4)
    await slot.queue(*range(1, 7))
    await slot.claim()
    await slot.settle(Accepted("wamid.1"), job=1)
    await slot.receive(DeliveryStatus.READ, job=1)
    await slot.settle(Dropped(131026, "never"), job=2)
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"), job=3)
    await slot.queue(7, not_before_ms=slot.now_ms + 900)
    await slot.queue(8)


async def test_the_books_balance(slot: Slot) -> None:
    await busy(slot)
    before = await slot.state(everything=True)
    assert await slot.ledger.counts(PORTFOLIO, SOURCE) == Counts(
        enqueued=8,
        states={
            JobState.QUEUED: 1,
            JobState.WAITING: 4,
            JobState.IN_FLIGHT: 1,
            JobState.ACCEPTED: 1,
            JobState.FAILED: 1,
        },
        waiting={Gate.QUOTA: 2, Gate.RETRY: 1, Gate.SCHEDULE: 1},
        delivery={DeliveryStatus.READ: 1},
    )
    assert await slot.changes(before, everything=True) == {}


@pytest.mark.parametrize("gate", [Gate.SOURCE, Gate.TEMPLATE])
async def test_a_closed_gate_holds_the_whole_lane_at_once(slot: Slot, gate: Gate) -> None:
    await busy(slot)
    if gate is Gate.SOURCE:
        await slot.put_source(a_source(state=SourceState.PAUSED))
    else:
        await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    waiting = (await slot.ledger.counts(PORTFOLIO, SOURCE)).waiting
    assert waiting == {gate: 3, Gate.RETRY: 1, Gate.SCHEDULE: 1}


async def test_a_new_source_has_empty_books(slot: Slot) -> None:
    await slot.furnish()
    assert await slot.ledger.counts(PORTFOLIO, SOURCE) == Counts(0, {}, {}, {})


async def test_an_unknown_source_has_none(slot: Slot) -> None:
    with pytest.raises(UnknownNameError):
        await slot.ledger.counts(PORTFOLIO, "campaign:nobody")
