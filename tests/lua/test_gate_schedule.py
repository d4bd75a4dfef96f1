"""gate_schedule: a job whose time is over expires instead of being sent."""

from __future__ import annotations

import pytest

from engine.model import Gate, JobState
from engine.outcomes import Unwritten
from tests.lua.slot_state import PORTFOLIO, End, Slot


@pytest.mark.parametrize(
    ("left_ms", "given"),
    [
        pytest.param(1, [1], id="a millisecond before its end it goes"),
        pytest.param(0, [], id="at its end it does not"),
        pytest.param(-1, [], id="nor after it"),
    ],
)
async def test_a_job_expires_between_enqueue_and_claim(
    slot: Slot, left_ms: int, given: list[int]
) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=slot.now_ms + 5_000)
    slot.now_ms += 5_000 - left_ms
    assert await slot.take() == given


async def test_an_expired_job_ends_and_takes_no_place_and_no_send_time(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=slot.now_ms)
    before = await slot.state()
    answer = await slot.claim()
    assert (answer.jobs, answer.refusals) == ([], [])
    changes = await slot.changes(before)
    assert changes["done:1:0 1"]._replace(mark=0) == End("E", fence=0)
    assert changes["src:campaign:a s:expired"] == 1
    assert await slot.used() == 0
    assert "s:s next_us" not in await slot.state(everything=True)


async def test_the_job_behind_it_goes(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=slot.now_ms)
    await slot.queue(2)
    assert await slot.take() == [2]


async def test_a_job_that_went_back_expires_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, expires_at_ms=slot.now_ms + 100)
    await slot.claim()
    await slot.settle(Unwritten("late"))
    slot.now_ms += 100
    assert await slot.take() == []
    assert await slot.books() == {JobState.EXPIRED: 1}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_gate_switched_off_lets_it_go(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.SCHEDULE}))
    await off.furnish()
    await off.queue(1, expires_at_ms=off.now_ms)
    assert await off.take() == [1]
