"""rescue, with part_doubts: leases that ran out become doubts, doubts are settled by policy.

With part_call: a place given back calls who waits. With part_held: silence holds repeats back.
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import Category, DeliveryStatus, JobKey, SourceState
from engine.outcomes import Accepted, InDoubt
from engine.ports import FOREVER_MS
from engine.terms import CLAIMS_MAX, HELD_MS, SILENT_LOOK_MS
from tests.builders import a_sender, a_source
from tests.lua.slot_state import (
    DOUBT_MS,
    GONE,
    LEASE_MS,
    PORTFOLIO,
    SPAN_MS,
    START_MS,
    End,
    Packed,
    Slot,
    State,
)

ONE = JobKey(1, 1)


def without_claim(state: State) -> State:
    """Leave out the claim that is over too by the time a doubt is."""
    return {name: its for name, its in state.items() if not name.startswith(("claims", "leases"))}


async def in_flight(slot: Slot, **changes: Any) -> None:  # noqa: ANN401 (as a_row)
    """Have one job in flight."""
    await slot.furnish()
    await slot.queue(1, **changes)
    await slot.claim()


async def test_nothing_is_rescued_before_its_time(slot: Slot) -> None:
    await in_flight(slot)
    slot.now_ms += LEASE_MS - 1
    before = await slot.state()
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.doubted, answer.rescue_at_ms) == ([], START_MS + LEASE_MS)
    assert await slot.changes(before) == {}


async def test_a_lease_that_ran_out_becomes_a_doubt_since_its_end(slot: Slot) -> None:
    await in_flight(slot)
    slot.now_ms += LEASE_MS + 700
    before = await slot.state()
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.doubted, answer.repeated, answer.unknown) == ([ONE], [], [])
    assert answer.rescue_at_ms == START_MS + LEASE_MS + DOUBT_MS
    assert await slot.changes(before) == {
        "open 1.1": ("D", LEASE_MS, Packed(1, 1, fence=1)),
        "doubts 1.1": LEASE_MS + DOUBT_MS,
        "claims w:1": GONE,
        "leases w:1": GONE,
        "src:campaign:a s:in_flight": 0,
        "src:campaign:a s:in_doubt": 1,
    }


async def test_a_settled_job_of_a_claim_that_ran_out_is_left_alone(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += LEASE_MS
    before = await slot.state()
    assert (await slot.ledger.rescue(PORTFOLIO)).doubted == []
    assert await slot.changes(before) == {"claims w:1": GONE, "leases w:1": GONE}


async def test_a_doubt_without_a_repeat_ends_unknown_and_stays_counted(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    before = without_claim(await slot.state())
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert answer.unknown == [ONE]
    assert await slot.changes(before) == {
        "open 1.1": GONE,
        "doubts 1.1": GONE,
        "done:1:0 1": End("U", mark=0),
        "src:campaign:a s:in_doubt": 0,
        "src:campaign:a s:unknown": 1,
    }
    assert await slot.used() == 1
    slot.now_ms = START_MS + SPAN_MS
    assert await slot.used() == 0


async def test_a_doubt_with_a_repeat_left_goes_back_and_both_copies_count(slot: Slot) -> None:
    await in_flight(slot, repeats_max=1)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    before = without_claim(await slot.state())
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.repeated, answer.due_at_ms) == ([ONE], slot.now_ms)
    assert await slot.changes(before) == {
        "open 1.1": GONE,
        "doubts 1.1": GONE,
        "q:1": [Packed(1, 1, fence=1, repeats=1)],
        "repeating 1.1": True,
        "src:campaign:a s:in_doubt": 0,
    }
    (job,) = (await slot.claim()).jobs
    assert job.attempt == 2
    state = await slot.state()
    assert state["proofs: 1"] == [0, DOUBT_MS + LEASE_MS]
    assert "repeating 1.1" not in state


async def test_the_last_repeat_ends_unknown(slot: Slot) -> None:
    await in_flight(slot, repeats_max=1)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    await slot.ledger.rescue(PORTFOLIO)
    await slot.claim()
    await slot.settle(InDoubt("silence"), attempt=2)
    slot.now_ms += DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).unknown == [ONE]


@pytest.mark.parametrize("cancelled", [False, True], ids=["expired", "cancelled"])
async def test_a_doubt_is_not_repeated_in_vain(slot: Slot, *, cancelled: bool) -> None:
    expires_at_ms = 0 if cancelled else START_MS + DOUBT_MS
    await in_flight(slot, repeats_max=1, expires_at_ms=expires_at_ms)
    await slot.settle(InDoubt("silence"))
    if cancelled:
        await slot.put_source(a_source(state=SourceState.CANCELLED))
    slot.now_ms += DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).unknown == [ONE]
    assert await slot.books() == {"unknown": 1}
    assert await slot.used() == 1


async def test_one_rescue_looks_at_a_bounded_number_of_claims(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*range(1, CLAIMS_MAX + 4))
    for _ in range(CLAIMS_MAX + 3):
        await slot.claim(most=1)
        slot.now_ms += 1
    slot.now_ms += LEASE_MS
    first = await slot.ledger.rescue(PORTFOLIO)
    assert len(first.doubted) == CLAIMS_MAX
    assert first.rescue_at_ms <= slot.now_ms  # ask again now
    second = await slot.ledger.rescue(PORTFOLIO)
    assert len(second.doubted) == 3


async def test_an_empty_slot_has_nothing_to_rescue(slot: Slot) -> None:
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.rescue_at_ms, answer.due_at_ms) == (FOREVER_MS, FOREVER_MS)


async def in_doubt_in_silence(slot: Slot, category: Category, **changes: Any) -> None:  # noqa: ANN401
    """Have one job in doubt whose time is over, while its sender's webhooks are silent."""
    await slot.furnish(category=category)
    await slot.queue(1, repeats_max=1, **changes)
    await slot.claim()
    await slot.settle(InDoubt("silence"))
    await slot.put_sender(a_sender(throughput_mps=1_000, is_silent=True))
    slot.now_ms += DOUBT_MS


async def test_while_webhooks_are_silent_a_doubt_waits_and_is_looked_at_again(slot: Slot) -> None:
    await in_doubt_in_silence(slot, Category.UTILITY)
    before = without_claim(await slot.state())
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.repeated, answer.unknown) == ([], [])
    assert answer.rescue_at_ms == slot.now_ms + SILENT_LOOK_MS
    assert await slot.changes(before) == {"doubts 1.1": DOUBT_MS + SILENT_LOOK_MS}
    assert await slot.books() == {"in_doubt": 1}


async def test_after_a_silence_a_doubt_has_all_of_its_time_once_more(slot: Slot) -> None:
    await in_doubt_in_silence(slot, Category.UTILITY)
    await slot.ledger.rescue(PORTFOLIO)
    slot.now_ms += 1_000
    await slot.put_sender(a_sender(throughput_mps=1_000))
    spoke_ms, slot.now_ms = slot.now_ms, slot.now_ms + SILENT_LOOK_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == [ONE]
    assert slot.now_ms >= spoke_ms + DOUBT_MS


async def test_a_doubt_that_ends_soon_after_a_silence_waits_for_what_comes_late(
    slot: Slot,
) -> None:
    await in_doubt_in_silence(slot, Category.UTILITY)
    await slot.put_sender(a_sender(throughput_mps=1_000))
    spoke_ms = slot.now_ms
    answer = await slot.ledger.rescue(PORTFOLIO)
    assert (answer.repeated, answer.rescue_at_ms) == ([], spoke_ms + DOUBT_MS)
    received = await slot.receive(DeliveryStatus.SENT, wamid="wamid.1")
    assert received.settled == [ONE]
    slot.now_ms = spoke_ms + DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == []


async def test_a_login_code_in_doubt_does_not_wait_for_webhooks(slot: Slot) -> None:
    await in_doubt_in_silence(slot, Category.AUTHENTICATION)
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == [ONE]


async def test_silence_holds_a_doubt_for_an_hour_and_then_nobody_knows(slot: Slot) -> None:
    await in_doubt_in_silence(slot, Category.UTILITY)
    slot.now_ms = START_MS + HELD_MS - 1
    assert (await slot.ledger.rescue(PORTFOLIO)).rescue_at_ms == START_MS + HELD_MS
    slot.now_ms += 1
    assert (await slot.ledger.rescue(PORTFOLIO)).unknown == [ONE]
    assert await slot.books() == {"unknown": 1}


async def test_silence_holds_nothing_that_may_not_be_repeated_anyway(slot: Slot) -> None:
    await in_doubt_in_silence(slot, Category.UTILITY, expires_at_ms=START_MS + DOUBT_MS)
    assert (await slot.ledger.rescue(PORTFOLIO)).unknown == [ONE]
