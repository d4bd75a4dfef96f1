"""template_put: a template's status; APPROVED releases the lanes parked behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Gate, TemplateStatus
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from tests.builders import a_template
from tests.lua.slot_state import GONE, LANE, TEMPLATE, Slot


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
