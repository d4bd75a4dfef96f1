"""job_read: where one job stands, and which gate it waits behind until when."""

from __future__ import annotations

from engine.books import JobView
from engine.model import DeliveryStatus, Gate, JobKey, JobState, SourceState, TemplateStatus, WabaId
from engine.outcomes import Accepted, Dropped, InDoubt, Retry, Unwritten
from engine.ports import FOREVER_MS
from tests.builders import a_portfolio, a_sender, a_source, a_template
from tests.lua.slot_state import DOUBT_MS, PORTFOLIO, SENDER, Slot

ONE, TWO = JobKey(1, 1), JobKey(1, 2)
LOOKED_AT = 100  # rows of a queue


async def view(slot: Slot, key: JobKey = ONE) -> JobView | None:
    """Read one job; asking changes nothing."""
    before = await slot.state(everything=True)
    found = await slot.ledger.job(PORTFOLIO, key)
    assert await slot.changes(before, everything=True) == {}
    return found


async def test_a_job_from_its_queue_to_its_end(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    assert await view(slot) == JobView(ONE, JobState.QUEUED)
    await slot.claim()
    assert await view(slot) == JobView(ONE, JobState.IN_FLIGHT, attempt=1)
    await slot.settle(InDoubt("silence"))
    decided_ms = slot.now_ms + DOUBT_MS
    in_doubt = JobView(ONE, JobState.IN_DOUBT, 1, until_ms=decided_ms, sender=SENDER)
    assert await view(slot) == in_doubt
    await slot.settle(Accepted("wamid.1", held=True))
    held = JobView(ONE, JobState.ACCEPTED, 1, DeliveryStatus.HELD, wamid="wamid.1")
    assert await view(slot) == held


async def test_a_dropped_job_says_why(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Dropped(131026, "never"))
    assert await view(slot) == JobView(ONE, JobState.FAILED, 1, code=131026)


async def test_a_job_kept_aside_says_until_when(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.queue(2, not_before_ms=slot.now_ms + 900)
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"))
    retry = JobView(ONE, JobState.WAITING, gate=Gate.RETRY, until_ms=slot.now_ms + 500)
    schedule = JobView(TWO, JobState.WAITING, gate=Gate.SCHEDULE, until_ms=slot.now_ms + 900)
    assert await view(slot) == retry
    assert await view(slot, TWO) == schedule


async def test_a_job_without_a_place_says_when_the_next_one_falls_free(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2)
    await slot.claim()
    free_ms = (await slot.ledger.quota(PORTFOLIO)).next_free_at_ms
    waiting = JobView(TWO, JobState.WAITING, gate=Gate.QUOTA, until_ms=free_ms)
    assert await view(slot, TWO) == waiting


async def test_a_job_without_a_place_says_so_while_others_of_its_lane_are_queued(
    slot: Slot,
) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2, 3)
    await slot.claim()
    await slot.queue(*range(4, 4 + 2 * LOOKED_AT))
    for sequence in (2, 3):
        found = await view(slot, JobKey(1, sequence))
        assert found is not None
        assert (found.state, found.gate) == (JobState.WAITING, Gate.QUOTA), sequence
    for sequence in (4, 3 + LOOKED_AT, 3 + 2 * LOOKED_AT):
        assert await view(slot, JobKey(1, sequence)) == JobView(
            JobKey(1, sequence), JobState.QUEUED
        )
    await slot.settle(Unwritten("late"))  # back to the front: before those that came later
    assert await view(slot, ONE) == JobView(ONE, JobState.QUEUED)
    found = await view(slot, TWO)
    assert found is not None
    assert found.gate is Gate.QUOTA


async def test_the_gate_that_closes_first_is_named(slot: Slot) -> None:
    await slot.put_portfolio(a_portfolio())
    await slot.put_template(a_template())
    await slot.queue(1)
    assert await view(slot) == waits(Gate.SENDER, FOREVER_MS)
    await slot.put_sender(a_sender())
    await slot.ledger.close_account(PORTFOLIO, WabaId("W"), slot.now_ms + 70)
    assert await view(slot) == waits(Gate.ACCOUNT, slot.now_ms + 70)
    await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 50))
    assert await view(slot) == waits(Gate.SENDER, slot.now_ms + 50)
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    assert await view(slot) == waits(Gate.TEMPLATE)
    await slot.put_source(a_source(state=SourceState.PAUSED))
    assert await view(slot) == waits(Gate.SOURCE)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    assert await view(slot) == JobView(ONE, JobState.CANCELLED)


def waits(gate: Gate, until_ms: int | None = None) -> JobView:
    """Return how a job stands behind a gate."""
    return JobView(ONE, JobState.WAITING, gate=gate, until_ms=until_ms)


async def test_there_is_no_job_outside_the_lanes(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    for key in (JobKey(0, 1), JobKey(2, 1), JobKey(1, 0), JobKey(1, 2)):
        assert await view(slot, key) is None
