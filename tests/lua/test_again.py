"""again, with part_again: a leased job that was never written asks for a new send time."""

from __future__ import annotations

import pytest

from engine.model import Gate, JobKey, SourceState, TemplateStatus
from engine.outcomes import InDoubt, Unwritten
from engine.ports import FOREVER_MS, Again
from tests.builders import a_sender, a_source, a_template
from tests.lua.slot_state import PORTFOLIO, START_MS, Slot


async def in_flight(slot: Slot) -> None:
    """Have one job in flight."""
    await slot.furnish(mps=100)
    await slot.queue(1)
    await slot.claim()


async def ask(slot: Slot, attempt: int = 1) -> Again:
    """Ask for the first job."""
    return await slot.ledger.again(PORTFOLIO, JobKey(1, 1), attempt)


async def test_a_quick_retry_takes_the_next_send_time_and_keeps_its_lease(slot: Slot) -> None:
    await in_flight(slot)
    before = await slot.state()
    answer = await ask(slot)
    assert (answer.gate, answer.attempt) == (None, 1)
    assert answer.send_at_us == START_MS * 1_000 + 10_000
    assert (await ask(slot)).send_at_us == answer.send_at_us + 10_000
    assert await slot.changes(before) == {}


async def test_a_send_time_does_not_lie_in_the_past(slot: Slot) -> None:
    await in_flight(slot)
    slot.now_ms += 1_000
    assert (await ask(slot)).send_at_us == slot.now_ms * 1_000


@pytest.mark.parametrize(
    ("attempt", "ended"),
    [
        pytest.param(2, False, id="an attempt that never was"),
        pytest.param(1, True, id="a job that went back"),
    ],
)
async def test_only_a_job_still_leased_under_this_attempt_gets_one(
    slot: Slot, attempt: int, *, ended: bool
) -> None:
    await in_flight(slot)
    if ended:
        await slot.settle(Unwritten("late"))
    before = await slot.state(everything=True)
    assert (await ask(slot, attempt)).gate is Gate.SOURCE
    assert await slot.changes(before, everything=True) == {}


async def test_a_job_in_doubt_gets_none(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(InDoubt("silence"))
    assert (await ask(slot)).gate is Gate.SOURCE


async def test_a_closed_gate_is_named(slot: Slot) -> None:
    await in_flight(slot)
    await slot.ledger.close_account(PORTFOLIO, a_sender().waba, slot.now_ms + 1)
    assert (await ask(slot)).gate is Gate.ACCOUNT
    await slot.put_sender(a_sender(closed_until_ms=FOREVER_MS))
    assert (await ask(slot)).gate is Gate.SENDER
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    assert (await ask(slot)).gate is Gate.TEMPLATE
    await slot.put_source(a_source(state=SourceState.PAUSED))
    assert (await ask(slot)).gate is Gate.SOURCE


async def test_marketing_of_a_number_that_is_slowed_takes_its_share(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.put_sender(a_sender(throughput_mps=100, marketing_share=0.5))
    await slot.queue(1, 2)
    await slot.claim(1)
    first_us = START_MS * 1_000
    assert (await ask(slot)).send_at_us == first_us + 10_000
    answer = await slot.claim(1)
    assert answer.jobs == []
    slot.now_ms += 30
    (job,) = (await slot.claim(1)).jobs
    assert job.send_at_us == first_us + 30_000
