"""claim: jobs leave under a lease, each with a send time.

With it its parts: part_claim, part_bites, part_serve, part_grant, part_flush, part_finish,
part_return, part_due.

Whose turn it is stands in test_claim_order.py, how much one call may do in test_claim_bounds.py,
each gate in its own file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from engine.model import Category, JobState, SenderId, SourceState, TemplateStatus, WabaId
from engine.outcomes import Accepted, Dropped, Unwritten
from engine.ports import FOREVER_MS, Ask
from tests.builders import a_recipient, a_row, a_sender, a_source, a_template
from tests.lua.slot_state import (
    GONE,
    LANE,
    LEASE_MS,
    PORTFOLIO,
    SPAN_MS,
    START_MS,
    Packed,
    Slot,
)


async def test_a_claim_leases_jobs_and_takes_places_and_send_times(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.queue(1, 2, 3)
    before = await slot.state()
    answer = await slot.claim()
    assert [(job.key.sequence, job.attempt, job.counted) for job in answer.jobs] == [
        (1, 1, True),
        (2, 1, True),
    ]  # the third send time lies further ahead than marketing may look
    assert [job.send_at_us - START_MS * 1_000 for job in answer.jobs] == [0, 10_000]
    assert {job.lease_until_ms for job in answer.jobs} == {slot.now_ms + LEASE_MS}
    assert (answer.come_back_at_ms, answer.rescue_at_ms) == (START_MS + 10, START_MS + LEASE_MS)
    assert await slot.changes(before) == {
        "q:1": [Packed(3, 3)],
        "open 1.1": ("F", LEASE_MS, Packed(1, 1, fence=1)),
        "open 1.2": ("F", LEASE_MS, Packed(2, 2, fence=1)),
        "win: 1": LEASE_MS,
        "win: 2": LEASE_MS,
        "claims w:1": "1.1,1.2",
        "leases w:1": LEASE_MS,
        "src:campaign:a s:in_flight": 2,
    }


async def test_a_claimed_job_comes_with_all_that_was_queued(slot: Slot) -> None:
    await slot.furnish()
    row = a_row(7, content=300)
    await slot.enqueue(row)
    (job,) = (await slot.claim()).jobs
    assert (job.recipient, job.tail, job.content) == (a_recipient(7), row.tail, 300)
    assert (job.lane, job.due_ms) == (LANE, slot.now_ms)


async def test_a_claim_that_finds_nothing_changes_nothing(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state()
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], FOREVER_MS)
    assert await slot.changes(before) == {}


@pytest.mark.parametrize(("most", "low", "given"), [(0, 0, 0), (2, 2, 2), (5, 1, 1), (5, 0, 0)])
async def test_a_claim_gives_no_more_than_its_wish(
    slot: Slot, most: int, low: int, given: int
) -> None:
    await slot.furnish()
    await slot.queue(1, 2, 3)
    answer = await slot.claim(most, low)
    assert len(answer.jobs) == given
    assert answer.come_back_at_ms == slot.now_ms  # the rest could leave now
    assert answer.more


async def test_the_same_wish_again_gives_what_is_still_leased_of_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2, 3)
    ask = Ask(PORTFOLIO, "w", 1, 2, 2)
    (first,) = await slot.ledger.claim([ask])
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += 1_000
    before = await slot.state()
    (again,) = await slot.ledger.claim([ask])
    assert [job.key.sequence for job in again.jobs] == [2]
    assert again.jobs[0].send_at_us == slot.now_ms * 1_000  # a fresh send time
    assert again.jobs[0].lease_until_ms == first.jobs[0].lease_until_ms  # and the old lease
    assert await slot.changes(before) == {}


async def test_a_wish_is_not_given_a_job_that_somebody_else_has_since(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    ask = Ask(PORTFOLIO, "w", 1, 2, 2)
    await slot.ledger.claim([ask])
    await slot.settle(Unwritten("late"))
    (others,) = await slot.ledger.claim([Ask(PORTFOLIO, "other", 1, 2, 2)])
    assert [job.attempt for job in others.jobs] == [2]
    (again,) = await slot.ledger.claim([ask])
    assert again.jobs == []


async def pause_source(slot: Slot) -> None:
    """Close the gate of the job's source."""
    await slot.put_source(a_source(state=SourceState.PAUSED))


async def close_sender(slot: Slot) -> None:
    """Close the gate of its sender."""
    await slot.put_sender(a_sender(closed_until_ms=START_MS + 60_000))


async def pause_template(slot: Slot) -> None:
    """Close the gate of its template."""
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))


async def close_account(slot: Slot) -> None:
    """Close the gate of its account."""
    await slot.ledger.close_account(PORTFOLIO, WabaId("W"), START_MS + 60_000)


async def opt_out(slot: Slot) -> None:
    """Have its recipient opt out."""
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), Category.MARKETING)


@pytest.mark.parametrize(
    "close_gate", [pause_source, close_sender, pause_template, close_account, opt_out]
)
async def test_a_wish_asked_again_gives_no_job_whose_gate_has_closed_meanwhile(
    slot: Slot, close_gate: Callable[[Slot], Awaitable[None]]
) -> None:
    await slot.furnish()
    await slot.queue(1)
    ask = Ask(PORTFOLIO, "w", 1, 2, 2)
    await slot.ledger.claim([ask])
    await close_gate(slot)
    (again,) = await slot.ledger.claim([ask])
    assert again.jobs == []
    assert [refusal.count for refusal in again.refusals] == [1]
    state = await slot.state()
    assert state["q:1"] == [Packed(1, 1, fence=1)]  # back in its lane, as one never written
    assert "open 1.1" not in state
    assert await slot.used() == 0  # and without a place


async def test_a_wish_asked_again_gives_no_job_whose_time_is_over(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, expires_at_ms=slot.now_ms + 1_000), a_row(2))
    ask = Ask(PORTFOLIO, "w", 1, 2, 2)
    await slot.ledger.claim([ask])
    slot.now_ms += 1_000
    (again,) = await slot.ledger.claim([ask])
    assert [job.key.sequence for job in again.jobs] == [2]
    (others,) = await slot.ledger.claim([Ask(PORTFOLIO, "other", 1, 2, 2)])
    assert others.jobs == []
    assert (await slot.books())["expired"] == 1


async def test_a_lower_counter_claims_nothing(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.ledger.claim([Ask(PORTFOLIO, "w", 2, 1, 1)])
    before = await slot.state()
    (late,) = await slot.ledger.claim([Ask(PORTFOLIO, "w", 1, 1, 1)])
    assert (late.refused, late.jobs) == ("stale", [])
    assert await slot.changes(before) == {}


async def test_who_knows_more_than_the_slot_stops_all_claims_for_a_while(slot: Slot) -> None:
    await slot.furnish()
    queued = await slot.queue(1)
    (lost,) = await slot.ledger.claim([Ask(PORTFOLIO, "w", 1, 1, 1, queued.sequence + 5)])
    assert (lost.refused, lost.jobs) == ("recovering", [])
    assert lost.sequence == queued.sequence + 5
    slot.now_ms += 9_999
    (still,) = await slot.ledger.claim([Ask(PORTFOLIO, "other", 1, 1, 1)])
    assert still.refused == "recovering"
    slot.now_ms += 1
    (healed,) = await slot.ledger.claim([Ask(PORTFOLIO, "other", 2, 1, 1)])
    assert len(healed.jobs) == 1


async def test_a_delayed_job_comes_back_at_its_moment(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, not_before_ms=slot.now_ms + 700)
    slot.now_ms += 699
    assert await slot.take() == []
    slot.now_ms += 1
    before = await slot.state()
    (job,) = (await slot.claim()).jobs
    assert job.due_ms == slot.now_ms
    changes = await slot.changes(before)
    assert changes["aside 1.1"] is GONE
    assert changes["later 1.1"] is GONE
    assert (await slot.ledger.counts(PORTFOLIO, LANE.source)).waiting == {}


async def test_a_scheduled_source_opens_by_itself(slot: Slot) -> None:
    await slot.furnish()
    start_ms = slot.now_ms + 5_000
    await slot.put_source(a_source(state=SourceState.SCHEDULED, start_at_ms=start_ms))
    await slot.queue(1)
    waiting = await slot.claim()
    assert (waiting.jobs, waiting.come_back_at_ms) == ([], start_ms)
    slot.now_ms = start_ms
    before = await slot.state()
    assert await slot.take() == [1]
    changes = await slot.changes(before)
    assert changes["openings campaign:a"] is GONE
    assert changes["src:campaign:a state"] == "running"


async def test_a_closed_account_lets_no_sender_of_it_send_until_its_moment(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.run("account_put", "W", slot.now_ms + 2_000)
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], slot.now_ms + 2_000)
    assert [(its.gate, its.count) for its in answer.refusals] == [("account", 1)]
    slot.now_ms += 2_000
    assert await slot.take() == [1]


async def test_a_cancelled_job_does_not_come_back_from_its_retry_delay(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, not_before_ms=slot.now_ms + 700)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    slot.now_ms += 700
    assert await slot.take() == []
    assert await slot.books() == {JobState.CANCELLED: 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_place_given_back_goes_to_the_job_that_waits_for_it(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2)
    answer = await slot.claim()
    assert (len(answer.jobs), answer.come_back_at_ms) == (1, START_MS + LEASE_MS + SPAN_MS)
    await slot.settle(Dropped(131026, "never"))
    assert await slot.take() == [2]


async def test_two_senders_racing_for_the_last_place_get_it_once(slot: Slot) -> None:
    await slot.furnish(places=1, category=Category.UTILITY)
    await slot.put_sender(a_sender(), SenderId("t"))
    await slot.queue(1)
    await slot.queue(2, lane=type(LANE)(LANE.source, SenderId("t"), LANE.template, LANE.priority))
    asks = [Ask(PORTFOLIO, worker, 1, 1, 1) for worker in ("one", "two")]
    answers = await slot.ledger.claim(asks)
    assert sum(len(answer.jobs) for answer in answers) == 1
    assert await slot.used() == 1
