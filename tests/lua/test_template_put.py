"""template_put, with part_moves: a template's status and category, and the lanes behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import LedgerAwayError
from engine.model import Category, Gate, Priority, TemplateStatus
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from tests.builders import a_portfolio, a_template
from tests.lua.slot_state import GONE, LANE, PORTFOLIO, TEMPLATE, Slot


@pytest.mark.parametrize("status", list(TemplateStatus))
async def test_only_an_approved_template_is_sent(slot: Slot, status: TemplateStatus) -> None:
    await slot.furnish()
    await slot.queue(1)
    before = await slot.state()
    await slot.put_template(a_template(status=status))
    written = {f"templates {TEMPLATE}": f"{status}|marketing"}
    approved = status is TemplateStatus.APPROVED
    assert await slot.changes(before) == ({} if approved else written)
    assert await slot.take() == ([1] if approved else [])


async def test_an_unknown_template_forbids_sending(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, lane=replace(LANE, template="W/nobody/en"))
    answer = await slot.claim()
    assert (answer.jobs, [its.gate for its in answer.refusals]) == ([], [Gate.TEMPLATE])


async def test_approval_wakes_the_lanes_that_slept_behind_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    await slot.queue(1)
    assert (await slot.claim()).come_back_at_ms == FOREVER_MS
    before = await slot.state()
    await slot.put_template(a_template())
    assert await slot.changes(before) == {
        f"templates {TEMPLATE}": "APPROVED|marketing",
        f"asleep:template:{TEMPLATE} 1": GONE,
    }
    assert await slot.take() == [1]


async def test_approval_forgives_nothing_while_meta_is_asked_about_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.TEMPLATE, 132015, FOREVER_MS, "paused"))
    before = await slot.state()
    await slot.put_template(a_template(lifts=False))
    assert (await slot.changes(before), await slot.take()) == ({}, [])


async def test_approval_forgives_what_parked_it_for_a_sender(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.TEMPLATE, 132015, FOREVER_MS, "paused"))
    assert await slot.take() == []
    before = await slot.state()
    await slot.put_template(a_template())
    assert await slot.changes(before) == {
        f"struck s|{TEMPLATE}": GONE,
        f"asleep:template:s|{TEMPLATE} 1": GONE,
    }
    assert await slot.take() == [1]


async def test_a_pause_does_not_touch_what_is_parked_elsewhere(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2)
    await slot.claim()
    before = await slot.state()
    await slot.put_template(a_template(status=TemplateStatus.PAUSED), "W/other/en")
    assert await slot.changes(before) == {"templates W/other/en": "PAUSED|marketing"}


async def priorities(slot: Slot, most: int = 100) -> list[tuple[int, str]]:
    """Claim, and return which lanes gave jobs and with what priority."""
    jobs = (await slot.claim(most)).jobs
    return [(job.key.lane, job.lane.priority.name) for job in jobs]


async def test_a_new_category_moves_the_lanes_that_had_the_old_one_s_priority(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    chosen = replace(LANE, priority=Priority.SERVICE)
    await slot.queue(2, lane=chosen)
    assert len(await slot.take(0)) == 0
    await slot.put_template(a_template(category=Category.UTILITY, version=1))
    assert await priorities(slot) == [(2, "SERVICE"), (1, "UTILITY")]
    await slot.queue(3, lane=replace(LANE, priority=Priority.UTILITY))
    assert await priorities(slot) == [(1, "UTILITY")]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_what_waits_for_a_place_moves_too_and_goes_in_its_new_turn(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.put_template(a_template(), "W/other/en")
    await slot.queue(1, lane=replace(LANE, template="W/other/en"))
    await slot.claim()
    await slot.queue(2, lane=replace(LANE, template="W/other/en"))
    await slot.queue(3)
    await slot.claim()
    await slot.put_template(a_template(category=Category.UTILITY))
    await slot.put_portfolio(a_portfolio(2))
    slot.now_ms += 20
    assert await priorities(slot) == [(2, "UTILITY")]


async def test_a_lane_that_is_there_already_stays_beside_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.queue(2, lane=replace(LANE, priority=Priority.UTILITY))
    await slot.put_template(a_template(category=Category.UTILITY))
    assert sorted(await priorities(slot)) == [(1, "UTILITY"), (2, "UTILITY")]
    assert (await slot.queue(3)).lane == 3  # a marketing lane of its own again
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_parked_lane_moves_and_wakes_with_its_gate(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_template(a_template(status=TemplateStatus.PENDING))
    await slot.queue(1)
    await slot.claim()
    pending = a_template(status=TemplateStatus.PENDING, category=Category.UTILITY)
    await slot.put_template(pending)
    assert await priorities(slot) == []
    await slot.put_template(a_template(category=Category.UTILITY))
    assert await priorities(slot) == [(1, "UTILITY")]


async def test_who_claims_reads_templates_again_when_one_opened_or_changed(slot: Slot) -> None:
    await slot.furnish()
    read: list[int] = []

    async def read_again() -> None:
        read.append(slot.now_ms)

    async def times_read() -> int:
        read.clear()
        await slot.claim(0)
        return len(read)

    slot.ledger.renewed = read_again
    assert [await times_read(), await times_read()] == [1, 0]
    await slot.put_template(a_template())
    assert await times_read() == 0  # it is as it was
    await slot.put_template(a_template(status=TemplateStatus.PENDING, version=1))
    assert await times_read() == 0  # nothing of it is given out
    await slot.put_template(a_template(version=1))
    assert await times_read() == 1
    await slot.put_template(a_template(version=2))
    assert await times_read() == 1


async def test_what_cannot_be_read_again_is_read_at_the_next_claim(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    is_away = True

    async def read_again() -> None:
        if is_away:
            raise LedgerAwayError("away")

    slot.ledger.renewed = read_again
    with pytest.raises(LedgerAwayError):
        await slot.claim()
    is_away = False
    slot._wishes -= 1  # the same wish again: what it leased is given
    assert await slot.take() == [1]
