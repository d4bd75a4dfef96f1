"""times_take, part_pace: messages that come in take send times, at most a second's worth."""

from __future__ import annotations

import pytest

from engine.model import Gate, SenderId
from engine.outcomes import Deferred
from tests.builders import a_sender
from tests.lua.slot_state import OTHER, PORTFOLIO, SENDER, START_MS, Slot


async def came(slot: Slot, **messages: int) -> None:
    its = {SenderId(name): times for name, times in messages.items()}
    await slot.ledger.take_times(PORTFOLIO, its)


async def first_us(slot: Slot, at_ms: int) -> int:
    """Return when the next message may leave, after the start, asked at a moment."""
    slot.now_ms = START_MS + at_ms
    (job,) = (await slot.claim(1)).jobs
    return job.send_at_us - START_MS * 1_000


@pytest.mark.parametrize(
    ("messages", "send_at_us"), [(1, 10_000), (40, 400_000), (100, 1_000_000), (9_999, 1_000_000)]
)
async def test_each_takes_one_send_time(slot: Slot, messages: int, send_at_us: int) -> None:
    await slot.furnish(mps=100)
    await slot.queue(1)
    await came(slot, s=messages)
    assert await first_us(slot, send_at_us // 1_000 - 10) == send_at_us


async def test_it_is_of_the_rate_in_force(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.RATE, 130429, slot.now_ms, "slow"))
    await came(slot, s=9_999)
    assert await first_us(slot, 1_010) == 10_000 + 70 * 14_286


async def test_other_numbers_lose_nothing_and_unknown_ones_are_let_be(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.put_sender(a_sender(throughput_mps=100), OTHER)
    await slot.queue(1)
    before = await slot.state(everything=True)
    await came(slot, t=50, nobody=3)
    changed = await slot.changes(before, everything=True)
    assert [name for name in changed if not name.startswith("meta ")] == ["s:t next_us"]
    assert await first_us(slot, 0) == 0
    assert str(SENDER) == "s"
