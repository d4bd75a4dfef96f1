"""gate_pair: one message per six seconds to the same person, bursts of 44 ahead of the clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Gate
from engine.outcomes import Deferred
from engine.pace import PAIR_BURST, PAIR_INTERVAL_MS
from tests.builders import a_sender
from tests.lua.slot_state import LANE, LEASE_MS, OTHER, START_MS, Packed, Slot

SPENT_MS = PAIR_BURST * PAIR_INTERVAL_MS


async def spend(slot: Slot, horizon_ms: int, sender: str = "s") -> None:
    """Have the pair's budget spent until a moment after START_MS."""
    await slot.client.hset("ps:{acme}:meta", "has_pairs", "1")
    await slot.client.zadd(
        "ps:{acme}:pairs", {f"{sender}:".encode() + bytes(7) + b"\1": START_MS + horizon_ms}
    )


@pytest.mark.parametrize(
    ("horizon_ms", "waits_ms"),
    [
        pytest.param(SPENT_MS - PAIR_INTERVAL_MS, 0, id="the last of a burst goes"),
        pytest.param(SPENT_MS - PAIR_INTERVAL_MS + 1, 1, id="a millisecond more waits for it"),
        pytest.param(SPENT_MS, PAIR_INTERVAL_MS, id="after a whole burst one in six seconds"),
    ],
)
async def test_a_burst_is_borrowed_from_the_future(
    slot: Slot, horizon_ms: int, waits_ms: int
) -> None:
    await slot.furnish()
    await spend(slot, horizon_ms)
    await slot.queue(1)
    answer = await slot.claim()
    assert len(answer.jobs) == (waits_ms == 0)
    assert answer.come_back_at_ms - slot.now_ms == waits_ms or waits_ms == 0
    slot.now_ms += waits_ms
    assert await slot.take() == ([] if waits_ms == 0 else [1])


async def test_who_waits_is_kept_aside_alone(slot: Slot) -> None:
    await slot.furnish()
    await spend(slot, SPENT_MS)
    await slot.queue(1, 2)
    before = await slot.state()
    answer = await slot.claim()
    assert [job.key.sequence for job in answer.jobs] == [2]
    assert [(its.gate, its.count) for its in answer.refusals] == [(Gate.PAIR, 1)]
    changes = await slot.changes(before)
    assert changes["aside 1.1"] == ("P", Packed(1, 1))
    assert changes["later 1.1"] == PAIR_INTERVAL_MS
    assert changes["src:campaign:a w:pair"] == 1


async def test_another_sender_may_write_to_that_person(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_sender(a_sender(), OTHER)
    await spend(slot, SPENT_MS)
    await slot.queue(1, lane=replace(LANE, sender=OTHER))
    assert await slot.take() == [1]


async def test_a_first_message_writes_no_pair_and_a_second_one_does(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    assert "pairs s:1" not in await slot.state()
    await slot.queue(1)
    await slot.claim()
    assert (await slot.state())["pairs s:1"] == 2 * PAIR_INTERVAL_MS


async def test_a_burst_to_one_person_ends_after_forty_four(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*[1] * 50)
    given = 0
    for _ in range(6):  # ten milliseconds of send times a claim
        given += len(await slot.take())
        slot.now_ms += 10
    assert given == PAIR_BURST
    slot.now_ms = START_MS + PAIR_INTERVAL_MS
    assert len(await slot.take()) == 1


async def test_meta_saying_slow_down_spends_the_budget(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    until_ms = slot.now_ms + 3_000
    await slot.settle(Deferred(Gate.PAIR, 131056, until_ms, "slow"))
    await slot.queue(1)
    assert await slot.take() == []
    slot.now_ms = until_ms
    assert len(await slot.take()) == 1  # and the other one waits for the next interval
    slot.now_ms += PAIR_INTERVAL_MS
    assert len(await slot.take()) == 1


async def test_a_pair_whose_budget_came_back_is_forgotten(slot: Slot) -> None:
    await slot.furnish()
    await spend(slot, LEASE_MS)
    slot.now_ms += LEASE_MS
    await slot.claim()
    assert "pairs s:1" not in await slot.state()


async def test_a_gate_switched_off_lets_everybody_pass(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.PAIR}))
    await off.furnish()
    await spend(off, SPENT_MS * 2)
    await off.queue(1)
    assert await off.take() == [1]
