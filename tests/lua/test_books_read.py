"""books_read: each job of a source in exactly one state, waiting ones behind a named gate.

With part_closed, which depths_read and job_read have too.
"""

from __future__ import annotations

import pytest

from engine.books import Counts
from engine.errors import UnknownNameError
from engine.model import (
    DeliveryStatus,
    Gate,
    JobState,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Accepted, Dropped, Retry
from tests.builders import a_sender, a_source, a_template
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


@pytest.mark.parametrize("gate", [Gate.SOURCE, Gate.TEMPLATE, Gate.SENDER, Gate.ACCOUNT])
async def test_a_closed_gate_holds_the_whole_lane_at_once(slot: Slot, gate: Gate) -> None:
    await busy(slot)
    until_ms = slot.now_ms + 1_000
    match gate:
        case Gate.SOURCE:
            await slot.put_source(a_source(state=SourceState.PAUSED))
        case Gate.TEMPLATE:
            await slot.put_template(a_template(status=TemplateStatus.PAUSED))
        case Gate.SENDER:
            await slot.put_sender(a_sender(closed_until_ms=until_ms))
        case _:
            await slot.ledger.close_account(PORTFOLIO, WabaId("W"), until_ms)
    counts = await slot.ledger.counts(PORTFOLIO, SOURCE)
    assert counts.waiting == {gate: 3, Gate.RETRY: 1, Gate.SCHEDULE: 1}
    assert counts.states.get(JobState.QUEUED, 0) == 0


async def test_the_end_of_a_closed_number_is_in_the_books_though_nobody_came(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 1_000))
    assert await slot.books() == {"waiting": 2}
    slot.now_ms += 1_000
    assert await slot.books() == {"queued": 2}


async def test_rows_of_a_number_that_nobody_put_wait_for_it(slot: Slot) -> None:
    await slot.put_template(a_template())
    await slot.queue(1)
    assert (await slot.ledger.counts(PORTFOLIO, SOURCE)).waiting == {Gate.SENDER: 1}


async def test_a_new_source_has_empty_books(slot: Slot) -> None:
    await slot.furnish()
    assert await slot.ledger.counts(PORTFOLIO, SOURCE) == Counts(0, {}, {}, {})


async def test_an_unknown_source_has_none(slot: Slot) -> None:
    with pytest.raises(UnknownNameError):
        await slot.ledger.counts(PORTFOLIO, "campaign:nobody")
