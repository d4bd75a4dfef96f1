"""gate_window: free-form goes only inside the service window, and inside it nothing counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.books import JobView
from engine.inbound import JUST_WROTE_MS, SERVICE_WINDOW_MS
from engine.model import DeliveryStatus, Gate, JobKey, JobState, Priority
from engine.outcomes import Accepted, Dropped, Outcome
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


CLOSED_CODE = 131047
DAY = SERVICE_WINDOW_MS
REFUSED = Dropped(CLOSED_CODE, "more than 24 hours since the recipient wrote")
FAILED = DeliveryStatus.UNDELIVERED


async def sent(slot: Slot, for_ms: int) -> None:
    """Have a free-form message to person 1, in a window open for so long, in flight."""
    await slot.furnish()
    await opened(slot, for_ms)
    await slot.queue(1, lane=FREE_FORM)
    assert await slot.take() == [1]
    await slot.queue(1, lane=FREE_FORM)


@pytest.mark.parametrize(
    ("outcome", "for_ms", "given"),
    [
        pytest.param(REFUSED, DAY - JUST_WROTE_MS, [], id="closed, says Meta"),
        pytest.param(REFUSED, DAY - JUST_WROTE_MS + 1, [2], id="the person wrote just now"),
        pytest.param(Dropped(131026, "undeliverable"), 10_000, [2], id="another refusal"),
    ],
)
async def test_an_answer_that_the_window_is_closed_closes_it_unless_the_person_just_wrote(
    slot: Slot, outcome: Outcome, for_ms: int, given: list[int]
) -> None:
    await sent(slot, for_ms)
    await slot.settle(outcome)
    assert await slot.take() == given


async def test_it_opens_again_when_the_person_writes(slot: Slot) -> None:
    await sent(slot, 10_000)
    await slot.settle(REFUSED)
    await opened(slot, DAY)
    assert await slot.take() == [2]


async def test_the_window_of_another_sender_stays_open(slot: Slot) -> None:
    await sent(slot, 10_000)
    await slot.put_sender(a_sender(), OTHER)
    until_ms = slot.now_ms + 10_000
    await slot.ledger.open_window(PORTFOLIO, OTHER, a_recipient(1), until_ms)
    await slot.queue(1, lane=replace(FREE_FORM, sender=OTHER))
    await slot.settle(REFUSED)
    assert await slot.take() == [1]


@pytest.mark.parametrize("is_answered", [True, False])
@pytest.mark.parametrize(
    ("code", "for_ms", "given"),
    [
        pytest.param(CLOSED_CODE, DAY - JUST_WROTE_MS - 2_000, [], id="closed, says Meta"),
        pytest.param(CLOSED_CODE, DAY - JUST_WROTE_MS + 1, [2], id="the person wrote just now"),
        pytest.param(131026, 10_000, [2], id="another failure"),
    ],
)
async def test_told_later_it_closes_the_window_too_before_and_after_the_answer(
    slot: Slot, code: int, for_ms: int, given: list[int], *, is_answered: bool
) -> None:
    await sent(slot, for_ms)
    if is_answered:
        await slot.settle(Accepted("wamid.1"))
    await slot.receive(FAILED, code=code)
    assert await slot.take() == given


async def test_told_again_it_does_not_close_the_window_that_was_opened_meanwhile(
    slot: Slot,
) -> None:
    await sent(slot, 10_000)
    await slot.settle(Accepted("wamid.1"))
    told_ms = slot.now_ms
    await slot.receive(FAILED, code=CLOSED_CODE, at_ms=told_ms)
    slot.now_ms += 1_000
    await opened(slot, DAY)
    slot.now_ms += 2 * JUST_WROTE_MS
    await slot.receive(FAILED, code=CLOSED_CODE, at_ms=told_ms)
    assert await slot.take() == [2]


async def test_once_it_is_closed_a_template_takes_a_place_again(slot: Slot) -> None:
    await sent(slot, 10_000)
    await slot.settle(REFUSED)
    await slot.queue(1, lane=LANE)
    assert [job.counted for job in (await slot.claim()).jobs] == [True]


async def test_a_gate_switched_off_lets_it_go(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.WINDOW}))
    await off.furnish()
    await off.queue(1, lane=FREE_FORM)
    assert await off.take() == [1]
