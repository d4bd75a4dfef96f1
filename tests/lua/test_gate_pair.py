"""gate_pair, part_pair_waits: one message per six seconds to a person; bursts are paid back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Gate, JobKey
from engine.outcomes import Accepted, Deferred
from engine.pace import PAIR_BURST, PAIR_INTERVAL_MS, PAIR_MEMORY_MS, PAIR_SLACK_MS
from tests.builders import a_sender
from tests.lua.slot_state import LANE, LEASE_MS, OTHER, PORTFOLIO, START_MS, Packed, Slot

SPENT_MS = PAIR_BURST * PAIR_INTERVAL_MS  # what a whole burst owes


async def spend(slot: Slot, until_ms: int, messages: int = PAIR_BURST, sender: str = "s") -> None:
    """Have the pair owe `messages` until a moment after START_MS."""
    await slot.client.hset("ps:{acme}:meta", "has", "pairs ")
    name = f"{sender}:".encode() + bytes(7) + b"\1"
    await slot.client.zadd("ps:{acme}:pairs", {name: (START_MS + until_ms) * 64 + messages})


async def owed(slot: Slot) -> tuple[int, int]:
    """Return until when the pair owes, after START_MS, and for how many messages."""
    spent = await slot.client.zscore("ps:{acme}:pairs", b"s:" + bytes(7) + b"\1")
    until_ms, messages = divmod(int(spent or 0), 64)
    return until_ms - START_MS, messages


@pytest.mark.parametrize(
    ("until_ms", "messages", "waits_ms"),
    [
        pytest.param(PAIR_INTERVAL_MS, 1, 0, id="a second one within the burst goes"),
        pytest.param(SPENT_MS - PAIR_INTERVAL_MS, 43, 0, id="the last of a burst goes"),
        pytest.param(SPENT_MS, 44, SPENT_MS + PAIR_SLACK_MS, id="a whole burst is paid back whole"),
        pytest.param(1_000, 1, 1_000 + PAIR_SLACK_MS, id="a single one after five seconds waits"),
        pytest.param(-PAIR_SLACK_MS, 1, 0, id="paid back and a little later is free"),
        pytest.param(-PAIR_SLACK_MS + 1, 1, 1, id="a millisecond before is not"),
    ],
)
async def test_a_burst_is_borrowed_from_the_future(
    slot: Slot, until_ms: int, messages: int, waits_ms: int
) -> None:
    await slot.furnish()
    await spend(slot, until_ms, messages)
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
    assert changes["later 1.1"] == SPENT_MS + PAIR_SLACK_MS
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
    assert await owed(slot) == (2 * PAIR_INTERVAL_MS, 2)


async def test_a_burst_to_one_person_ends_after_forty_four(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*[1] * 50)
    given = 0
    for _ in range(6):  # ten milliseconds of send times a claim
        given += len(await slot.take())
        slot.now_ms += 10
    assert given == PAIR_BURST
    slot.now_ms = START_MS + SPENT_MS
    assert await slot.take() == []
    slot.now_ms += PAIR_SLACK_MS
    assert await slot.take()


async def test_meta_saying_slow_down_spends_the_budget(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    until_ms = slot.now_ms + 3_000
    await slot.settle(Deferred(Gate.PAIR, 131056, until_ms, "slow"))
    await slot.queue(1)
    assert await slot.take() == []
    slot.now_ms = until_ms
    assert len(await slot.take()) == 2  # both at once: a new burst begins


async def test_a_pair_whose_budget_came_back_is_forgotten(slot: Slot) -> None:
    await slot.furnish()
    await spend(slot, LEASE_MS)
    assert "pairs s:1" in await slot.state()
    slot.now_ms += LEASE_MS + PAIR_SLACK_MS
    await slot.claim()
    assert "pairs s:1" not in await slot.state()


async def test_a_gate_switched_off_lets_everybody_pass(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.PAIR}))
    await off.furnish()
    await spend(off, SPENT_MS * 2)
    await off.queue(1)
    assert await off.take() == [1]


async def refused(slot: Slot, job: int = 1) -> int:
    """Have Meta refuse a pair's next message, as any worker hears it; return how long it waits."""
    (claimed,) = (await slot.claim()).jobs
    assert claimed.key == JobKey(1, job)
    answer = Deferred(Gate.PAIR, 131056, slot.now_ms + 1_000, "pair rate limit")
    await slot.settle(answer, job=job, attempt=claimed.attempt)
    view = await slot.ledger.job(PORTFOLIO, claimed.key)
    assert view is not None
    assert view.until_ms is not None
    return view.until_ms - slot.now_ms


async def test_a_pair_refused_in_a_row_waits_four_times_longer_each_time(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    waits: list[int] = []
    for _ in range(6):
        waits.append(await refused(slot))
        slot.now_ms += waits[-1]
    assert waits == [1_000, 4_000, 16_000, 64_000, 256_000, 256_000]


async def test_what_was_accepted_or_is_long_ago_makes_no_row(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    assert [await refused(slot)] == [1_000]
    slot.now_ms += 1_000 + PAIR_MEMORY_MS + 1
    assert await refused(slot) == 1_000
    slot.now_ms += 1_000
    assert await refused(slot) == 4_000
    slot.now_ms += 4_001
    (claimed,) = (await slot.claim()).jobs
    await slot.settle(Accepted("wamid.1"), attempt=claimed.attempt)
    slot.now_ms += PAIR_INTERVAL_MS + PAIR_SLACK_MS
    await slot.queue(1)
    assert await refused(slot, job=2) == 1_000


async def test_what_is_under_way_and_what_came_while_the_pair_waited_ends_no_row(
    slot: Slot,
) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.queue(1)
    first, second = (await slot.claim()).jobs
    refusal = Deferred(Gate.PAIR, 131056, slot.now_ms + 1_000, "pair rate limit")
    await slot.settle(refusal, job=1, attempt=first.attempt)
    slot.now_ms += 10
    await slot.settle(Accepted("wamid.1"), job=2, attempt=second.attempt)
    slot.now_ms += 990
    assert await refused(slot) == 4_000
