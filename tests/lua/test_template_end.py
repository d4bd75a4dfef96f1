"""template_end: what waits for a disabled or deleted template ends, lane by lane, with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Category, JobKey, JobState, SourceState, TemplateStatus
from engine.outcomes import Accepted, InDoubt, Retry, Unwritten
from engine.ports import Cancelled
from tests.builders import a_portfolio, a_row, a_source, a_template
from tests.lua.slot_state import DOUBT_MS, GONE, LANE, PORTFOLIO, TEMPLATE, Slot

DIRECT = replace(LANE, source="direct:api")
ELSEWHERE = replace(LANE, template="W/other/en")
DELETED = a_template(status=TemplateStatus.DELETED)


async def end(slot: Slot, status: TemplateStatus = TemplateStatus.DELETED) -> dict[str, int]:
    await slot.put_template(a_template(status=status))
    return await slot.ledger.end_template(PORTFOLIO, TEMPLATE)


@pytest.mark.parametrize(
    ("status", "code"), [(TemplateStatus.DISABLED, 132016), (TemplateStatus.DELETED, 132001)]
)
async def test_what_waits_in_its_lanes_ends_and_says_why(
    slot: Slot, status: TemplateStatus, code: int
) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2)
    await slot.claim()
    await slot.queue(3, lane=DIRECT)
    await slot.put_template(a_template(), "W/other/en")
    await slot.queue(4, lane=ELSEWHERE)
    before = await slot.state()
    assert await end(slot, status) == {"campaign:a": 1, "direct:api": 1}
    assert await slot.changes(before) == {
        f"templates {TEMPLATE}": f"{status}|marketing",
        "k:1": GONE,
        "q:2": GONE,
        "ended 1": f"2|{code}",
        "ended 2": f"1|{code}",
        "src:campaign:a s:cancelled": 1,
        "src:direct:api s:cancelled": 1,
    }
    for key in (JobKey(1, 2), JobKey(2, 1)):
        view = await slot.ledger.job(PORTFOLIO, key)
        assert view is not None
        assert (view.state, view.code) == (JobState.CANCELLED, code)
        assert await slot.ledger.cancel_job(PORTFOLIO, key) is Cancelled.DONE
    assert await slot.books() == {"in_flight": 1, "cancelled": 1, "queued": 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


@pytest.mark.parametrize("status", sorted(set(TemplateStatus) - {"DISABLED", "DELETED"}))
async def test_one_that_may_come_back_ends_nothing(slot: Slot, status: TemplateStatus) -> None:
    await slot.furnish()
    await slot.queue(1)
    assert await end(slot, status) == {}
    await slot.put_template(a_template())
    assert await slot.take() == [1]


async def test_it_takes_as_many_steps_for_a_job_as_for_thousands(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(*range(1, 2_001))
    assert await end(slot) == {"campaign:a": 2_000}
    assert await slot.books() == {"cancelled": 2_000}


async def test_nothing_more_is_queued_for_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await end(slot)
    assert (await slot.queue(2)).refused == "ended"
    assert await slot.books() == {"cancelled": 1}


async def test_what_comes_back_unwritten_ends_then(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.claim()
    await end(slot)
    await slot.settle(Unwritten("late"))
    await slot.settle(Accepted("wamid.2"), job=2)
    view = await slot.ledger.job(PORTFOLIO, JobKey(1, 1))
    assert view is not None
    assert (view.state, view.code, view.attempt) == (JobState.CANCELLED, 132001, 1)
    assert await slot.books() == {"cancelled": 1, "accepted": 1}


async def test_what_was_kept_aside_ends_in_its_time_even_when_it_is_approved_again(
    slot: Slot,
) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, not_before_ms=slot.now_ms + 500), a_row(2))
    await slot.claim()
    await end(slot)
    await slot.settle(Retry(131000, slot.now_ms + 500, "later"), job=2)
    await slot.put_template(a_template())
    await slot.queue(3)
    slot.now_ms += 600
    assert await slot.take() == [3]
    assert await slot.books() == {"cancelled": 2, "in_flight": 1}


async def test_a_doubt_is_not_repeated_any_more(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, repeats_max=1)
    await slot.claim()
    await slot.settle(InDoubt("silence"))
    await end(slot)
    slot.now_ms += DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).unknown == [JobKey(1, 1)]


async def test_a_lane_that_was_emptied_waits_for_no_place(slot: Slot) -> None:
    await slot.furnish(places=0)
    await slot.queue(1)
    await slot.claim()
    await end(slot)
    await slot.put_template(a_template(category=Category.MARKETING))
    await slot.put_portfolio(a_portfolio(10))
    assert await slot.take() == []
    await slot.queue(2)
    assert await slot.take() == [2]


async def test_the_rows_of_a_draft_stay(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.DRAFT))
    await slot.queue(1)
    assert await end(slot) == {}
    assert await slot.books() == {"waiting": 1}


async def test_told_again_it_changes_nothing(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await end(slot)
    before = await slot.state()
    assert await end(slot) == {}
    assert await slot.changes(before) == {}
