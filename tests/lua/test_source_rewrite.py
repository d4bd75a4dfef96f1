"""source_rewrite: jobs that wait get another message, template, priority or end, lane by lane."""

from __future__ import annotations

from engine.model import Category, Gate, JobState, Lane, Priority, SourceState, TemplateStatus
from engine.outcomes import Accepted, Retry
from engine.rewriting import Rewrite
from tests.builders import a_source, a_template
from tests.lua.slot_state import LANE, OTHER, PORTFOLIO, SENDER, SOURCE, Slot

NEWER = "W/order/en"
LOW = Priority.MARKETING


async def rewrite(slot: Slot, **changes: object) -> int:
    named: dict[str, object] = {"templates": {SENDER: NEWER}, "priority": LOW}
    change = Rewrite(**(named | changes))  # type: ignore[arg-type]
    return await slot.ledger.rewrite_source(PORTFOLIO, SOURCE, change)


async def contents(slot: Slot, *versions: int) -> list[bytes]:
    return [await slot.ledger.content(PORTFOLIO, SOURCE, each) for each in versions]


async def test_a_new_message_is_that_of_every_version(slot: Slot) -> None:
    await slot.furnish()
    await slot.ledger.put_content(PORTFOLIO, SOURCE, b"old")
    assert await rewrite(slot, body=b"new") == 2
    assert await contents(slot, 1, 2) == [b"new", b"new"]
    assert await rewrite(slot) == 2
    assert await contents(slot, 1, 2) == [b"new", b"new"]


async def test_rows_wait_for_the_new_template_and_no_longer_for_the_old(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    await slot.put_template(a_template(status=TemplateStatus.PAUSED), NEWER)
    await slot.queue(1, 2)
    assert await slot.take() == []  # asleep behind the old one
    await rewrite(slot)
    assert await slot.take() == []
    await slot.put_template(a_template())
    assert await slot.take() == []
    await slot.put_template(a_template(category=Category.UTILITY), NEWER)
    answer = await slot.claim()
    assert [job.key.sequence for job in answer.jobs] == [1, 2]
    assert {job.lane for job in answer.jobs} == {Lane(SOURCE, SENDER, NEWER, LOW)}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_rows_that_come_for_the_old_lane_go_to_where_it_is_now(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(), NEWER)
    await slot.queue(1)
    await rewrite(slot, priority=Priority.SERVICE)
    assert (await slot.queue(2)).lane == 1
    lanes = {job.lane for job in (await slot.claim()).jobs}
    assert lanes == {Lane(SOURCE, SENDER, NEWER, Priority.SERVICE)}


async def test_a_higher_priority_leaves_first_also_what_waits_for_a_place(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.put_source(a_source(), "campaign:b")
    other = Lane("campaign:b", SENDER, LANE.template, LOW)
    await slot.queue(1)
    await slot.queue(2, 3, lane=other)
    await slot.queue(4)
    assert await slot.take() == [1]
    assert await slot.take() == []  # the others wait for a place
    await rewrite(slot, templates={}, priority=Priority.UTILITY)
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += 60_200
    jobs = (await slot.claim()).jobs
    assert [(job.lane.source, job.lane.priority) for job in jobs] == [(SOURCE, Priority.UTILITY)]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_another_end_counts_for_all_rows_and_no_end_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2, expires_at_ms=slot.now_ms + 100)
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await rewrite(slot, templates={}, expires_ms=0)
    slot.now_ms += 200
    await slot.put_source(a_source())
    assert await slot.take(1) == [1]
    await rewrite(slot, templates={}, expires_ms=slot.now_ms + 50)
    await slot.settle(Retry(131000, slot.now_ms + 60, "unknown"))  # past the new end
    slot.now_ms += 50
    assert await slot.take() == []
    assert await slot.books() == {JobState.FAILED: 1, JobState.EXPIRED: 1}


async def test_a_running_source_is_held_for_a_lull_and_opens_by_itself(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(), NEWER)
    await slot.queue(1)
    await rewrite(slot, lull_until_ms=slot.now_ms + 1_500)
    answer = await slot.claim()
    assert (answer.jobs, answer.refusals[0].gate) == ([], Gate.SOURCE)
    assert answer.come_back_at_ms == slot.now_ms + 1_500
    slot.now_ms += 1_500
    assert await slot.take() == [1]


async def test_only_what_runs_or_soon_will_is_put_to_lull(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(state=SourceState.PAUSED))
    await rewrite(slot, lull_until_ms=slot.now_ms + 1_500)
    assert (await slot.state())["src:campaign:a state"] == "paused"
    later_ms = slot.now_ms + 9_000
    await slot.put_source(a_source(state=SourceState.SCHEDULED, start_at_ms=later_ms))
    await rewrite(slot, lull_until_ms=slot.now_ms + 1_500)
    assert (await slot.state())["openings campaign:a"] == 9_000
    await rewrite(slot, lull_until_ms=slot.now_ms + 9_500)
    assert (await slot.state())["openings campaign:a"] == 9_500


async def test_what_is_kept_aside_comes_back_to_the_new_lane(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(), NEWER)
    await slot.queue(1, not_before_ms=slot.now_ms + 500)
    await rewrite(slot, priority=Priority.UTILITY)
    slot.now_ms += 500
    lanes = [job.lane for job in (await slot.claim()).jobs]
    assert lanes == [Lane(SOURCE, SENDER, NEWER, Priority.UTILITY)]


async def test_lanes_of_other_senders_and_cancelled_sources_stay_as_they_are(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, lane=Lane(SOURCE, OTHER, LANE.template, LOW))
    before = await slot.state(everything=True)
    await rewrite(slot)
    changed = await slot.changes(before, everything=True)
    assert [name for name in changed if name.startswith("lane:")] == []
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    before = await slot.state(everything=True)
    assert await rewrite(slot, body=b"new") == 0
    assert await slot.changes(before, everything=True) == {}
