"""source_repoint: what waits gets another message and another template, lane by lane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Category, JobState, Lane, Priority, SourceState, TemplateStatus
from engine.outcomes import Accepted, InDoubt, Retry
from engine.template_ports import HAS_ROWS, RUNS, Repoint
from tests.builders import a_sender, a_source, a_template
from tests.lua.slot_state import DOUBT_MS, LANE, PORTFOLIO, SENDER, SOURCE, TEMPLATE, Slot
from tests.lua.slot_state import OTHER as OTHER_SENDER

OTHER = "W/other/en"
WISH = Repoint({SENDER: OTHER}, Priority.UTILITY, b"new")


async def furnished(slot: Slot, state: SourceState = SourceState.STOPPED) -> None:
    """Queue two rows whose template is in review; another one is approved."""
    await slot.furnish()
    await slot.put_template(a_template(category=Category.UTILITY), OTHER)
    assert await slot.ledger.put_content(PORTFOLIO, SOURCE, b"old") == 1
    await slot.queue(1, 2, content=1)
    await slot.put_template(a_template(status=TemplateStatus.PENDING))
    await slot.claim()
    await slot.put_source(a_source(state=state))


async def test_what_waits_goes_with_the_other_template_and_the_new_message(slot: Slot) -> None:
    await furnished(slot)
    assert await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH) == 2
    assert await slot.take() == []
    await slot.put_source(a_source())
    jobs = (await slot.claim()).jobs
    assert [(job.key.sequence, job.lane.template) for job in jobs] == [(1, OTHER), (2, OTHER)]
    assert {job.lane.priority for job in jobs} == {Priority.UTILITY}
    assert await slot.ledger.content(PORTFOLIO, SOURCE, 1) == b"new"
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_it_waits_for_the_new_template_and_no_longer_for_the_old_one(slot: Slot) -> None:
    await furnished(slot)
    await slot.put_template(a_template(status=TemplateStatus.PAUSED), OTHER)
    await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH)
    await slot.put_source(a_source())
    await slot.put_template(a_template())
    assert await slot.take() == []
    await slot.put_template(a_template(status=TemplateStatus.DELETED))
    assert await slot.ledger.end_template(PORTFOLIO, TEMPLATE) == {}
    await slot.put_template(a_template(), OTHER)
    assert await slot.take() == [1, 2]


async def test_rows_that_come_later_stand_behind_those_that_wait(slot: Slot) -> None:
    await furnished(slot)
    await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH)
    lane = replace(LANE, template=OTHER, priority=Priority.UTILITY)
    assert (await slot.queue(3, lane=lane)).lane == 1
    await slot.put_source(a_source())
    assert await slot.take() == [1, 2, 3]


async def test_whatever_template_and_priority_a_row_had_it_gets_the_new_ones(slot: Slot) -> None:
    await furnished(slot)
    await slot.queue(3, lane=replace(LANE, priority=Priority.SERVICE))
    await slot.put_template(a_template(), "W/third/en")
    await slot.queue(4, lane=replace(LANE, template="W/third/en"))
    await slot.put_sender(a_sender(), OTHER_SENDER)
    await slot.queue(5, lane=replace(LANE, sender=OTHER_SENDER))
    await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH)
    await slot.put_source(a_source())
    found = {(job.key.lane, job.lane.template) for job in (await slot.claim()).jobs}
    assert found == {(1, OTHER), (2, OTHER), (3, OTHER)}
    await slot.put_template(a_template())
    (job,) = (await slot.claim()).jobs
    assert job.lane == replace(LANE, sender=OTHER_SENDER, priority=Priority.UTILITY)
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_higher_priority_leaves_first_also_what_waits_for_a_place(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.put_source(a_source(), "campaign:b")
    other = Lane("campaign:b", SENDER, TEMPLATE, Priority.MARKETING)
    await slot.queue(1)
    await slot.queue(2, 3, lane=other)
    await slot.queue(4)
    assert await slot.take() == [1]
    assert await slot.take() == []  # the others wait for a place
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await slot.ledger.repoint(PORTFOLIO, SOURCE, Repoint({}, Priority.UTILITY))
    await slot.put_source(a_source())
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += 60_200
    jobs = (await slot.claim()).jobs
    assert [(job.lane.source, job.lane.priority) for job in jobs] == [(SOURCE, Priority.UTILITY)]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def expire_at(slot: Slot, expires_ms: int) -> None:
    """Give all rows another end, and let them run."""
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await slot.ledger.repoint(
        PORTFOLIO, SOURCE, Repoint({}, Priority.MARKETING, expires_ms=expires_ms)
    )
    await slot.put_source(a_source())


async def test_another_end_counts_for_all_rows_and_no_end_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2, expires_at_ms=slot.now_ms + 100)
    await expire_at(slot, 0)
    slot.now_ms += 200
    await slot.ledger.rescue(PORTFOLIO)
    assert await slot.take(1) == [1]
    await expire_at(slot, slot.now_ms + 50)
    await slot.settle(Retry(131000, slot.now_ms + 60, "unknown"))  # past the new end
    slot.now_ms += 50
    assert await slot.take() == []
    assert await slot.books() == {JobState.FAILED: 1, JobState.EXPIRED: 1}


@pytest.mark.parametrize("its_own_ms", [0, 60_000])
async def test_an_earlier_end_is_kept_behind_a_closed_gate_too(slot: Slot, its_own_ms: int) -> None:
    await slot.furnish()
    await slot.queue(1, 2, expires_at_ms=its_own_ms and slot.now_ms + its_own_ms)
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    assert await slot.take() == []
    await expire_at(slot, slot.now_ms + 1_000)
    await slot.queue(3, expires_at_ms=slot.now_ms + 60_000)
    slot.now_ms += 999
    assert (await slot.ledger.rescue(PORTFOLIO)).expired == []
    slot.now_ms += 1
    rescued = await slot.ledger.rescue(PORTFOLIO)
    assert [key.sequence for key in rescued.expired] == [1, 2, 3]
    assert await slot.books() == {JobState.EXPIRED: 3}


async def test_a_later_end_is_waited_for_behind_a_closed_gate(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=slot.now_ms + 1_000)
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    assert await slot.take() == []
    await expire_at(slot, slot.now_ms + 5_000)
    slot.now_ms += 1_000
    rescued = await slot.ledger.rescue(PORTFOLIO)
    assert (rescued.expired, rescued.rescue_at_ms) == ([], slot.now_ms + 4_000)
    slot.now_ms += 4_000
    assert len((await slot.ledger.rescue(PORTFOLIO)).expired) == 1


@pytest.mark.parametrize("state", [SourceState.RUNNING, SourceState.CANCELLED])
async def test_while_it_runs_or_is_over_nothing_changes(slot: Slot, state: SourceState) -> None:
    await furnished(slot, state)
    before = await slot.state(everything=True)
    assert await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH) == RUNS
    assert await slot.changes(before, everything=True) == {}


async def test_who_claims_hears_of_it(slot: Slot) -> None:
    await furnished(slot)
    heard: list[str] = []

    async def renewed() -> None:
        heard.append("renewed")

    await slot.claim(0)
    slot.ledger.renewed = renewed
    await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH)
    await slot.claim(0)
    assert heard == ["renewed"]


async def repeats(slot: Slot, repeats_max: int) -> None:
    """Say how many copies of each row may follow a doubt, and let them run."""
    await slot.put_source(a_source(state=SourceState.PAUSED))
    wish = Repoint({}, Priority.MARKETING, repeats_max=repeats_max)
    await slot.ledger.repoint(PORTFOLIO, SOURCE, wish)
    await slot.put_source(a_source())


async def in_doubt(slot: Slot, repeats_max: int) -> None:
    """Have one job in doubt that was queued with so many copies."""
    await slot.furnish()
    await slot.queue(1, repeats_max=repeats_max)
    assert await slot.take() == [1]
    await slot.settle(InDoubt("cut off"))


@pytest.mark.parametrize(("queued", "changed"), [(0, 1), (1, 0), (2, 1), (0, 2)])
async def test_a_doubt_is_decided_by_the_number_of_copies_its_source_has_now(
    slot: Slot, queued: int, changed: int
) -> None:
    await in_doubt(slot, queued)
    await repeats(slot, changed)
    for _ in range(changed):
        slot.now_ms += DOUBT_MS
        assert len((await slot.ledger.rescue(PORTFOLIO)).repeated) == 1
        (job,) = (await slot.claim()).jobs
        await slot.settle(InDoubt("cut off"), attempt=job.attempt)
    slot.now_ms += DOUBT_MS
    assert len((await slot.ledger.rescue(PORTFOLIO)).unknown) == 1
    assert await slot.books() == {"unknown": 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_copy_that_waits_does_not_leave_once_none_may(slot: Slot) -> None:
    await in_doubt(slot, 1)
    slot.now_ms += DOUBT_MS
    assert len((await slot.ledger.rescue(PORTFOLIO)).repeated) == 1
    await repeats(slot, 0)
    assert await slot.take() == []
    assert await slot.books() == {"unknown": 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_where_it_was_to_have_no_rows_one_that_has_some_is_not_changed(slot: Slot) -> None:
    await furnished(slot)
    before = await slot.state(everything=True)
    wish = replace(WISH, version=2, is_first=True)
    assert await slot.ledger.repoint(PORTFOLIO, SOURCE, wish) == HAS_ROWS
    assert await slot.changes(before, everything=True) == {}
