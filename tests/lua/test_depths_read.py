"""depths_read: what each sender has to do, in which state, behind which gate, since when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.books import Depth
from engine.model import (
    Gate,
    JobState,
    Lane,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Accepted, Deferred, InDoubt, Retry
from tests.builders import a_sender, a_source, a_template
from tests.lua.slot_state import LANE, OTHER, PORTFOLIO, SENDER, SOURCE, START_MS, TEMPLATE, Slot

LOW, HIGH = Priority.MARKETING, Priority.AUTHENTICATION
CODE = Lane(SOURCE, OTHER, TEMPLATE, HIGH)
FAR_MS = 10**9


async def depths(slot: Slot) -> list[Depth]:
    """Read them; asking changes nothing."""
    before = await slot.state(everything=True)
    found = await slot.ledger.depths(PORTFOLIO)
    assert await slot.changes(before, everything=True) == {}
    return found


async def test_every_job_that_has_not_ended_is_somewhere(slot: Slot) -> None:
    await slot.furnish(places=5)
    await slot.queue(*range(1, 8))
    await slot.claim()
    await slot.settle(Accepted("wamid.1"), job=1)
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"), job=2)
    await slot.settle(InDoubt("silence"), job=3)
    slot.now_ms += 7
    await slot.queue(8, not_before_ms=slot.now_ms + 900)
    await slot.queue(9)
    await slot.queue(10, 11, lane=CODE)
    await slot.put_sender(a_sender(throughput_mps=20), OTHER)
    assert await depths(slot) == [
        Depth(
            SENDER,
            1_000,
            {
                (LOW, JobState.QUEUED): 1,
                (LOW, Gate.QUOTA): 2,
                (LOW, JobState.IN_FLIGHT): 2,
                (LOW, JobState.IN_DOUBT): 1,
                (LOW, Gate.RETRY): 1,
                (LOW, Gate.SCHEDULE): 1,
            },
            {LOW: START_MS},
        ),
        Depth(OTHER, 20, {(HIGH, JobState.QUEUED): 2}, {HIGH: START_MS + 7}),
    ]


async def test_nothing_to_do_is_shown_with_the_rate(slot: Slot) -> None:
    assert await depths(slot) == []
    await slot.furnish(mps=80)
    assert await depths(slot) == [Depth(SENDER, 80, {}, {})]


async def test_the_rate_is_the_one_in_force(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.RATE, 130429, slot.now_ms + 400, "too fast"))
    assert [depth.rate_mps for depth in await depths(slot)] == [70]


@pytest.mark.parametrize("gate", [Gate.SOURCE, Gate.TEMPLATE, Gate.ACCOUNT, Gate.SENDER])
async def test_a_closed_gate_holds_its_jobs(slot: Slot, gate: Gate) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    match gate:
        case Gate.SOURCE:
            await slot.put_source(a_source(state=SourceState.PAUSED))
        case Gate.TEMPLATE:
            await slot.put_template(a_template(status=TemplateStatus.PAUSED))
        case Gate.ACCOUNT:
            await slot.ledger.close_account(PORTFOLIO, WabaId("W"), slot.now_ms + 70)
        case _:
            await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 70))
    (depth,) = await depths(slot)
    assert depth.jobs == {(LOW, gate): 2}
    is_its_own = gate in {Gate.ACCOUNT, Gate.SENDER}
    assert depth.closed_until_ms == (slot.now_ms + 70 if is_its_own else 0)
    assert depth.oldest_due_ms == ({} if gate is Gate.SOURCE else {LOW: START_MS})


async def test_jobs_of_a_sender_nobody_put_wait_for_it(slot: Slot) -> None:
    await slot.queue(1)
    (depth,) = await depths(slot)
    assert (depth.rate_mps, depth.jobs) == (0, {(LOW, Gate.TEMPLATE): 1})
    await slot.put_template(a_template())
    assert (await depths(slot))[0].jobs == {(LOW, Gate.SENDER): 1}


async def test_many_jobs_kept_aside_are_told_by_their_source(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await slot.furnish()
    await slot.queue(1, 2, 3, not_before_ms=slot.now_ms + FAR_MS)
    monkeypatch.setattr("adapters.redis.ledger.ASIDE_MAX", 2)
    assert (await depths(slot))[0] == Depth(SENDER, 1_000, {(LOW, Gate.SCHEDULE): 3}, {})
    await slot.queue(4, lane=CODE, not_before_ms=slot.now_ms + FAR_MS)
    assert await depths(slot) == [
        Depth(SenderId(""), 0, {(LOW, Gate.SCHEDULE): 4}, {}),
        Depth(SENDER, 1_000, {}, {}),
    ]


async def test_more_lanes_than_a_bite_are_told_together(slot: Slot) -> None:
    await slot.furnish()
    for number in range(101):
        lane = replace(LANE, source=f"campaign:{number}")
        await slot.put_source(a_source(), lane.source)
        await slot.queue(1, lane=lane)
    reply = await slot.run("depths_read", "lanes", "1", 2_000)
    assert reply[0] == b"101"
    assert (await depths(slot))[0].jobs == {(LOW, JobState.QUEUED): 101}
