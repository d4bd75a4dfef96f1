"""gate_window: free-form goes only inside the service window, and inside it nothing counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.books import JobView
from engine.model import Gate, JobKey, JobState, Priority
from tests.builders import a_recipient, a_sender
from tests.lua.slot_state import GUARD_MS, LANE, OTHER, PORTFOLIO, SENDER, Packed, Slot

FREE_FORM = replace(LANE, template="", priority=Priority.SERVICE)


async def opened(slot: Slot, for_ms: int) -> None:
    """Open person 1's window with the furnished sender."""
    until_ms = slot.now_ms + for_ms
    await slot.ledger.open_window(PORTFOLIO, SENDER, a_recipient(1), until_ms)


@pytest.mark.parametrize(
    ("for_ms", "given"),
    [
        pytest.param(GUARD_MS + 1, [1], id="open for longer than the guard"),
        pytest.param(GUARD_MS, [], id="open for the guard only"),
        pytest.param(1, [], id="about to close"),
    ],
)
async def test_free_form_needs_a_window_open_for_the_guard_longer(
    slot: Slot, for_ms: int, given: list[int]
) -> None:
    await slot.furnish()
    await opened(slot, for_ms)
    await slot.queue(1, lane=FREE_FORM)
    assert await slot.take() == given


async def test_free_form_outside_a_window_is_refused_with_the_reason(slot: Slot) -> None:
    await slot.furnish()
    queued = await slot.queue(1, lane=FREE_FORM)
    answer = await slot.claim()
    assert [(its.gate, its.count) for its in answer.refusals] == [(Gate.WINDOW, 1)]
    key = JobKey(queued.lane, 1)
    assert await slot.ledger.job(PORTFOLIO, key) == JobView(key, JobState.FAILED, code=131047)


async def test_inside_the_window_a_template_takes_no_place(slot: Slot) -> None:
    await slot.furnish(places=0)
    await opened(slot, 10_000)
    await slot.queue(1)
    (job,) = (await slot.claim()).jobs
    assert not job.counted
    assert (await slot.state())["open 1.1"] == ("f", 5_000, Packed(1, 1, fence=1))
    assert await slot.used() == 0


async def test_a_window_with_one_sender_is_none_with_another(slot: Slot) -> None:
    await slot.furnish(places=0)
    await slot.put_sender(a_sender(), OTHER)
    await opened(slot, 10_000)
    await slot.queue(1, lane=replace(LANE, sender=OTHER))
    assert await slot.take() == []


async def test_a_gate_switched_off_lets_it_go(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.WINDOW}))
    await off.furnish()
    await off.queue(1, lane=FREE_FORM)
    assert await off.take() == [1]
