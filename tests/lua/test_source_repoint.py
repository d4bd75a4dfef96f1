"""source_repoint: what waits gets another message and another template, lane by lane."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Category, Priority, SourceState, TemplateStatus
from engine.template_ports import Repoint
from tests.builders import a_source, a_template
from tests.lua.slot_state import LANE, PORTFOLIO, SOURCE, TEMPLATE, Slot

OTHER = "W/other/en"
WISH = Repoint(b"new", {TEMPLATE: OTHER}, Priority.MARKETING, Priority.UTILITY)


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
    for version in (1, 2):
        assert await slot.ledger.content(PORTFOLIO, SOURCE, version) == b"new"
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


async def test_a_chosen_priority_and_other_templates_stay(slot: Slot) -> None:
    await furnished(slot)
    chosen = replace(LANE, priority=Priority.SERVICE)
    await slot.queue(3, lane=chosen)
    await slot.put_template(a_template(), "W/third/en")
    await slot.queue(4, lane=replace(LANE, template="W/third/en"))
    await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH)
    await slot.put_source(a_source())
    found = {(job.lane.template, job.lane.priority) for job in (await slot.claim()).jobs}
    assert found >= {(OTHER, Priority.SERVICE), ("W/third/en", Priority.UTILITY)}


@pytest.mark.parametrize(
    "state", [SourceState.RUNNING, SourceState.SCHEDULED, SourceState.CANCELLED]
)
async def test_while_it_runs_or_is_over_nothing_changes(slot: Slot, state: SourceState) -> None:
    await furnished(slot, state)
    before = await slot.state(everything=True)
    assert await slot.ledger.repoint(PORTFOLIO, SOURCE, WISH) == 0
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
